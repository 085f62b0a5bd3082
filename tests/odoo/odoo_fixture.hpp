// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box with devices that write a ledger, and the Odoo server that it may be paired with.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "doubles/odoo_server.hpp"
#include "support/box_process.hpp"
#include "support/listeners.hpp"

namespace backplane::tests {

/// One line of the ledger: what a device did, in the order in which it did it.
struct LedgerLine {
    std::string device, n;  ///< "printer", "payment" or "camera"; the number that the action had
    bool repeated = false;
};

class ABoxAndOdoo : public testing::Test {
protected:
    ABoxAndOdoo();
    ~ABoxAndOdoo() override;

    /// With the three ledger devices. `more` is added to the configuration, `odoo` to its section of that name.
    BoxProcess& start_box(const std::string& odoo = {}, const std::string& more = {});
    /// SIGKILL, and once more on the same state.
    void crash_and_restart();
    void restart();

    /// By the token, as a person pastes it; waits until the box is on the bus and the server knows its devices.
    void pair();
    HttpAnswer post(const std::string& path, const json::object& body) const;
    json::object odoo_status() const;
    /// Waits until GET /api/v1/odoo is as it should be.
    json::object wait_for_status(const std::function<bool(const json::object&)>& right,
                                 std::chrono::milliseconds limit = 20s) const;

    std::vector<LedgerLine> ledger() const;
    bool wait_for_ledger(std::size_t lines, std::chrono::milliseconds limit = 20s) const;
    std::string identifier() const;

    TemporaryFolder folder_;
    OdooServer odoo_;
    std::string config_;
    std::unique_ptr<BoxProcess> box_;

private:
    void run();
};

/// Of a reply to an action: {"status", "device_identifier", …}.
bool is_reply_to(const json::object& reply, std::string_view device, std::string_view status);

}  // namespace backplane::tests
