// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "http/http_types.hpp"

#include <gtest/gtest.h>

#include "backplane/core/http_form.hpp"

namespace backplane::core {
namespace {

struct Split {
    bool valid;
    std::string path, query;
};
Split split(std::string_view target, HttpMethod method = HttpMethod::get) {
    Split out{};
    out.valid = split_target(target, method, out.path, out.query);
    return out;
}

TEST(ARequestTarget, is_refused_when_an_escape_is_cut_off_or_not_hexadecimal) {
    for (const char* target : {"/%", "/a%4", "/%zz", "/%4g", "/a/%%41"})
        EXPECT_FALSE(split(target).valid) << target;
}

TEST(ARequestTarget, is_refused_when_it_contains_an_escaped_nul) {
    EXPECT_FALSE(split("/a%00b").valid);
}

TEST(ARequestTarget, is_refused_when_it_is_no_path) {
    for (const char* target : {"a", "box:80", "ftp://box/a", "?a", "http:/a", "*"}) {
        EXPECT_FALSE(split(target).valid) << target;
    }
}

TEST(ARequestTarget, has_a_decoded_path_and_a_raw_query) {
    const Split out = split("/a%20b/%C3%A4+c?x=%41+1?2");
    EXPECT_TRUE(out.valid);
    EXPECT_EQ(out.path, "/a b/\xC3\xA4+c");
    EXPECT_EQ(out.query, "x=%41+1?2");
}

TEST(ARequestTarget, may_name_the_host_as_proxies_do) {
    EXPECT_EQ(split("http://box:8069/a?b").path, "/a");
    EXPECT_EQ(split("HTTPS://box").path, "/");
    EXPECT_EQ(split("http://box?b").path, "/");
    EXPECT_EQ(split("http://box?b").query, "b");
}

TEST(ARequestTarget, may_be_an_asterisk_for_options_only) {
    EXPECT_TRUE(split("*", HttpMethod::options).valid);
    EXPECT_FALSE(split("*", HttpMethod::get).valid);
}

TEST(ARequestHeader, is_found_in_any_case_and_is_the_first_of_its_name) {
    HttpRequest request;
    request.headers = {{"Content-Type", "a"}, {"content-type", "b"}};
    EXPECT_EQ(request.header("CONTENT-TYPE"), "a");
    EXPECT_EQ(request.header("Content-Typ"), "");
}

TEST(AFormValue, is_missing_when_its_escape_is_invalid_or_its_name_is_absent) {
    EXPECT_EQ(form_value("a=%4", "a"), std::nullopt);
    EXPECT_EQ(form_value("ab=1&&=2", "a"), std::nullopt);
    EXPECT_EQ(form_value("", "a"), std::nullopt);
}

TEST(AFormValue, is_the_first_of_its_name_decoded) {
    EXPECT_EQ(form_value("x=1&a=b+c%26d%3D&a=2", "a"), "b c&d=");
    EXPECT_EQ(form_value("%61=7", "a"), "7");
    EXPECT_EQ(form_value("a&b=1", "a"), "");
}

}  // namespace
}  // namespace backplane::core
