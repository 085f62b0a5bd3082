// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The figures of the box in the OpenMetrics text format (version 1.0.0), for Prometheus and its relatives.
#pragma once

#include <string>

#include "api/api.hpp"

namespace backplane::core {

/// Counts what passes by; lives as long as the API.
class Metrics {
public:
    explicit Metrics(EventRing& events);
    std::string text(const ApiContext& context) const;

private:
    std::map<std::string, std::uint64_t> events_by_type_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> actions_;  ///< device type, result
    Subscription subscription_;
};

}  // namespace backplane::core
