// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "ipc/json_fields.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/serializer.hpp>

#include <array>

namespace backplane::core::ipc {
namespace json = boost::json;

json::value* JsonFields::find(std::string_view key) noexcept {
    return body_.if_contains(key);
}

void JsonFields::wrong(std::string_view key, std::string_view wanted) {
    if (!problem_.empty()) return;
    problem_ = '"' + std::string{key} + "\" is missing or not " + std::string{wanted};
}

std::string JsonFields::text(std::string_view key, std::size_t most) {
    const json::value* value = find(key);
    if (value == nullptr || !value->is_string() || value->get_string().size() > most) {
        wrong(key, "a text of at most " + std::to_string(most) + " bytes");
        return {};
    }
    return std::string{std::string_view{value->get_string()}};
}

bool JsonFields::flag(std::string_view key) {
    const json::value* value = find(key);
    if (value == nullptr || !value->is_bool()) {
        wrong(key, "true or false");
        return false;
    }
    return value->get_bool();
}

std::uint64_t JsonFields::number(std::string_view key, std::uint64_t least, std::uint64_t most) {
    const json::value* value = find(key);
    json::error_code error;
    const auto number = value == nullptr || !(value->is_int64() || value->is_uint64())
                            ? (error = json::error::not_number, std::uint64_t{0})
                            : value->to_number<std::uint64_t>(error);
    if (error || number < least || number > most) {
        wrong(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
        return least;
    }
    return number;
}

json::object JsonFields::object(std::string_view key) {
    json::value* value = find(key);
    if (value == nullptr || !value->is_object()) {
        wrong(key, "an object");
        return {};
    }
    return std::move(value->get_object());
}

json::value JsonFields::value(std::string_view key) {
    json::value* value = find(key);
    if (value == nullptr) {
        wrong(key, "there");
        return {};
    }
    return std::move(*value);
}

std::size_t serialized_size(const json::value& value) {
    // Counts in pieces instead of building the text: the value may be some megabytes of somebody
    // else's.
    json::serializer serializer;
    serializer.reset(&value);
    std::array<char, 4096> buffer{};
    std::size_t size = 0;
    while (!serializer.done()) size += serializer.read(buffer.data(), buffer.size()).size();
    return size;
}

}  // namespace backplane::core::ipc
