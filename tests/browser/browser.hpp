// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A window of a real browser. Chromium is driven by chromedriver, which speaks plain HTTP
// (W3C WebDriver, https://www.w3.org/TR/webdriver2/).
#pragma once

#include <boost/json/value.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "support/program.hpp"

namespace backplane::tests {

class Browser {
public:
    Browser();
    ~Browser();
    Browser(const Browser&) = delete;
    Browser& operator=(const Browser&) = delete;

    void open(const std::string& url);
    /// The body of a function; what it returns.
    json::value run(const std::string& script);
    /// What a person can read on the page.
    std::string text();
    /// Waits until the page shows it; the text of the page.
    std::string wait_for_text(const std::string& wanted);
    /// Waits until the script returns true.
    bool wait_until(const std::string& script);
    /// Keys as a person presses them, where the focus is: "\uE007" is Enter, "\uE00C" Escape, "\uE004" Tab.
    void press(const std::string& key);
    void prefer_dark(bool dark);

private:
    std::optional<json::value> call(const std::string& method, const std::string& path,
                                    const json::object& body);

    TemporaryFolder folder_;
    std::uint16_t port_;
    Program driver_;
    std::string session_;
};

}  // namespace backplane::tests
