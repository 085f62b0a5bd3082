// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Reads one request from bytes as they come, into an HttpRequest.
//
// Behind it is the parser of Boost.Beast, made stricter where two readers of one message could
// disagree about its end (RFC 9112, 6.3 and 11.2).
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "backplane/core/http.hpp"
#include "http/body_budget.hpp"

namespace backplane::core {

/// Why a request is not passed on.
struct RequestRefusal {
    unsigned status = 400;
    const char* text = "";
};

/// Owner: a connection, for one request. What it is given outlives it.
class RequestParser {
public:
    /// `request` gets what is read, `lease` pays for its body.
    RequestParser(HttpRequest& request, BodyLease& lease, const HttpLimits& limits);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    struct Step {
        std::size_t used = 0;
        bool needs_more = false;
        std::optional<RequestRefusal> refusal;
    };
    /// Header first; after begin_body() also the body. What is not used is offered again, with more.
    Step put(std::string_view bytes);

    bool is_header_done() const noexcept;
    bool is_done() const noexcept;
    bool is_chunked() const noexcept;

    // After the header:
    /// What is wrong with it beyond its grammar.
    std::optional<RequestRefusal> objection();
    bool keep_alive() const noexcept;
    bool is_http_11() const noexcept;
    bool expects_continue() const noexcept;
    void begin_body();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace backplane::core
