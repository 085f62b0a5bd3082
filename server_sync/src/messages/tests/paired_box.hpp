// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box that is paired, with the programs, measurements and restarts that its messages ask for: all of them under the
// hand of the test.
#pragma once

#include <gmock/gmock.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "browser/tests/fakes.hpp"
#include "messages/messages.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"

namespace backplane::sync::test {

inline constexpr const char* k_box = "10000000abcdef01";

/// A box that belongs to https://shop.example.com, and what it tells its server.
class APairedBox : public AStoreBox {
protected:
    struct Run {
        ProgramCall call;
        std::function<void(core::Result<int>)> done;
    };

    void SetUp() override {
        start();
        box.identifier = k_box;
        box.ip = "192.168.1.20";
        account.emplace(*store, "");
        pair("https://shop.example.com");
        pairing.emplace(Pairing::Setup{.account = *account,
                                       .timer = clock.timers(),
                                       .box = [this] { return box; },
                                       .lanes = lanes.maker(),
                                       .proxy = "",
                                       .now = [] { return 1000.0; }});
        begin({});
    }
    void pair(const std::string& url) {
        bool done = false;
        account->pair({url, "CANARY-A", "d", "e", ""},
                      [&](const core::Result<void>&) { done = true; });
        ASSERT_TRUE(until([&] { return done; }));
    }
    void begin(RemoteHelp help) {
        messages.emplace(Messages::Setup{
            .account = *account,
            .pairing = *pairing,
            .confirmations = confirmations,
            .timer = clock.timers(),
            .box = [this] { return box; },
            .reply = [this](json::object reply) { replies.push_back(std::move(reply)); },
            .restart = [this] { ++restarts; },
            .check_for_bundles = [this] { ++bundle_checks; },
            .measure_network =
                [this](std::function<void(std::string, std::string)> done) {
                    measurements.push_back(std::move(done));
                },
            .remote_help = std::move(help),
            .run_program =
                [this](ProgramCall call, std::function<void(core::Result<int>)> done) {
                    runs.push_back({std::move(call), std::move(done)});
                    return core::Subscription([] {});
                }});
    }
    void begin_with_help() {
        begin({.start = {"tunnel", "up", "--key={token}", "--name={name}"},
               .stop = {"tunnel", "down"},
               .status = {"tunnel", "status"}});
    }

    void receive(std::string type, json::object payload = {}, bool history = false) {
        if (!payload.contains("iot_identifiers"))
            payload["iot_identifiers"] = json::array{"another", k_box};
        Notification notification{1, std::move(type), std::move(payload), history};
        messages->handle(notification);
        clock.advance(0ms);
    }
    json::object ask(std::string_view type, const json::object& data = {}) {
        std::optional<json::object> reply;
        messages->ask(type, data, "session-1", [&](json::object got) {
            EXPECT_FALSE(reply) << "answered twice";
            reply = std::move(got);
        });
        EXPECT_FALSE(reply) << "called from inside";
        clock.advance(0ms);
        EXPECT_TRUE(reply) << type;
        return reply.value_or(json::object{});
    }
    void consent(bool allowed, const std::string& kind) {
        const auto waiting = confirmations.waiting();
        ASSERT_EQ(waiting.size(), 1u);
        EXPECT_EQ(waiting[0].kind, kind);
        EXPECT_TRUE(confirmations.answer(waiting[0].id, allowed));
        clock.advance(0ms);
    }
    std::string question() const {
        const auto waiting = confirmations.waiting();
        return waiting.empty() ? "nothing is asked" : waiting[0].text;
    }
    /// The oldest program that runs ends.
    void end_run(core::Result<int> exit) {
        ASSERT_FALSE(runs.empty());
        auto run = std::move(runs.front());
        runs.erase(runs.begin());
        run.done(std::move(exit));
        clock.advance(0ms);
    }
    static std::string text(const json::object& reply, std::string_view member) {
        const auto* value = reply.if_contains(member);
        return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
    }
    std::string url() const { return account->current().url; }

    FakeClock clock;
    FakeLanes lanes;
    BoxInfo box;
    std::optional<Account> account;
    std::optional<Pairing> pairing;
    Confirmations confirmations{clock.timers(), [] { return 1000.0; }};
    std::vector<json::object> replies;
    int restarts = 0, bundle_checks = 0;
    std::vector<std::function<void(std::string, std::string)>> measurements;
    std::vector<Run> runs;
    std::optional<Messages> messages;
};

}  // namespace backplane::sync::test
