// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box with an inbox, a real database and devices that end their actions when the test says so. Its power can be cut.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actions/inbox.hpp"
#include "browser/tests/fakes.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {

inline constexpr const char* k_box = "10000000abcdef01";

inline Notification action(std::int64_t id, const std::string& device, const std::string& name,
                           const std::string& unique_id = {}, json::object more = {}) {
    Notification out;
    out.id = id;
    out.type = "iot_action";
    more["iot_identifiers"] = json::array{k_box};
    more["device_identifiers"] = json::array{device};
    more["session_id"] = "page-1";
    more["action"] = name;
    if (!unique_id.empty()) more["action_unique_id"] = unique_id;
    out.payload = std::move(more);
    return out;
}

class AnInbox : public AStoreBox {
protected:
    AnInbox() {
        fill(devices);
        begin();
    }
    static void fill(FakeDevices& with) {
        with.add("printer", "printer");
        with.add("scale", "scale");
        with.add("terminal", "payment");
    }
    Inbox::Setup setup() {
        return {*store,
                devices,
                clock.timers(),
                [] { return std::string{k_box}; },
                [this] { return wall; },
                [this](json::object reply) { replies.push_back(std::move(reply)); },
                [this](const Notification& message) { messages.push_back(message.type); },
                nullptr,
                [this] { return clock.now(); }};
    }
    void open() {
        store = SyncStore::open(loop, file);
        inbox = std::make_unique<Inbox>(setup());
    }
    void begin() {
        open();
        inbox->begin();
        advance(std::chrono::seconds{20});  // beyond the time in which devices are waited for
    }
    void stop() {
        inbox.reset();
        store.reset();
        devices.asked.clear();
    }
    /// What a process that is killed at this moment leaves: the files as they are now.
    void cut_power() {
        const std::string copy = folder.file("life-" + std::to_string(++lives) + ".db");
        for (const char* suffix : {"", "-wal"})
            if (std::filesystem::exists(file + suffix))
                std::filesystem::copy_file(file + suffix, copy + suffix);
        if (gate) gate->set_value();
        gate.reset();
        stop();
        file = copy;
    }
    /// The disk takes its time from now on.
    void hold_disk() {
        auto inside = std::make_shared<std::promise<void>>();
        gate = std::make_unique<std::promise<void>>();
        store->write(
            [inside, wait = gate->get_future().share()](core::Database&) -> core::Result<void> {
                inside->set_value();
                wait.wait();
                return {};
            },
            {});
        inside->get_future().wait();
    }
    void release_disk() {
        gate->set_value();
        gate.reset();
        settle();
    }
    void settle() {
        for (int i = 0; i < 4; ++i) ASSERT_TRUE(written());
    }
    void advance(std::chrono::milliseconds by) {
        wall += std::chrono::duration<double>(by).count();
        clock.advance(by);
        settle();
    }
    void take(std::vector<Notification> notifications) {
        inbox->take(std::move(notifications), [this] { ++durable; });
        settle();
    }
    void from_browser(std::string device, std::string name, std::string unique_id) {
        core::ActionRequest request;
        request.device = std::move(device);
        request.name = std::move(name);
        request.unique_id = std::move(unique_id);
        request.session = "browser";
        inbox->devices().act(std::move(request), [this](core::ActionOutcome outcome) {
            outcomes.push_back(word(outcome.status) +
                               (outcome.code.empty() ? "" : " " + outcome.code));
        });
        clock.advance(0ms);
        settle();
    }
    static std::string word(core::ActionOutcome::Status status) {
        using Status = core::ActionOutcome::Status;
        if (status == Status::success) return "success";
        if (status == Status::duplicate) return "duplicate";
        return status == Status::error ? "error" : "disconnected";
    }
    /// What runs now: "printer:print_receipt" or "printer:print_receipt:repeated".
    std::vector<std::string> asked() const {
        std::vector<std::string> out;
        for (const auto& one : devices.asked)
            out.push_back(one.request.device + ":" + one.request.name +
                          (one.request.data.contains("repeated") ? ":repeated" : ""));
        return out;
    }
    void succeed() {
        devices.succeed();
        settle();
    }
    void fail(std::string code, std::string message = "no") {
        devices.fail(core::ActionOutcome::Status::error, std::move(code), std::move(message));
        settle();
    }
    std::string last_message() const {
        if (replies.empty() || !replies.back().contains("message")) return "no message";
        return std::string{replies.back().at("message").as_string()};
    }

    std::string file = folder.file("odoo.db");
    int lives = 0;
    FakeClock clock;
    double wall = 1'763'793'000;
    FakeDevices devices;
    std::vector<json::object> replies;
    std::vector<std::string> messages, outcomes;
    int durable = 0;
    std::unique_ptr<std::promise<void>> gate;
    std::unique_ptr<Inbox> inbox;
};

}  // namespace backplane::sync::test
