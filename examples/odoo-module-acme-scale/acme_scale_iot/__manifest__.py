# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
{
    "name": "Acme Scale for IoT Boxes",
    "summary": "Delivers the driver of the Acme counter scale to Backplane boxes",
    "version": "1.0.0",
    "category": "Internet of Things (IoT)",
    "author": "Acme (example)",
    "license": "Other OSI approved licence",
    # The module "iot" is part of Odoo Enterprise: it is what sends iot_handlers/ to the boxes.
    "depends": ["iot"],
    "installable": True,
}
