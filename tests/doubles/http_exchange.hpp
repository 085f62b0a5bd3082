// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// HTTP/1.1 as a server of tests needs it: one request in, one answer out, also a bad one.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "doubles/answer.hpp"
#include "doubles/connection.hpp"

namespace backplane::tests {

struct ReadRequest {
    ReceivedRequest request;
    bool keep_alive = true;
};

/// Nothing when the client leaves, sends nonsense (answered with 400, 413 or 431), or nothing for `idle`.
std::optional<ReadRequest> read_request(Connection& connection, std::chrono::milliseconds idle);

/// False when the connection must not be used any more.
bool write_answer(Connection& connection, const Answer& answer, const std::string& date,
                  bool head_only);

/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::chrono::system_clock::time_point when);

}  // namespace backplane::tests
