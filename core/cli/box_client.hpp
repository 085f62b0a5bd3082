// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Questions to backplaned through its control socket. The only file of the CLI that knows an HTTP
// library.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"

namespace backplane::cli {

class BoxClient {
public:
    explicit BoxClient(std::string socket) : socket_(std::move(socket)) {}

    /// The body of the answer. The error says which socket, whether backplaned runs and what to do;
    /// its code is "box.unreachable" when nobody answered, "box.answer" when the answer is not what
    /// was asked for; what the box refuses by itself has the box's own code and text.
    core::Result<std::string> get(const std::string& target, std::chrono::seconds patience) const;
    core::Result<std::string> post(const std::string& target, const std::string& body,
                                   const std::string& type, std::chrono::seconds patience) const;
    /// Reads server-sent events until `event` returns false, which is success. It gets the kind and
    /// the data of each; a sign of life has neither. When the stream ends before, or nothing comes
    /// for `silence`, that is the error "box.unreachable".
    core::Result<void> follow(
        const std::string& target, std::chrono::seconds silence,
        const std::function<bool(std::string_view kind, std::string_view data)>& event) const;

private:
    core::Result<void> reachable() const;
    core::Unexpected<core::Error> no_answer(const std::string& asked, std::chrono::seconds patience,
                                            const std::string& why) const;

    std::string socket_;
};

/// For the value of a query parameter.
std::string percent_encoded(const std::string& text);

}  // namespace backplane::cli
