// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/base64.hpp"

#include <gtest/gtest.h>

namespace backplane::sync {
namespace {

std::vector<std::uint8_t> bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

TEST(Base64, gives_back_what_it_was_given_at_every_length) {
    std::vector<std::uint8_t> all;
    for (int i = 0; i < 300; ++i) {
        EXPECT_EQ(base64_decode(base64_encode(all)), all) << i;
        all.push_back(static_cast<std::uint8_t>(i * 37 + 255));
    }
}

TEST(Base64, knows_the_vectors_of_rfc_4648) {
    EXPECT_EQ(base64_encode(bytes("fooba")), "Zm9vYmE=");
    EXPECT_EQ(base64_encode(bytes("foob")), "Zm9vYg==");
    EXPECT_EQ(base64_decode("Zm9vYmFy"), bytes("foobar"));
}

TEST(Base64, accepts_line_breaks_and_missing_padding) {
    EXPECT_EQ(base64_decode("Zm9v\r\nYg=="), bytes("foob"));
    EXPECT_EQ(base64_decode("Zm9vYg"), bytes("foob"));
}

TEST(Base64, refuses_what_is_not_base64) {
    for (const auto* text :
         {"A", "Zm9vY", "Zm9v YmFy", "Zm=v", "Zg===", "Zm9v=", "====", "<receipt/>", "Zm9vYg=",
          "\xc3\xa4"
          "bc"})
        EXPECT_EQ(base64_decode(text), std::nullopt) << text;
}

}  // namespace
}  // namespace backplane::sync
