// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box that is paired with a server which delivers signed bundles.
#pragma once

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/listeners.hpp"
#include "support/updatable_box.hpp"

namespace backplane::tests {

/// It has proved itself after a second, without an action.
BundleMaker::PluginOptions quickly_good();

class AnUpdate : public testing::Test {
protected:
    ~AnUpdate() override;

    // As UpdatableBox has it; what goes wrong in them is an exception, which fails the test.

    /// The box's own plug-ins, before start_box(): copies of these builds.
    void own(const std::string& folder, const std::string& name);
    /// `more` is added to the configuration; the server is configured already and asked at the start.
    BoxProcess& start_box(const std::string& more = {});
    /// Ends it and starts it again on the same state.
    BoxProcess& restart_box();

    /// The server delivers the next release of what the maker has.
    void deliver();
    /// As the button does, and waits until it is over; the report.
    json::object force();
    json::object report() const;
    json::object wait_for_end_of_update(double started_after = 0) const;
    json::object plugin(const std::string& name) const;
    /// Waits until this version runs and its state is one of these.
    json::object wait_for_version(const std::string& name, const std::string& version,
                                  std::chrono::milliseconds limit = 15s) const;
    std::string log() const { return box_->log(); }

    UpdatableBox updatable_;
    const TemporaryFolder& folder_ = updatable_.folder;
    OdooServer& server_ = updatable_.server;
    BundleMaker& maker_ = updatable_.maker;
    std::uint64_t& release_ = updatable_.release;
    std::unique_ptr<BoxProcess>& box_ = updatable_.box;
};

/// Of an action's whole answer.
bool has_succeeded(const json::object& answer);
/// The "n" of the counting scale's events, in the order in which a stream told them.
std::vector<std::int64_t> numbers_of(const std::vector<json::object>& events,
                                     const std::string& device = "swap1");
/// Empty when each is one more than the one before.
std::string gaps_in(const std::vector<std::int64_t>& numbers);

}  // namespace backplane::tests
