// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// How a serial port is recognised when it comes back under another number.
//
// The names are those of udev's links under /dev/serial, so that users find them with ls. They are
// computed, not read: then they are the same where udev runs and where it does not (a container, a
// minimal system).
#pragma once

#include <string>
#include <string_view>

#include "port_facts.hpp"

namespace backplane::serial {

/// A port that something can be plugged into; not a console, a pseudo terminal or a slot without a
/// chip.
bool is_real_port(const PortFacts& facts);

/// "/dev/serial/by-id/usb-…", empty when udev would not make one.
std::string by_id_link(const PortFacts& facts);
/// "/dev/serial/by-path/pci-…", empty when the place is unknown.
std::string by_path_link(const PortFacts& facts);

/// True when the serial number tells this device from its twins. Chips come from the factory with
/// none, or all with the same one.
bool has_serial_number_of_its_own(const PortFacts& facts);

/// The text as udev puts it into a link: blanks become one '_', so does whatever is not plain.
std::string as_udev_name(std::string_view text);
/// vendor_product_serial as udev composes it, of what the USB device itself says.
std::string usb_id_serial(std::string_view vendor, std::string_view product,
                          std::string_view serial);

/// Text of a device for people and JSON: valid UTF-8, no control characters, at most 128 bytes, no
/// blanks around it.
std::string clean_text(std::string_view text);

}  // namespace backplane::serial
