# SPDX-License-Identifier: Apache-2.0
# Copyright The Backplane authors.
# Nothing runs on the server: the module only carries iot_handlers/.
