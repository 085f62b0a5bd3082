// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/server_url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backplane::sync::test {
namespace {

using ::testing::HasSubstr;

ServerUrl url(std::string_view text) {
    auto parsed = parse_server_url(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : ServerUrl{};
}

TEST(AServerUrl, is_refused_when_it_is_not_one) {
    for (const char* text :
         {"", "shop.example.com", "ftp://shop.example.com", "https://", "https:///x",
          "https://:443", "https://user@shop.example.com", "https://user:word@shop.example.com",
          "https://shop.example.com:0", "https://shop.example.com:65536",
          "https://shop.example.com:80x", "https://shop.example.com:-1", "https://[::1",
          "https://[::1]x", "https://sh op", "https://shop\r\nX-Evil: 1", "https://sh\\op",
          "file:///etc/passwd", "://shop.example.com"}) {
        const auto parsed = parse_server_url(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, "net.bad_url");
        EXPECT_THAT(parsed.error().text, HasSubstr("give one such as https://shop.example.com"));
        EXPECT_EQ(parsed.error().text.find('\n'), std::string::npos);
    }
    EXPECT_FALSE(parse_server_url("https://a/" + std::string(3000, 'x')));
    EXPECT_FALSE(parse_server_url("https://" + std::string(300, 'x')));
}

TEST(AServerUrl, is_read_in_all_its_forms) {
    const ServerUrl plain = url("http://Shop.Example.com");
    EXPECT_FALSE(plain.tls);
    EXPECT_EQ(plain.host, "shop.example.com");
    EXPECT_EQ(plain.port, 80);
    EXPECT_EQ(plain.path, "/");
    EXPECT_EQ(plain.origin(), "http://shop.example.com");

    const ServerUrl full = url("HTTPS://shop.example.com:8443/odoo?db=x#part");
    EXPECT_TRUE(full.tls);
    EXPECT_EQ(full.port, 8443);
    EXPECT_EQ(full.path, "/odoo?db=x");
    EXPECT_EQ(full.origin(), "https://shop.example.com:8443");

    const ServerUrl six = url("https://[FE80::1]:443/");
    EXPECT_EQ(six.host, "fe80::1");
    EXPECT_EQ(six.origin(), "https://[fe80::1]");
    EXPECT_EQ(url("https://shop.example.com?db=x").path, "/?db=x");
    EXPECT_EQ(url("https://shop.example.com:").port, 443);
}

TEST(ARedirect, leads_nowhere_when_its_location_is_no_address) {
    const ServerUrl from = url("https://shop.example.com/iot/get_handlers");
    for (const char* location : {"", "login", "javascript:alert(1)", "//", "https://", "/a b"}) {
        const auto to = redirected(from, location);
        ASSERT_FALSE(to) << location;
        EXPECT_EQ(to.error().code, "net.redirect");
        EXPECT_THAT(to.error().text, HasSubstr("https://shop.example.com redirects the request"));
    }
}

TEST(ARedirect, may_be_relative) {
    const ServerUrl from = url("https://shop.example.com:8443/iot/get_handlers");
    EXPECT_EQ(redirected(from, "/other?x=1")->path, "/other?x=1");
    EXPECT_EQ(redirected(from, "/other")->origin(), "https://shop.example.com:8443");
    EXPECT_EQ(redirected(from, "//evil.example/x")->origin(), "https://evil.example");
    EXPECT_EQ(redirected(from, "http://shop.example.com/x")->origin(), "http://shop.example.com");
}

TEST(ARedirect, is_followed_to_the_same_server_or_from_http_to_its_https_only) {
    const ServerUrl http = url("http://shop.example.com"), https = url("https://shop.example.com");
    EXPECT_TRUE(may_follow(http, http));
    EXPECT_TRUE(may_follow(https, url("https://shop.example.com/elsewhere")));
    EXPECT_TRUE(may_follow(http, https));
    EXPECT_TRUE(may_follow(url("http://shop.example.com:8069"), https));
    EXPECT_FALSE(may_follow(https, http));
    EXPECT_FALSE(may_follow(https, url("https://shop.example.com:8443")));
    EXPECT_FALSE(may_follow(http, url("http://shop.example.com:8069")));
    EXPECT_FALSE(may_follow(https, url("https://www.shop.example.com")));
    EXPECT_FALSE(may_follow(http, url("https://shop.example.com.evil.example")));
}

TEST(AForeignText, is_shortened_and_cleaned_before_people_read_it) {
    EXPECT_EQ(foreign_text("a\r\nb\"c\x1b[31m\xff"), "a??b?c?[31m?");
    EXPECT_EQ(foreign_text(std::string(500, 'x')), std::string(120, 'x') + "...");
}

}  // namespace
}  // namespace backplane::sync::test
