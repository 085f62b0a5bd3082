// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the program odoo-double shows of its server, in its terminal and on a page with buttons.
//
// Thread: any.
#pragma once

#include <boost/json/object.hpp>

#include <deque>
#include <functional>
#include <mutex>
#include <string>

#include "doubles/odoo_server.hpp"

namespace backplane::tests {

class OdooDoublePage {
public:
    /// `tell` gets each line, without its end. Both are to outlive this.
    OdooDoublePage(OdooServer& server, std::function<void(const std::string&)> tell);

    void say(const std::string& line);
    /// What a box did, in plain words; empty: nothing worth a line.
    std::string in_words(const ReceivedRequest& request, const Answer& answer) const;
    /// What the page shows.
    boost::json::object state() const;
    /// What its buttons do: {"what": "enter_code" | "action" | "unpair" | "restart" | "move" | "test" | "deliver", …}. The
    /// sentence that tells what came of it.
    std::string act(const boost::json::object& wish);

private:
    std::string deliver(const std::string& path);
    Answer answer_to_wish(const ReceivedRequest& request);

    OdooServer& server_;
    const std::function<void(const std::string&)> tell_;
    mutable std::mutex mutex_;
    std::deque<std::string> lines_;  // guarded by mutex_
};

/// A folder as `backplane bundle` writes it, packed, or a zip as it is. Throws std::runtime_error with what is wrong.
std::string bundle_at(const std::string& path);

extern const char* const k_odoo_double_page;

}  // namespace backplane::tests
