// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An update as it goes on, for people: on a terminal the line of what goes on now is written anew in its place.
#pragma once

#include <boost/json/object.hpp>

#include <ostream>
#include <set>
#include <string>

#include "table.hpp"

namespace backplane::cli {

/// "4.0 MB", "812 kB": decimal, as download pages count.
std::string megabytes(double bytes, bool with_unit = true);
/// "acme_scale 1.0.0 → 1.1.0", "acme_scale 1.1.0 (new)".
std::string step_title(const boost::json::object& step);
/// "done", "failed: the reason", …
std::string step_outcome(const boost::json::object& step);
Colour colour_of_step(const std::string& state);

class UpdateProgress {
public:
    UpdateProgress(std::ostream& out, Terminal terminal) : out_(out), terminal_(terminal) {}

    /// The report as it is now. May be called as often as wanted; nothing is said twice.
    void show(const boost::json::object& report);
    /// Nothing follows: the next line belongs to somebody else.
    void end();

private:
    void now(std::string text);
    void line(std::string text);
    void show_steps(const boost::json::object& report);

    std::ostream& out_;
    Terminal terminal_;
    std::string phase_;
    std::string live_;  ///< what the last line of the terminal says now; it has no end yet
    std::size_t live_width_ = 0;  ///< columns of the terminal that hold something
    std::set<std::string> told_;  ///< steps that have ended
};

}  // namespace backplane::cli
