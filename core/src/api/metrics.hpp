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
    /// After each change of the report.
    void update_changed(const UpdateReport& report);
    std::string text(const ApiContext& context) const;
    /// Counts nothing any more.
    void stop() { subscription_.reset(); }

private:
    std::map<std::string, std::uint64_t> events_by_type_;
    std::map<std::pair<std::string, std::string>, std::uint64_t> actions_;  ///< device type, result
    std::map<std::string, std::uint64_t> swaps_;  ///< by the state in which the step ended
    double last_finished_ = 0;                    ///< of the update that was counted last
    Subscription subscription_;
};

}  // namespace backplane::core
