// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An Odoo side that says what a test wants and writes down what it was told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backplane/sync/link_access.hpp"
#include "browser/event_owners.hpp"
#include "link/link_controls.hpp"

namespace backplane::sync::test {

class FakeLink {
public:
    using Done = LinkControls::Done;
    struct Waiting {
        std::string what;
        Done done;
    };

    FakeLink(core::EventRing& ring, TimerFactory timer) : owners(ring) {
        auto& c = *controls;
        c.look = [this] { return now; };
        c.names = [this] { return names; };
        c.pair = [this](std::string_view token, Done done) {
            told("pair " + std::string(token), std::move(done));
        };
        c.new_code = [this](Done done) { told("new_code", std::move(done)); };
        c.unpair = [this](Done done) { told("unpair", std::move(done)); };
        c.set_credentials = [this](const std::string& uuid, const std::string& code, Done done) {
            told("credentials " + uuid + "/" + code, std::move(done));
        };
        c.check_certificate = [this](std::function<void()> done) {
            told("check", [done = std::move(done)](core::Result<void>) { done(); });
        };
        c.send_logs = [this](bool on) { asked.push_back(on ? "logs on" : "logs off"); };
        c.answer_confirmation = [this](const std::string& id, bool allowed) -> core::Result<void> {
            asked.push_back((allowed ? "allow " : "deny ") + id);
            for (auto each = now.confirmations.begin(); each != now.confirmations.end(); ++each)
                if (each->id == id) {
                    now.confirmations.erase(each);
                    return {};
                }
            return core::failure("confirmation.unknown",
                                 "There is no such request any more: it was answered or has "
                                 "waited too long.");
        };
        c.ask = [this](std::string_view type, const boost::json::object&,
                       const std::string& session, Messages::Done done) {
            asked.push_back("ask " + std::string(type) + " for " + session);
            questions.push_back(std::move(done));
        };
        c.restart = [this] { asked.push_back("restart"); };
        c.on_change = [this](std::function<void()> changed) {
            auto entry = std::make_shared<std::function<void()>>(std::move(changed));
            listeners.push_back(entry);
            return core::Subscription([entry] { *entry = nullptr; });
        };
        c.owners = &owners;
        c.events = &ring;
        c.timer = std::move(timer);
    }

    /// Ends the oldest wish that has not ended.
    void end(core::Result<void> result = {}) {
        ASSERT_FALSE(waiting.empty()) << "nobody waits";
        const auto oldest = std::move(waiting.front());
        waiting.erase(waiting.begin());
        oldest.done(std::move(result));
    }
    void tell() {
        const auto all = listeners;
        for (const auto& each : all)
            if (*each) (*each)();
    }
    std::size_t heard_by() const {
        std::size_t count = 0;
        for (const auto& each : listeners) count += *each != nullptr;
        return count;
    }
    void pair_with(std::string url) {
        now.server = {std::move(url), "state", ""};
        now.pairing = {};
        now.pairing.state = "paired";
    }
    LinkAccess access() const { return LinkAccess(std::weak_ptr(controls)); }

    LinkSnapshot now;
    std::vector<std::string> names{"iotbox", "*.abc.odoo-iot.com"};
    std::vector<std::string> asked;
    std::vector<Waiting> waiting;
    std::vector<Messages::Done> questions;
    EventOwners owners;
    std::shared_ptr<LinkControls> controls = std::make_shared<LinkControls>();
    std::list<std::shared_ptr<std::function<void()>>> listeners;

private:
    void told(std::string what, Done done) {
        asked.push_back(what);
        waiting.push_back({std::move(what), std::move(done)});
    }
};

}  // namespace backplane::sync::test
