// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A box with an uplink, a real database, and a server that answers what the test says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "browser/tests/fakes.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"
#include "uplink/uplink.hpp"

namespace backplane::sync::test {

inline constexpr const char* k_shop = "https://shop.example.com";

class AnUplink : public AStoreBox {
protected:
    AnUplink() {
        begin();
        pair(k_shop);
    }
    void begin() {
        start();
        account = std::make_unique<Account>(*store, "");
        owners = std::make_unique<EventOwners>(ring);
        note = ring.subscribe([this](const core::EventPtr& event) { owners->note(*event); });
        uplink = std::make_unique<Uplink>(Uplink::Setup{
            *account, *store, ring, *owners, clock.timers(), [] { return std::string{"box-1"}; },
            [] { return 1.0; }, lanes.maker(), limits});
    }
    void stop() {
        uplink.reset();
        note.reset();
        owners.reset();
        account.reset();
        store.reset();
    }
    void restart() {
        stop();
        begin();
        settle();
    }
    void pair(const char* url) {
        ServerAccount to;
        to.url = url;
        account->pair(to, {});
        settle();
    }
    void settle() {
        for (int i = 0; i < 3; ++i) {
            ASSERT_TRUE(written());
            clock.advance(0ms);
        }
    }
    void advance(std::chrono::milliseconds by) {
        wall += std::chrono::duration<double>(by).count();
        clock.advance(by);
        settle();
    }
    void weigh(double kilograms) {
        ring.publish(device_event("scale-1", "scale", "weight", weight(kilograms)));
    }
    void finish(const std::string& action, const std::string& session = "page-1",
                json::value result = nullptr) {
        ring.publish(action_result("camera-1", "camera", session, action, std::move(result)));
    }
    /// What the server has been sent so far: the name of the action, the weight, or the status.
    static std::string told(const std::string& body) {
        const auto params = json::parse(body).at("params").as_object();
        if (params.contains("weight")) return json::serialize(params.at("weight"));
        if (const auto* action = params.if_contains("action")) return action->as_string().c_str();
        if (const auto* status = params.if_contains("status"); status && status->is_string())
            return status->as_string().c_str();
        return body;
    }
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const auto& one : lanes.sent()) out.push_back(told(one.request.body));
        return out;
    }
    void serve() {
        lanes.when("/iot/box/send_websocket", FakeLanes::ok(R"({"jsonrpc":"2.0"})"));
        do settle();
        while (lanes.run() > 0);
    }

    FakeClock clock;
    double wall = 1'763'793'000;
    core::EventRing ring{core::EventRing::Limits{}, [this] { return clock.now(); },
                         [this] { return wall; }};
    FakeLanes lanes;
    Uplink::Limits limits;
    std::unique_ptr<Account> account;
    std::unique_ptr<EventOwners> owners;
    core::Subscription note;
    std::unique_ptr<Uplink> uplink;
};

}  // namespace backplane::sync::test
