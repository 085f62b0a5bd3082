// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the kernel and udev know of one serial port, as plain values: whoever decides about ports
// needs no udev.
#pragma once

#include <optional>
#include <string>

namespace backplane::serial {

struct PortFacts {
    std::string syspath;  ///< /sys/devices/…/tty/ttyUSB0: names the port until it goes
    std::string devnode;  ///< /dev/ttyUSB0
    std::string driver;   ///< "ftdi_sio", "cdc_acm", "serial8250"; empty if the kernel does not say
    bool has_parent = false;       ///< hangs on a device; consoles and pseudo terminals do not
    bool console = false;          ///< the kernel writes its messages here
    std::optional<int> uart_type;  ///< of the serial core; 0 = a slot without a chip behind it

    // Of the USB device behind it; empty for others. Texts are cleaned.
    std::string vid, pid;  ///< four lower-case hexadecimal digits
    std::string vendor, product, serial;
    std::string usb_path;       ///< "1-1.4": where it is plugged in
    std::string usb_interface;  ///< "00": number of the interface of the USB device
    std::string
        usb_generation;       ///< differs each time something is plugged in, even in the same place
    std::string port_number;  ///< "0": of usb-serial chips with several ports

    std::string id_serial;  ///< as udev names the device: FTDI_FT232R_USB_UART_A50285BI
    std::string id_path;    ///< as udev names the place: pci-0000:00:14.0-usb-0:1.4:1.0

    bool operator==(const PortFacts&) const = default;
};

}  // namespace backplane::serial
