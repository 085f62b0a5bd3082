// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/own_origin.hpp"

#include <gmock/gmock.h>

#include <optional>

namespace backplane::sync {
namespace {

using core::HttpMethod;

const std::vector<std::string> k_names{"IotBox", "box.shop.example.com", "*.abc.odoo-iot.com", "",
                                       "*."};
constexpr const char* k_firefox =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

struct Asked {
    HttpMethod method = HttpMethod::get;
    const char* host = "192.168.1.20:8069";
    const char* origin = nullptr;
    const char* site = nullptr;
    const char* referer = nullptr;
    const char* agent = k_firefox;
    bool tls = false;
};

core::HttpRequest request(const Asked& asked) {
    core::HttpRequest out;
    out.method = asked.method;
    out.path = out.target = "/iot_drivers/server_clear";
    out.remote_address = "192.168.1.30";
    out.tls = asked.tls;
    const auto add = [&out](const char* name, const char* value) {
        if (value != nullptr) out.headers.emplace_back(name, value);
    };
    add("host", asked.host);
    add("origin", asked.origin);
    add("sec-fetch-site", asked.site);
    add("referer", asked.referer);
    add("user-agent", asked.agent);
    return out;
}

std::string_view words(Caller caller) {
    return caller == Caller::own ? "own" : caller == Caller::foreign ? "foreign" : "wrong_host";
}

std::string judged(const Asked& asked) {
    return std::string(words(caller_of(request(asked), k_names)));
}

/// What the rules say, in the order in which a reader would apply them.
std::string expected(HttpMethod method, bool host, const std::string& origin,
                     const std::string& site, const std::string& referer, bool browser) {
    if (!host) return "wrong_host";
    for (const auto& said : {origin, referer})
        if (said != "" && said != "own") return "foreign";
    if (site == "cross-site" || site == "same-site" || site == "odd") return "foreign";
    if (method == HttpMethod::post) return "own";
    if (!browser && site.empty()) return "own";
    return origin == "own" || referer == "own" || site == "same-origin" ? "own" : "foreign";
}

TEST(TheGuardOfOwnPages, decides_each_combination_by_the_same_few_rules) {
    const std::vector<std::pair<bool, const char*>> hosts{{true, "192.168.1.20:8069"},
                                                          {false, "evil.example.com:8069"}};
    const std::vector<std::pair<std::string, const char*>> origins{
        {"", nullptr}, {"own", ""}, {"foreign", "https://evil.example.com"}, {"null", "null"}};
    const std::vector<std::pair<std::string, const char*>> sites{{"", nullptr},
                                                                 {"none", "none"},
                                                                 {"same-origin", "same-origin"},
                                                                 {"same-site", "same-site"},
                                                                 {"cross-site", "cross-site"},
                                                                 {"odd", "whatever"}};
    const std::vector<std::pair<std::string, const char*>> referers{
        {"", nullptr}, {"own", ""}, {"foreign", "https://evil.example.com/page"}};
    int combinations = 0;
    for (const auto method : {HttpMethod::get, HttpMethod::post})
        for (const auto& [own_host, host] : hosts)
            for (const auto& [origin_is, origin] : origins)
                for (const auto& [site_is, site] : sites)
                    for (const auto& [referer_is, referer] : referers)
                        for (const bool browser : {true, false}) {
                            const std::string own = "http://" + std::string(host);
                            const std::string own_page = own + "/status";
                            Asked asked{.method = method, .host = host, .site = site};
                            asked.origin = origin_is == "own" ? own.c_str() : origin;
                            asked.referer = referer_is == "own" ? own_page.c_str() : referer;
                            asked.agent = browser ? k_firefox : "curl/8.14.1";
                            EXPECT_EQ(judged(asked), expected(method, own_host, origin_is, site_is,
                                                              referer_is, browser))
                                << (method == HttpMethod::get ? "GET" : "POST") << " host " << host
                                << ", origin " << origin_is << ", site " << site_is << ", referer "
                                << referer_is << ", browser " << browser;
                            ++combinations;
                        }
    EXPECT_EQ(combinations, 576);
}

TEST(TheGuardOfOwnPages, refuses_an_image_in_a_page_that_tells_nothing_over_plain_http) {
    // No Sec-Fetch-Site without TLS, no Referer by the page's own wish, never an Origin.
    EXPECT_EQ(judged({}), "foreign");
    EXPECT_EQ(judged({.agent = "curl/8.14.1"}), "own");
    EXPECT_EQ(judged({.agent = nullptr}), "own");
}

TEST(TheGuardOfOwnPages, refuses_a_typed_address_since_it_may_have_been_redirected_here) {
    EXPECT_EQ(judged({.site = "none"}), "foreign");
}

TEST(TheGuardOfOwnPages, needs_a_name_of_this_box) {
    for (const char* own :
         {"192.168.1.20", "192.168.1.20:8069", "127.0.0.1:1", "[::1]:8069", "[fe80::1]",
          "localhost", "localhost:8069", "LOCALHOST.", "iotbox", "IOTBOX:8069", "iotbox.local",
          "iotbox.local.", "box.shop.example.com", "192-168-1-20.abc.odoo-iot.com"})
        EXPECT_EQ(judged({.host = own, .agent = nullptr}), "own") << own;
    for (const char* other : {"evil.example.com",
                              "iotbox.evil.example.com",
                              "xiotbox",
                              "iotbox.localx",
                              "box.shop.example.com.evil.example.com",
                              "abc.odoo-iot.com",
                              "a.b.abc.odoo-iot.com",
                              ".abc.odoo-iot.com",
                              "xabc.odoo-iot.com",
                              "box.shop.example.com.local",
                              "192.168.1.20.evil.example.com",
                              "1921681.20",
                              "192.168.1",
                              "[::1",
                              "[::1]x",
                              "[evil]",
                              "192.168.1.20:",
                              "192.168.1.20:x",
                              "192.168.1.20:70000",
                              "user@192.168.1.20",
                              "",
                              "192.168.1.20, evil",
                              "192.168.1.20/..",
                              "local",
                              "."})
        EXPECT_EQ(judged({.host = other, .agent = nullptr}), "wrong_host") << other;
    EXPECT_EQ(judged({.host = nullptr, .agent = nullptr}), "wrong_host");
    const std::string endless(1000, 'a');
    EXPECT_EQ(judged({.host = endless.c_str(), .agent = nullptr}), "wrong_host");
}

TEST(TheGuardOfOwnPages, takes_an_origin_apart_to_its_port_and_scheme) {
    const auto post = [](const char* host, const char* origin, bool tls = false,
                         const char* site = nullptr) {
        return judged(
            {.method = HttpMethod::post, .host = host, .origin = origin, .site = site, .tls = tls});
    };
    EXPECT_EQ(post("iotbox", "http://iotbox"), "own");
    EXPECT_EQ(post("iotbox:80", "http://IoTBox"), "own");
    EXPECT_EQ(post("iotbox", "https://iotbox:443", true), "own");
    EXPECT_EQ(post("[::1]:8069", "http://[::1]:8069"), "own");
    EXPECT_EQ(post("iotbox:8069", "http://iotbox"), "foreign") << "another server of this machine";
    EXPECT_EQ(post("iotbox", "https://iotbox"), "foreign");
    EXPECT_EQ(post("iotbox", "http://iotbox", true), "foreign");
    EXPECT_EQ(post("iotbox", "http://iotbox.local"), "foreign");
    EXPECT_EQ(post("iotbox", "http://iotbox@evil.example.com"), "foreign");
    EXPECT_EQ(post("iotbox", "file://iotbox"), "foreign");
    EXPECT_EQ(post("iotbox", "iotbox"), "foreign");
    EXPECT_EQ(post("iotbox", ""), "foreign");
    EXPECT_EQ(post("iotbox", "http://"), "foreign");
    // Something before the box does the TLS; the browser itself says whose page it is.
    EXPECT_EQ(post("iotbox", "https://iotbox", false, "same-origin"), "own");
    EXPECT_EQ(post("iotbox", "https://evil.example.com", false, "same-origin"), "foreign");
}

TEST(TheGuardOfOwnPages, trusts_no_header_that_is_there_twice) {
    auto twice = request({.method = HttpMethod::post, .origin = "http://192.168.1.20:8069"});
    EXPECT_EQ(caller_of(twice, k_names), Caller::own);
    twice.headers.emplace_back("Origin", "http://192.168.1.20:8069");
    EXPECT_EQ(caller_of(twice, k_names), Caller::foreign);
    auto hosts = request({.agent = nullptr});
    hosts.headers.emplace_back("Host", "192.168.1.20:8069");
    EXPECT_EQ(caller_of(hosts, k_names), Caller::wrong_host);
}

TEST(TheGuardOfOwnPages, lets_the_control_socket_do_everything) {
    auto local = request({.host = "backplane"});
    local.remote_address = "unix";
    EXPECT_EQ(caller_of(local, {}), Caller::own);
}

TEST(ThePageOfADatabase, is_told_by_its_whole_origin) {
    const auto from = [](const char* origin, const char* server) {
        return comes_from_server(request({.method = HttpMethod::post, .origin = origin}), server);
    };
    EXPECT_TRUE(from("https://shop.example.com", "https://shop.example.com"));
    EXPECT_TRUE(from("https://SHOP.example.com", "https://shop.example.com:443"));
    EXPECT_TRUE(from("http://odoo:8069", "http://odoo:8069"));
    EXPECT_FALSE(from("http://shop.example.com", "https://shop.example.com"));
    EXPECT_FALSE(from("https://shop.example.com:8443", "https://shop.example.com"));
    EXPECT_FALSE(from("https://shop.example.com.evil.example.com", "https://shop.example.com"));
    EXPECT_FALSE(from("null", "https://shop.example.com"));
    EXPECT_FALSE(from("null", ""));
    EXPECT_FALSE(from(nullptr, ""));
    EXPECT_TRUE(comes_from_web_page(request({.origin = "https://shop.example.com"})));
    EXPECT_FALSE(comes_from_web_page(request({.origin = "null"})));
    EXPECT_FALSE(comes_from_web_page(request({.origin = "chrome-extension://abc"})));
    EXPECT_FALSE(comes_from_web_page(request({})));
}

}  // namespace
}  // namespace backplane::sync
