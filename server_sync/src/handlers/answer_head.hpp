// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What to do with an answer of /iot/get_handlers, by its head alone: the body may be long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "handlers/refusals.hpp"

namespace backplane::sync {

struct AnswerHead {
    int status = 0;
    // Empty: not there.
    std::string etag, location, content_length, content_encoding;
};

struct Verdict {
    enum class Next {
        read_body,
        unchanged,
        follow,  ///< to `location`
        refuse,  ///< for `error`
    };
    Next next = Next::refuse;
    std::uint64_t expected = 0;  ///< bytes of the body; 0: unknown
    std::string etag;
    std::string location;
    core::Error error;
};

/// `asked_with_etag`: the request had If-None-Match.
Verdict judge(const ServerUrl& url, const AnswerHead& head, const HandlerLimits& limits,
              bool asked_with_etag);

/// `W/"abc"` and `"abc"` become abc: Odoo compares without quotes. Empty for what is no ETag that
/// can be sent back.
std::string bare_etag(std::string_view header);

/// Does this beginning of a body belong to a page for people? Not to be told from the content type:
/// Odoo sends its zip as text/html. Nothing: it is too short to say.
std::optional<bool> begins_a_page(std::string_view body);

}  // namespace backplane::sync
