// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What people are told about updates: the report of the running or the last one, and the list of what is installed.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "backplane/core/update.hpp"
#include "update/update_engine.hpp"

namespace backplane::core {

/// "10 minutes", "1 minute", "45 seconds", "24 hours".
std::string duration_text(std::chrono::milliseconds time);
/// "acme_scale 1.1.0".
std::string title_of(const PluginBuild& build);
double unix_now();

/// As lists show them; one for each record.
std::vector<DeliveredPlugin> delivered_plugins(const std::vector<PluginRecord>& records,
                                               const std::vector<OwnPlugin>& own);

/// Keeps the report up to date. Thread: the main loop's. `changed` is called from inside the calls.
class ReportBook {
public:
    explicit ReportBook(std::function<void()> changed) : changed_(std::move(changed)) {}

    const UpdateReport& report() const noexcept { return report_; }
    bool running() const noexcept { return report_.phase != UpdateReport::Phase::idle; }

    void begin(std::string trigger, std::string source, UpdateReport::Phase phase);
    void enter(UpdateReport::Phase phase);
    void received(std::uint64_t bytes, std::uint64_t expected);
    void contact();
    /// Replaces the step of this plug-in, or adds it.
    void set(UpdateStep step);
    void warn(std::vector<std::string> warnings);
    void finish(std::string result, std::string code, std::string text);
    /// The same, with result and text from the steps; `rejected` are sentences about bundles that were not taken.
    void finish_by_steps(const std::vector<Error>& rejected);

private:
    UpdateReport report_;
    std::function<void()> changed_;
};

}  // namespace backplane::core
