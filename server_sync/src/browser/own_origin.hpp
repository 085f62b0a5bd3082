// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Who may change the box by HTTP: its own pages and programs, never the page of somebody else.
//
// Every page on the internet can make a browser in the shop send requests to this box. Three things
// give it away, and each is looked at:
//
//  * Host: a name that the box does not have means that somebody's name was made to lead here (DNS
//    rebinding): 421. Addresses and "localhost" cannot be taken that way.
//  * Origin, Sec-Fetch-Site, Referer: whatever names another place refuses the request: 403. A
//    sandboxed page says "null", which is another place.
//  * Silence. Over plain http browsers send no Sec-Fetch-Site, and a page may forbid them to send a
//    Referer: an image in such a page asks exactly like an address that was typed. And a typed
//    address may have been redirected here. So a GET that changes something and comes from a
//    browser must say that it comes from the box's own page. A program says nothing, and may.
//
// Browsers cannot send JSON elsewhere without an Origin, so for a POST of JSON silence is enough.
//
// Pure functions. A refusal has no CORS header: the page that was refused learns nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/http.hpp"

namespace backplane::sync {

enum class Caller {
    own,         ///< a page of this box, or no page at all
    foreign,     ///< a page of another origin, or one that does not say
    wrong_host,  ///< whoever it is asks for somebody else
};

/// `names` are the host names of this box: "iotbox", "box.shop.example.com", "*.abc.odoo-iot.com"
/// (for exactly one label). Each name without a dot is also good with ".local" behind it.
Caller caller_of(const core::HttpRequest& request, const std::vector<std::string>& names);

/// The Origin of the request is exactly that of this server; false for an empty or odd address.
bool comes_from_server(const core::HttpRequest& request, std::string_view server_url);

/// The Origin names a web page somewhere; false without one, for "null", and for what is no http.
bool comes_from_web_page(const core::HttpRequest& request);

/// 403 or 421 as {"code", "message"}: "http.foreign_origin", "http.unknown_host".
core::HttpResponse refuse(const core::HttpRequest& request, Caller caller);

}  // namespace backplane::sync
