// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Takes the members of a received frame's JSON, each with a type and a limit, and remembers the
// first that is wrong.
#pragma once

#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace backplane::core::ipc {

/// Usage: take all members, then ask problem() once. After a problem the taken values are empty and
/// of no meaning.
class JsonFields {
public:
    explicit JsonFields(boost::json::object& body) : body_(body) {}

    std::string text(std::string_view key, std::size_t most);
    bool flag(std::string_view key);
    std::uint64_t number(std::string_view key, std::uint64_t least, std::uint64_t most);
    boost::json::object object(std::string_view key);
    boost::json::value value(std::string_view key);

    /// Empty when all was well; otherwise such as `"reason" is missing or not a text of at most
    /// 4096 bytes`.
    const std::string& problem() const noexcept { return problem_; }

private:
    boost::json::value* find(std::string_view key) noexcept;
    void wrong(std::string_view key, std::string_view wanted);

    boost::json::object& body_;
    std::string problem_;
};

/// Bytes that JSON's text takes; for limits on what was already parsed.
std::size_t serialized_size(const boost::json::value& value);

}  // namespace backplane::core::ipc
