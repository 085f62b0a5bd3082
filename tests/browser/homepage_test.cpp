// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The homepage in a real browser: what a person sees when the scale says something.
//
// Chromium is driven by chromedriver, which speaks plain HTTP (W3C WebDriver, https://www.w3.org/TR/webdriver2/).
#include <gmock/gmock.h>
#include <httplib.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "support/box_test.hpp"
#include "support/program.hpp"

namespace backplane::tests {
namespace {

using testing::HasSubstr;

std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (fd < 0 || ::bind(fd, generic, size) != 0 || ::getsockname(fd, generic, &size) != 0)
        throw std::runtime_error("no free port");
    ::close(fd);
    return ntohs(address.sin_port);
}

/// One browser window.
class Browser {
public:
    Browser() : port_(free_port()), driver_({"chromedriver", "--port=" + std::to_string(port_)}) {
        if (!eventually([&] { return call("GET", "/status", {}).has_value(); }, 20s))
            throw std::runtime_error("chromedriver does not come up: " + driver_.err());
        json::array arguments{"--headless=new",
                              "--no-sandbox",
                              "--disable-gpu",
                              "--disable-quic",
                              "--no-first-run",
                              "--disable-background-networking",
                              "--disable-component-update",
                              "--disable-sync",
                              "--user-data-dir=" + (folder_ / "profile").string()};
        const auto session =
            call("POST", "/session",
                 {{"capabilities",
                   {{"alwaysMatch",
                     {{"browserName", "chrome"},
                      {"goog:chromeOptions", {{"args", std::move(arguments)}}}}}}}});
        if (!session || !session->as_object().contains("sessionId"))
            throw std::runtime_error("no browser window: " +
                                     (session ? json::serialize(*session) : driver_.err()));
        session_ = "/session/" + std::string(session->at("sessionId").as_string());
    }
    ~Browser() {
        call("DELETE", session_, {});
        driver_.signal(SIGTERM);
    }
    Browser(const Browser&) = delete;
    Browser& operator=(const Browser&) = delete;

    void open(const std::string& url) { call("POST", session_ + "/url", {{"url", url}}); }
    json::value run(const std::string& script) {
        return call("POST", session_ + "/execute/sync",
                    {{"script", script}, {"args", json::array{}}})
            .value_or(json::value{});
    }
    /// What a person can read on the page.
    std::string text() {
        const json::value value = run("return document.body.innerText");
        return value.is_string() ? std::string(value.get_string()) : std::string();
    }
    /// Waits until the page shows it; the text of the page.
    std::string wait_for_text(const std::string& wanted) {
        std::string seen;
        eventually([&] { return (seen = text()).find(wanted) != std::string::npos; }, 15s);
        return seen;
    }

private:
    std::optional<json::value> call(const std::string& method, const std::string& path,
                                    const json::object& body) {
        httplib::Client client{"127.0.0.1", port_};
        client.set_read_timeout(60);
        const std::string text = json::serialize(body);
        const auto result = method == "GET" ? client.Get(path.c_str())
                            : method == "DELETE"
                                ? client.Delete(path.c_str())
                                : client.Post(path.c_str(), text, "application/json");
        if (!result) return std::nullopt;
        json::error_code error;
        const json::value answer = json::parse(result->body, error);
        if (error || !answer.is_object() || !answer.as_object().contains("value"))
            return std::nullopt;
        return answer.at("value");
    }

    TemporaryFolder folder_;
    std::uint16_t port_;
    Program driver_;
    std::string session_;
};

class AHomepage : public BoxTest {
protected:
    std::string url() { return "http://127.0.0.1:" + std::to_string(box().port()) + "/"; }
};

TEST_F(AHomepage, says_that_the_box_is_gone_when_it_is) {
    start_demo();
    Browser browser;
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    EXPECT_EQ(box().stop(), 0);
    EXPECT_THAT(browser.wait_for_text("Not connected"), HasSubstr("Not connected"));
}

TEST_F(AHomepage, shows_the_reason_and_no_number_while_the_scale_is_in_motion) {
    BoxProcess& box = start_demo();
    Browser browser;
    box.simulate("scale", {{"weight_kg", 3.21}});
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("3.210"), HasSubstr("3.210"));
    box.simulate("scale", {{"motion", true}});
    const std::string seen = browser.wait_for_text("in motion");
    EXPECT_THAT(seen, HasSubstr("in motion"));
    EXPECT_EQ(browser.run("return document.querySelector('.value').innerText.includes('3.210')"),
              json::value(false));
}

TEST_F(AHomepage, shows_each_weight_as_the_scale_gives_it) {
    BoxProcess& box = start_demo();
    Browser browser;
    browser.open(url());
    for (const char* weight : {"0.125", "7.500", "1.234"}) {
        box.simulate("scale", {{"weight_kg", std::atof(weight)}});
        EXPECT_THAT(browser.wait_for_text(weight), HasSubstr(weight));
    }
}

TEST_F(AHomepage, takes_nothing_from_elsewhere_and_runs_nothing_inline) {
    start_demo();
    Browser browser;
    browser.open(url());
    ASSERT_THAT(browser.wait_for_text("Everything works"), HasSubstr("Everything works"));
    const json::value others = browser.run(
        "return performance.getEntriesByType('resource').map(e => e.name).filter(n => "
        "!n.startsWith(location.origin))");
    EXPECT_EQ(json::serialize(others), "[]");
    EXPECT_EQ(
        browser.run("return document.querySelectorAll('script:not([src]), [style], style').length"),
        json::value(0));
}

}  // namespace
}  // namespace backplane::tests
