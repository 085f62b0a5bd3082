// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The state of the Odoo side in three languages: JSON for programs, sentences for the owner, figures
// for monitoring (docs/reference/http-api.md, "The Odoo side").
//
// No secret is in any of them: what they are made of holds none.
#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "link/link_controls.hpp"

namespace backplane::sync {

struct LinkParts;

boost::json::object status_of(const LinkSnapshot& now);
/// The same without what only counts up: two of them differ when a person would notice.
boost::json::object notable_status_of(boost::json::object status);

/// One sentence for each thing that its owner should know or do. `unix_now` in seconds.
std::vector<std::string> problems_of(const LinkSnapshot& now, double unix_now);

/// Families in the text format of Prometheus and OpenMetrics, without "# EOF".
std::string metrics_of(const LinkSnapshot& now, double unix_now);

// The same of the parts themselves, which have been attached.
LinkSnapshot look_at(const LinkParts& parts);
boost::json::object link_status(const LinkParts& parts);
std::vector<std::string> link_problems(const LinkParts& parts);
std::string link_metrics(const LinkParts& parts);

}  // namespace backplane::sync
