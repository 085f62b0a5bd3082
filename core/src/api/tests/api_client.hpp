// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Asks a served API as a program would, and reads its answers as JSON.
#pragma once

#include <boost/json/parse.hpp>

#include <gtest/gtest.h>
#include <httplib.h>

#include <string>

namespace backplane::core::test {

struct ApiAnswer {
    int status = 0;  ///< 0: none came
    std::string body;
    std::string allow;
    boost::json::object json;  ///< empty when the body is no JSON object
    std::string text(const char* member) const {
        const auto* value = json.if_contains(member);
        return value && value->is_string() ? std::string(value->get_string()) : std::string();
    }
};

class ApiClient {
public:
    explicit ApiClient(int port) : client_("127.0.0.1", port) {
        client_.set_read_timeout(60);
        client_.set_write_timeout(60);
    }
    ApiAnswer get(const std::string& path) { return answer(client_.Get(path)); }
    ApiAnswer put(const std::string& path) {
        return answer(client_.Put(path, "{}", "application/json"));
    }
    ApiAnswer post(const std::string& path, const std::string& body,
                   const std::string& type = "application/json") {
        return answer(client_.Post(path, body, type));
    }

private:
    static ApiAnswer answer(const httplib::Result& result) {
        ApiAnswer out;
        if (!result) return out;
        out.status = result->status;
        out.body = result->body;
        out.allow = result->get_header_value("Allow");
        boost::system::error_code error;
        boost::json::value value = boost::json::parse(out.body, error);
        if (!error && value.is_object()) out.json = std::move(value.get_object());
        return out;
    }
    httplib::Client client_;
};

/// Looks again and again until it holds or patience ends.
template <typename Condition>
bool eventually(Condition&& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace backplane::core::test
