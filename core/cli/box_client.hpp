// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Questions to backplaned through its control socket. The only file of the CLI that knows an HTTP
// library.
#pragma once

#include <chrono>
#include <string>

#include "backplane/core/result.hpp"

namespace backplane::cli {

class BoxClient {
public:
    explicit BoxClient(std::string socket) : socket_(std::move(socket)) {}

    /// The body of the answer. The error says which socket, whether backplaned runs and what to do;
    /// its code is "box.unreachable" when nobody answered, "box.answer" when the answer is not what
    /// was asked for.
    core::Result<std::string> get(const std::string& target, std::chrono::seconds patience) const;

private:
    core::Result<void> reachable() const;

    std::string socket_;
};

/// For the value of a query parameter.
std::string percent_encoded(const std::string& text);

}  // namespace backplane::cli
