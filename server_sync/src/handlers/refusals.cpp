// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "handlers/refusals.hpp"

#include <string>

namespace backplane::sync {

using core::failure;

Refusal refuse_no_server() {
    return failure(
        "E_NET",
        "no Odoo server is known that could deliver driver updates: pair the box with a "
        "database, set odoo.server in the configuration, or install a bundle from a file");
}

Refusal refuse_cut(const ServerUrl& url, Line::Cut why, const HandlerLimits& limits,
                   std::uint64_t received) {
    const std::string who = url.origin();
    switch (why) {
        case Line::Cut::silent:
            return failure("E_SLOW",
                           who + " was asked for driver updates and has sent nothing for " +
                               text_of(limits.slow_for) +
                               ": look whether the Odoo server is overloaded, then try again");
        case Line::Cut::slow:
            return failure("E_SLOW", "the driver updates came from " + who + " at less than " +
                                         text_of_bytes(limits.slow_bytes_per_s) +
                                         " per second for " + text_of(limits.slow_for) +
                                         " and were given up after " + text_of_bytes(received) +
                                         ": check the network of the box, then try again");
        case Line::Cut::total:
            return failure("E_SLOW",
                           "the driver updates from " + who + " were not complete within " +
                               text_of(limits.total) + " (" + text_of_bytes(received) +
                               " had come): check the network of the box, then try again");
        case Line::Cut::flood:
            return refuse_size(url, limits);
        case Line::Cut::none:
        case Line::Cut::owner:
            break;
    }
    return failure("E_NET", "the download from " + who + " was given up: the box is stopping");
}

Refusal refuse_size(const ServerUrl& url, const HandlerLimits& limits) {
    return failure("E_SIZE", url.origin() + " sends more than the " + text_of_bytes(limits.bytes) +
                                 " that driver updates may have: remove modules with handlers that "
                                 "this database does not need");
}

Refusal refuse_page(const ServerUrl& url) {
    return failure("E_SERVER",
                   url.origin() +
                       " answered the request for driver updates with a web page instead "
                       "of a bundle: check that this address leads to Odoo itself and not "
                       "to a login or maintenance page before it");
}

Refusal refuse_encoding(const ServerUrl& url, std::string_view encoding) {
    return failure("E_SERVER", url.origin() + " sends the driver updates encoded as \"" +
                                   foreign_text(encoding) +
                                   "\" although the box asked for them as they are: switch "
                                   "compression off in the proxy in front of the Odoo server");
}

Refusal refuse_length(const ServerUrl& url, std::string_view length) {
    return failure("E_SERVER",
                   url.origin() + " says that its answer has \"" + foreign_text(length) +
                       "\" bytes, which is not a number: check the proxy in front of the "
                       "Odoo server");
}

Refusal refuse_unchanged(const ServerUrl& url) {
    return failure("E_SERVER",
                   url.origin() +
                       " says that nothing has changed (304) although the box asked for "
                       "everything: check the cache in front of the Odoo server");
}

Refusal refuse_status(const ServerUrl& url, int status) {
    const StatusText text = status_text(status);
    return failure("E_SERVER", url.origin() + " answered the request for driver updates with " +
                                   text.what + ": " + text.advice);
}

core::Error as_update_error(core::Error error) {
    if (error.code.starts_with("net."))
        error.code = error.code == "net.redirect" ? "E_SERVER" : "E_NET";
    return error;
}

}  // namespace backplane::sync
