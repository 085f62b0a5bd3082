// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Reading the answers of the box: whatever is missing or of another type is shown as nothing, never trusted.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"
#include "box_client.hpp"
#include "commands.hpp"
#include "exit_code.hpp"

namespace backplane::cli {

/// For an answer that the box gives at once.
inline constexpr std::chrono::seconds k_patience{10};
inline constexpr std::size_t k_line_bytes = 64u << 10;

boost::json::object member(const boost::json::object& object, std::string_view key);
boost::json::array list(const boost::json::object& object, std::string_view key);
std::string text(const boost::json::object& object, std::string_view key);
double number(const boost::json::object& object, std::string_view key);
std::uint64_t count(const boost::json::object& object, std::string_view key);
bool flag(const boost::json::object& object, std::string_view key);
std::string joined(const boost::json::array& values);
/// The text in one line without control characters.
std::string printable(const boost::json::object& object, std::string_view key);

std::string duration(double seconds);
std::string local_time(double since_epoch, bool with_milliseconds);

/// Prints the error as one line.
ExitCode fail(const core::Error& error);
/// A stdout that takes nothing any more (a full disk) is a failure, too.
ExitCode finish(ExitCode code);

/// `must_have` is the member that makes it an answer.
core::Result<boost::json::object> parse_answer(const std::string& body, std::string_view what,
                                               const char* must_have);
/// Asks, and prints the answer itself when JSON is wanted.
core::Result<boost::json::object> ask(const BoxClient& box, const Output& output,
                                      const std::string& target, std::string_view what,
                                      const char* must_have);

}  // namespace backplane::cli
