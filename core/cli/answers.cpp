// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "answers.hpp"

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iostream>

#include "util/utf8.hpp"

namespace backplane::cli {

namespace json = boost::json;

json::object member(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_object() ? value->get_object() : json::object{};
}

json::array list(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_array() ? value->get_array() : json::array{};
}

std::string text(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr || !value->is_string()) return {};
    return {value->get_string().data(), value->get_string().size()};
}

double number(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr) return 0;
    if (value->is_int64()) return static_cast<double>(value->get_int64());
    if (value->is_uint64()) return static_cast<double>(value->get_uint64());
    return value->is_double() && std::isfinite(value->get_double()) ? value->get_double() : 0;
}

std::uint64_t count(const json::object& object, std::string_view key) {
    const double value = number(object, key);
    return value >= 1 && value < 9e15 ? static_cast<std::uint64_t>(value) : 0;
}

bool flag(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    return value != nullptr && value->is_bool() && value->get_bool();
}

std::string joined(const json::array& values) {
    std::string all;
    for (const json::value& value : values) {
        if (!all.empty()) all += ", ";
        if (value.is_string())
            all += core::to_printable({value.get_string().data(), value.get_string().size()}, 512);
        if (value.is_int64()) all += std::to_string(value.get_int64());
        if (value.is_uint64()) all += std::to_string(value.get_uint64());
    }
    return all;
}

std::string printable(const json::object& object, std::string_view key) {
    return core::to_printable(text(object, key), 512);
}

ExitCode fail(const core::Error& error) {
    std::cerr << "backplane: " << core::to_printable(error.text, k_line_bytes) << '\n';
    return ExitCode::failed;
}

core::Result<json::object> parse_answer(const std::string& body, std::string_view what,
                                        const char* must_have) {
    boost::system::error_code error;
    json::value value = json::parse(body, error);
    if (error || !value.is_object() || !value.get_object().contains(must_have)) {
        return core::failure(
            "box.answer", "the box answered the question for its " + std::string{what} +
                              " with something else: update backplaned and this program together");
    }
    return std::move(value.get_object());
}

core::Result<json::object> ask(const BoxClient& box, const Output& output,
                               const std::string& target, std::string_view what,
                               const char* must_have) {
    auto body = box.get(target, k_patience);
    if (!body) return core::Unexpected<core::Error>{body.error()};
    auto answer = parse_answer(*body, what, must_have);
    if (answer && output.json) std::cout << *body << (body->ends_with('\n') ? "" : "\n");
    return answer;
}

ExitCode finish(ExitCode code) {
    std::cout.flush();
    if (std::cout) return code;
    std::cerr << "backplane: cannot write the output: is the disk full?\n";
    return ExitCode::failed;
}

std::string duration(double total) {
    const auto whole = static_cast<std::uint64_t>(std::clamp(total, 0.0, 1e12));
    const std::uint64_t days = whole / 86'400, hours = whole / 3'600 % 24,
                        minutes = whole / 60 % 60;
    if (days > 0) return std::to_string(days) + " d " + std::to_string(hours) + " h";
    if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes) + " min";
    if (minutes > 0) return std::to_string(minutes) + " min " + std::to_string(whole % 60) + " s";
    return std::to_string(whole) + " s";
}

std::string local_time(double since_epoch, bool with_milliseconds) {
    if (since_epoch <= 0 || since_epoch > 4e11) return "-";
    const auto whole = static_cast<std::time_t>(since_epoch);
    std::tm parts{};
    if (::localtime_r(&whole, &parts) == nullptr) return "-";
    char buffer[64];
    std::size_t size = std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S", &parts);
    std::string out{buffer, size};
    if (with_milliseconds) {
        const int milliseconds =
            std::clamp(static_cast<int>((since_epoch - static_cast<double>(whole)) * 1000), 0, 999);
        const std::string digits = std::to_string(milliseconds);
        out += '.' + std::string(3 - digits.size(), '0') + digits;
    }
    return out;
}

}  // namespace backplane::cli
