// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "identity.hpp"

#include <gtest/gtest.h>

namespace backplane::serial {
namespace {

PortFacts ftdi() {
    PortFacts facts;
    facts.syspath = "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0";
    facts.devnode = "/dev/ttyUSB0";
    facts.has_parent = true;
    facts.serial = "A50285BI";
    facts.usb_path = "1-1";
    facts.usb_interface = "00";
    facts.port_number = "0";
    facts.id_serial = "FTDI_FT232R_USB_UART_A50285BI";
    facts.id_path = "pci-0000:00:14.0-usb-0:1:1.0";
    return facts;
}

TEST(ARealPort, is_not_a_virtual_console) {
    PortFacts facts;
    facts.syspath = "/sys/devices/virtual/tty/tty1";
    facts.devnode = "/dev/tty1";
    EXPECT_FALSE(is_real_port(facts));
    facts.has_parent = true;
    EXPECT_FALSE(is_real_port(facts))
        << "what lies under /devices/virtual is not real, whatever it hangs on";
}

TEST(ARealPort, is_not_a_slot_without_a_chip) {
    PortFacts facts;
    facts.syspath = "/sys/devices/platform/serial8250/tty/ttyS3";
    facts.devnode = "/dev/ttyS3";
    facts.driver = "serial8250";
    facts.has_parent = true;
    facts.uart_type = 0;
    EXPECT_FALSE(is_real_port(facts));
    facts.uart_type = 4;
    EXPECT_TRUE(is_real_port(facts));
}

TEST(ARealPort, is_not_the_boxs_own_gadget_end) {
    PortFacts facts = ftdi();
    facts.devnode = "/dev/ttyGS0";
    EXPECT_FALSE(is_real_port(facts));
}

TEST(ARealPort, needs_a_node) {
    PortFacts facts = ftdi();
    EXPECT_TRUE(is_real_port(facts));
    facts.devnode.clear();
    EXPECT_FALSE(is_real_port(facts));
}

TEST(TheLinksOfAPort, are_those_that_udev_makes) {
    EXPECT_EQ(by_id_link(ftdi()), "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0");
    EXPECT_EQ(by_path_link(ftdi()), "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0");
}

TEST(TheLinksOfAPort, have_no_port_number_for_a_modem) {
    PortFacts facts = ftdi();
    facts.port_number.clear();
    EXPECT_EQ(by_id_link(facts), "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00");
    EXPECT_EQ(by_path_link(facts), "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0");
}

TEST(TheLinksOfAPort, are_empty_when_there_is_nothing_to_name) {
    EXPECT_EQ(by_id_link(PortFacts{}), "");
    EXPECT_EQ(by_path_link(PortFacts{}), "");
}

TEST(TheUdevName, is_made_of_plain_characters) {
    EXPECT_EQ(as_udev_name("  FT232R  USB\tUART "), "FT232R_USB_UART");
    EXPECT_EQ(as_udev_name("USB2.0-Serial"), "USB2.0-Serial");
    EXPECT_EQ(as_udev_name("a/b(c)"), "a_b_c_");
    EXPECT_EQ(as_udev_name("W\xc3\xa4gezelle"), "W\xc3\xa4gezelle");
    EXPECT_EQ(as_udev_name("\xff\xfe!"), "___");
    EXPECT_EQ(as_udev_name("   "), "");
}

TEST(TheUdevName, is_composed_of_what_the_usb_device_says) {
    EXPECT_EQ(usb_id_serial("FTDI", "FT232R USB UART", "A50285BI"),
              "FTDI_FT232R_USB_UART_A50285BI");
    EXPECT_EQ(usb_id_serial("1a86", "USB2.0-Ser!", ""), "1a86_USB2.0-Ser_");
    EXPECT_EQ(usb_id_serial("1a86", "x", "12,3"), "1a86_x") << "a comma is in no serial number";
    EXPECT_EQ(usb_id_serial("1a86", "x", "\x80\x01"), "1a86_x");
}

TEST(ASerialNumber, of_the_factory_is_none) {
    PortFacts facts = ftdi();
    EXPECT_TRUE(has_serial_number_of_its_own(facts));
    for (const char* none : {"", "  ", "0001", "0", "00000000", "1234567890"}) {
        facts.serial = none;
        facts.id_serial = usb_id_serial("FTDI", "FT232R USB UART", none);
        EXPECT_FALSE(has_serial_number_of_its_own(facts)) << none;
    }
}

TEST(ASerialNumber, that_udev_leaves_out_of_the_link_is_none) {
    PortFacts facts = ftdi();
    facts.serial = "A,1";
    facts.id_serial = usb_id_serial("FTDI", "FT232R USB UART", facts.serial);
    EXPECT_FALSE(has_serial_number_of_its_own(facts));
}

TEST(ATextOfADevice, is_made_fit_for_people) {
    EXPECT_EQ(clean_text(" FTDI \n"), "FTDI");
    EXPECT_EQ(clean_text("a\x1b[2Jb"), "a?[2Jb");
    EXPECT_EQ(clean_text("\xc3\xa9t\xc3\xa9"), "\xc3\xa9t\xc3\xa9");
    EXPECT_EQ(clean_text("\xc3"), "?");
    EXPECT_EQ(clean_text("\xc0\x80"), "??") << "an overlong form";
    EXPECT_EQ(clean_text("\xed\xa0\x80"), "???") << "a surrogate";
    EXPECT_EQ(clean_text(std::string(1000, 'x')).size(), 128u);
    EXPECT_EQ(clean_text(std::string(127, 'x') + "\xc3\xa9"), std::string(127, 'x'))
        << "never half a character";
}

}  // namespace
}  // namespace backplane::serial
