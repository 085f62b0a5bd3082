// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A paired box on the bus of a server that the test plays; time passes when the test says so.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "browser/tests/fakes.hpp"
#include "server/tests/fake_requests.hpp"
#include "store/tests/store_box.hpp"
#include "websocket/bus_client.hpp"
#include "websocket/tests/fake_sockets.hpp"

namespace backplane::sync::test {

class ABusBox : public AStoreBox {
protected:
    static constexpr const char* k_health = "/websocket/health";
    static constexpr const char* k_peek = "/websocket/peek_notifications";
    static constexpr const char* k_login = "/web/login";

    struct Taken {
        std::vector<Notification> notifications;
        std::function<void()> durable;
    };

    /// `values` beside the address: "server.db_name" for one.
    void pair(std::map<std::string, std::optional<std::string>> values = {}) {
        bus.reset();
        account.reset();
        store.reset();
        start();
        values.emplace("server.url", "https://shop.example.com");
        store->set(std::move(values));
        account = std::make_unique<Account>(*store, "");
        bus = std::make_unique<BusClient>(BusClient::Setup{
            *account, [this] { return channel; }, [] { return std::string("b0c5"); },
            [this] { return last_id; },
            [this](std::vector<Notification> notifications, std::function<void()> durable) {
                taken.push_back({std::move(notifications), std::move(durable)});
            },
            clock.timers(), sockets.maker(), lanes.maker(), "/etc/shop.pem",
            [this] { return random; }, [this] { return wall; }, [this] { return listened; },
            [this] { listened = true; }});
    }
    /// Paired, connected and subscribed.
    void connect(std::map<std::string, std::optional<std::string>> values = {}) {
        pair(std::move(values));
        bus->look_again();
        sockets.open();
    }
    /// The same with a session of the database "shop".
    void connect_with_session(const std::string& id) {
        pair({{"server.db_name", "shop"}});
        bus->look_again();
        ServerAnswer page;
        page.status = 200;
        page.headers = {{"Set-Cookie", "session_id=" + id + "; Path=/"}};
        lanes.answer(page, k_login);
        sockets.open();
    }
    /// The oldest that was handed over is durable, and the cursor of the box with it.
    void durable() {
        ASSERT_FALSE(taken.empty()) << "nothing was handed over";
        auto oldest = std::move(taken.front());
        taken.pop_front();
        last_id = oldest.notifications.back().id;
        oldest.durable();
    }
    std::vector<std::int64_t> taken_ids() const {
        std::vector<std::int64_t> ids;
        for (const auto& one : taken)
            for (const auto& notification : one.notifications) ids.push_back(notification.id);
        return ids;
    }
    static std::string frame(std::vector<std::int64_t> ids) {
        std::string out = "[";
        for (const auto id : ids) {
            if (out.size() > 1) out += ",";
            out += R"({"id":)" + std::to_string(id) +
                   R"(,"message":{"type":"iot_action","payload":{"iot_identifiers":["b0c5"]}}})";
        }
        return out + "]";
    }
    static std::string polled(std::vector<std::int64_t> ids) {
        return R"({"jsonrpc":"2.0","id":null,"result":{"channels":["c1"],"notifications":)" +
               frame(std::move(ids)) + "}}";
    }
    /// Time passes, and who has a rule in `lanes` answers at once.
    void pass(std::chrono::milliseconds time) {
        constexpr auto k_step = std::chrono::milliseconds{50};
        for (; time.count() > 0; time -= k_step) {
            clock.advance(std::min(time, k_step));
            lanes.run();
            clock.advance(0ms);
        }
    }
    void is_away(bool away) {
        lanes.when(k_health,
                   away ? FakeLanes::error("net.connect") : FakeLanes::ok(R"({"status":"pass"})"));
    }
    /// The next connections are not made, until there have been so many.
    void refuse(unsigned times, const std::string& code = "ws.refused", int status = 404) {
        for (unsigned i = 0; i < times; ++i) {
            const auto before = sockets.count();
            ASSERT_EQ(sockets.alive(), 1u);
            sockets.end(code, status);
            for (int waited = 0; i + 1 < times && sockets.count() == before && waited < 100;
                 ++waited)
                pass(500ms);
        }
        pass(50ms);
    }
    json::object subscription() {
        if (sockets.last().sent.empty()) {
            ADD_FAILURE() << "nothing was sent";
            return {{"data", json::object{{"last", -1}}}};
        }
        return json::parse(sockets.last().sent.back()).as_object();
    }

    FakeClock clock;
    FakeLanes lanes;
    FakeSockets sockets;
    std::string channel = "c1";
    std::int64_t last_id = 17;
    double random = 0, wall = 1'763'793'000;
    bool listened = false;  ///< what the store of the box remembers
    std::deque<Taken> taken;
    std::unique_ptr<Account> account;
    std::unique_ptr<BusClient> bus;
};

}  // namespace backplane::sync::test
