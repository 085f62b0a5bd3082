// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Addresses of a server: the configured or learnt one, and those it redirects to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"

namespace backplane::sync {

struct ServerUrl {
    bool tls = true;
    std::string host;  ///< lower case; an IPv6 address without brackets
    std::uint16_t port = 443;
    std::string path = "/";  ///< with query, without fragment

    /// "https://shop.example.com", with the port unless it is the usual one.
    std::string origin() const;
};

/// Error "net.bad_url": the text is no address of a server.
core::Result<ServerUrl> parse_server_url(std::string_view text);

/// Where `location` leads a client that has asked `from`. Error "net.redirect": nowhere.
core::Result<ServerUrl> redirected(const ServerUrl& from, std::string_view location);

/// May a request for `from` be repeated at `to` unasked? To the same server, or from http to https
/// of the same host: never to somebody else, and never back to plain http.
bool may_follow(const ServerUrl& from, const ServerUrl& to);

/// `text` shortened and without control characters: what a stranger says, in a message for people.
std::string foreign_text(std::string_view text);

}  // namespace backplane::sync
