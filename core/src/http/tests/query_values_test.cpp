// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/http_form.hpp"

#include <gtest/gtest.h>

namespace backplane::core {
namespace {

TEST(AQuery, leaves_a_broken_escape_out) {
    EXPECT_EQ(form_value("a=%4", "a").value_or(""), "");
}

TEST(AQuery, has_no_value_for_a_name_that_only_begins_alike) {
    EXPECT_EQ(form_value("after2=1", "after").value_or(""), "");
}

TEST(AQuery, decodes_names_and_values) {
    EXPECT_EQ(form_value("x=1&de%76ice=%2Fdev%2FttyUSB0+a", "device").value_or(""),
              "/dev/ttyUSB0 a");
}

TEST(AQuery, gives_the_first_of_several) {
    EXPECT_EQ(form_value("a=1&a=2", "a").value_or(""), "1");
}

TEST(AQuery, takes_a_name_without_a_value_as_empty) {
    EXPECT_EQ(form_value("a&b=2", "a").value_or(""), "");
}

}  // namespace
}  // namespace backplane::core
