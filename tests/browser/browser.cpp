// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <httplib.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

namespace backplane::tests {

namespace {

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

}  // namespace

Browser::Browser()
    : port_(free_port()), driver_({"chromedriver", "--port=" + std::to_string(port_)}) {
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
    const auto session = call("POST", "/session",
                              {{"capabilities",
                                {{"alwaysMatch",
                                  {{"browserName", "chrome"},
                                   {"goog:chromeOptions", {{"args", std::move(arguments)}}}}}}}});
    if (!session || !session->as_object().contains("sessionId"))
        throw std::runtime_error("no browser window: " +
                                 (session ? json::serialize(*session) : driver_.err()));
    session_ = "/session/" + std::string(session->at("sessionId").as_string());
}

Browser::~Browser() {
    call("DELETE", session_, {});
    driver_.signal(SIGTERM);
}

void Browser::open(const std::string& url) {
    call("POST", session_ + "/url", {{"url", url}});
}

json::value Browser::run(const std::string& script) {
    return call("POST", session_ + "/execute/sync", {{"script", script}, {"args", json::array{}}})
        .value_or(json::value{});
}

std::string Browser::text() {
    const json::value value = run("return document.body.innerText");
    return value.is_string() ? std::string(value.get_string()) : std::string();
}

std::string Browser::wait_for_text(const std::string& wanted) {
    std::string seen;
    eventually([&] { return (seen = text()).find(wanted) != std::string::npos; }, 15s);
    return seen;
}

bool Browser::wait_until(const std::string& script) {
    return eventually([&] { return run("return Boolean(" + script + ")") == json::value(true); },
                      15s);
}

void Browser::press(const std::string& key) {
    const auto stroke = [&](const char* type) {
        return json::object{{"type", type}, {"value", key}};
    };
    call("POST", session_ + "/actions",
         {{"actions", json::array{json::object{
                          {"type", "key"},
                          {"id", "keyboard"},
                          {"actions", json::array{stroke("keyDown"), stroke("keyUp")}}}}}});
}

void Browser::prefer_dark(bool dark) {
    call("POST", session_ + "/goog/cdp/execute",
         {{"cmd", "Emulation.setEmulatedMedia"},
          {"params",
           {{"features", json::array{json::object{{"name", "prefers-color-scheme"},
                                                  {"value", dark ? "dark" : "light"}}}}}}});
}

std::optional<json::value> Browser::call(const std::string& method, const std::string& path,
                                         const json::object& body) {
    httplib::Client client{"127.0.0.1", port_};
    client.set_read_timeout(60);
    const std::string text = json::serialize(body);
    const auto result = method == "GET"      ? client.Get(path.c_str())
                        : method == "DELETE" ? client.Delete(path.c_str())
                                             : client.Post(path.c_str(), text, "application/json");
    if (!result) return std::nullopt;
    json::error_code error;
    const json::value answer = json::parse(result->body, error);
    if (error || !answer.is_object() || !answer.as_object().contains("value")) return std::nullopt;
    return answer.at("value");
}

}  // namespace backplane::tests
