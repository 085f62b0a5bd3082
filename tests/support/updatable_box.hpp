// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box that trusts a publisher, and the server that delivers his bundles to it: for tests and for measurements. What
// goes wrong on the way is an exception with what was seen last.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "doubles/odoo_server.hpp"
#include "support/box_process.hpp"
#include "support/bundle_maker.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::tests {

/// One of the builds that tests/update/CMakeLists.txt makes: build("good", "swap_scale").
std::filesystem::path build(const std::string& folder, const std::string& name);

class UpdatableBox {
public:
    UpdatableBox();

    /// The box's own plug-ins, before start(): copies of these builds.
    void own(const std::string& from, const std::string& name);
    /// `more` is added to the configuration; the server is configured already, and asked at the start unless `more` has
    /// a section "plugins" that says otherwise.
    BoxProcess& start(const std::string& more = {});
    /// Ends it and starts it again on the same state.
    BoxProcess& restart();

    /// The server delivers the next release of what the maker has.
    void deliver();
    /// As the button does; returns once the box has taken the order.
    void press_button() const;
    json::object report() const;
    /// When the update began of which the report speaks; 0: none so far.
    double last_start() const;
    /// Of an update that began after `started_after`; its report. A measurement looks more often.
    json::object wait_for_end(double started_after,
                              std::chrono::milliseconds look_every = 5ms) const;
    /// Presses the button when the box has nothing else to do, and waits until it is over; the report.
    json::object force() const;

    TemporaryFolder folder;
    OdooServer server;
    BundleMaker maker{"acme"};
    std::uint64_t release = 0;
    std::unique_ptr<BoxProcess> box;

private:
    BoxProcess& run();

    std::string config_;
};

}  // namespace backplane::tests
