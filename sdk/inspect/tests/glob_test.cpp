// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gtest/gtest.h>

#include <string>

#include "backplane/inspect/plugin_note.hpp"

namespace backplane::sdk {
namespace {

TEST(AGlob, fits_what_it_says) {
    EXPECT_TRUE(glob_matches("", ""));
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("04b8", "04B8"));
    EXPECT_TRUE(glob_matches("TM-T*", "tm-t88v"));
    EXPECT_TRUE(glob_matches("0?02", "0202"));
    EXPECT_TRUE(glob_matches("*a*b", "xxaxxabxb"));
    EXPECT_TRUE(glob_matches("**x**", "x"));
}

TEST(AGlob, does_not_fit_anything_else) {
    EXPECT_FALSE(glob_matches("", "a"));
    EXPECT_FALSE(glob_matches("?", ""));
    EXPECT_FALSE(glob_matches("04b8", "04b80"));
    EXPECT_FALSE(glob_matches("04b8", "4b8"));
    EXPECT_FALSE(glob_matches("*a*b", "ba"));
    EXPECT_FALSE(glob_matches("a.c", "abc"));
}

TEST(AGlob, takes_no_exponential_time) {
    std::string pattern;
    for (int i = 0; i < 64; ++i) pattern += "*a";
    EXPECT_FALSE(glob_matches(pattern + "b", std::string(2'000, 'a')));
}

}  // namespace
}  // namespace backplane::sdk
