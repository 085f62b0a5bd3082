// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/identifier_book.hpp"

#include <gtest/gtest.h>

#include <map>

namespace backplane::core {
namespace {

class AnIdentifierBook : public testing::Test {
protected:
    std::map<std::string, std::string> remembered;
    IdentifierBook book{
        [this](const std::string& id) { return remembered.count(id) ? remembered[id] : ""; }};
};

TEST_F(AnIdentifierBook, gives_two_scales_their_old_names_when_their_ports_were_swapped) {
    remembered = {{"usb-A", "/dev/ttyUSB0"}, {"usb-B", "/dev/ttyUSB1"}};
    EXPECT_EQ(book.take("usb-A", "/dev/ttyUSB1"), "/dev/ttyUSB0");
    EXPECT_EQ(book.take("usb-B", "/dev/ttyUSB0"), "/dev/ttyUSB1");
}

TEST_F(AnIdentifierBook, gives_a_replacement_the_name_of_the_port) {
    remembered = {{"usb-broken", "/dev/ttyUSB0"}};
    EXPECT_EQ(book.take("usb-new", "/dev/ttyUSB0"), "/dev/ttyUSB0");
}

TEST_F(AnIdentifierBook, gives_another_name_when_the_old_one_is_taken) {
    remembered = {{"usb-A", "/dev/ttyUSB0"}};
    EXPECT_EQ(book.take("usb-new", "/dev/ttyUSB0"), "/dev/ttyUSB0");
    EXPECT_EQ(book.take("usb-A", "/dev/ttyUSB1"), "/dev/ttyUSB1");
}

TEST_F(AnIdentifierBook, numbers_devices_whose_names_are_all_taken) {
    EXPECT_EQ(book.take("a", "usb_0c2e:0200"), "usb_0c2e:0200");
    EXPECT_EQ(book.take("b", "usb_0c2e:0200"), "usb_0c2e:0200_2");
    EXPECT_EQ(book.take("c", "usb_0c2e:0200"), "usb_0c2e:0200_3");
    book.give_back("usb_0c2e:0200_2");
    EXPECT_EQ(book.take("d", "usb_0c2e:0200"), "usb_0c2e:0200_2");
}

}  // namespace
}  // namespace backplane::core
