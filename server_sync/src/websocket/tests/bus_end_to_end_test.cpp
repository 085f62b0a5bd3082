// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box on the bus of a server that behaves as Odoo's does, over real connections.
#include <gmock/gmock.h>
#include <boost/asio/post.hpp>

#include "doubles/odoo_server.hpp"
#include "store/tests/store_box.hpp"
#include "websocket/bus_client.hpp"

namespace backplane::sync::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::HasSubstr;

class ABoxOnTheBus : public AStoreBox {
protected:
    ~ABoxOnTheBus() override {
        bus.reset();
        loop.restart();
        loop.poll();
    }
    /// Connected to this server.
    void connect(tests::OdooServer& server, const std::string& database = {}) {
        start();
        std::map<std::string, std::optional<std::string>> values{{"server.url", server.url()}};
        if (!database.empty()) values["server.db_name"] = database;
        store->set(std::move(values));
        account = std::make_unique<Account>(*store, "");
        channel = server.channel_of("b0c5");
        bus = std::make_unique<BusClient>(BusClient::Setup{
            *account, [this] { return channel; }, [] { return std::string("b0c5"); },
            [this] { return last_id; },
            [this](const std::vector<Notification>& notifications, std::function<void()> durable) {
                for (const auto& one : notifications)
                    if (is_for_box(one, "b0c5")) taken.push_back(one.id);
                last_id = notifications.back().id;
                boost::asio::post(loop, std::move(durable));
            },
            asio_timers(loop),
            [make = beast_sockets(loop)](SocketOptions options, Socket::Handlers handlers) {
                options.ping = options.pong = 200ms;
                options.open = 2s;
                return make(std::move(options), std::move(handlers));
            },
            [this](std::string name) {
                LaneOptions options;
                options.name = std::move(name);
                return make_lane(loop, std::move(options));
            },
            "", [] { return 0.5; }, [] { return 1'763'793'000.0; }});
        bus->look_again();
    }
    bool is_connected() {
        return until([this] { return bus->status().state == "connected"; });
    }
    std::int64_t say(tests::OdooServer& server) {
        const auto id =
            server.notify("iot_action", {{"iot_identifiers", boost::json::array{"b0c5"}}});
        sent.push_back(id);
        return id;
    }
    /// All that was sent has come, each once and in order.
    testing::AssertionResult has_all() {
        if (until([this] { return taken.size() >= sent.size(); }) && taken == sent)
            return testing::AssertionSuccess();
        return testing::AssertionFailure()
               << testing::PrintToString(taken) << " of " << testing::PrintToString(sent) << ", "
               << bus->status().state << ": " << bus->status().reason;
    }

    std::unique_ptr<Account> account;
    std::unique_ptr<BusClient> bus;
    std::string channel;
    std::int64_t last_id = 0;
    std::vector<std::int64_t> sent, taken;
};

TEST_F(ABoxOnTheBus, misses_nothing_while_its_connections_are_cut) {
    tests::OdooServer server;
    connect(server);
    ASSERT_TRUE(is_connected()) << bus->status().reason;
    ASSERT_TRUE(server.wait_for_box_connected());
    say(server);
    ASSERT_TRUE(has_all());
    for (int i = 0; i < 5; ++i) {
        say(server);
        server.reset_connections();
        say(server);
        EXPECT_TRUE(has_all()) << i;
    }
    server.close_websockets(4002);
    say(server);
    EXPECT_TRUE(has_all());
}

TEST_F(ABoxOnTheBus, is_back_within_2_seconds_after_its_server_was_killed) {
    tests::OdooServer server;
    connect(server);
    ASSERT_TRUE(is_connected()) << bus->status().reason;
    ASSERT_TRUE(server.wait_for_box_connected());
    say(server);
    ASSERT_TRUE(has_all());
    server.stop();
    say(server);
    ASSERT_TRUE(until([this] { return bus->status().state == "waiting"; }));
    EXPECT_THAT(bus->status().reason, testing::Not(HasSubstr("\n")));
    const auto later = steady_clock::now() + 1'500ms;
    until([&] { return steady_clock::now() > later; });
    server.start();
    const auto begin = steady_clock::now();
    ASSERT_TRUE(is_connected());
    EXPECT_LT(steady_clock::now() - begin, 2s);
    EXPECT_TRUE(has_all());
}

TEST_F(ABoxOnTheBus, finds_out_that_its_server_swallows_everything) {
    tests::OdooServer server;
    connect(server);
    ASSERT_TRUE(is_connected()) << bus->status().reason;
    ASSERT_TRUE(server.wait_for_box_connected());
    server.fault(tests::Fault::black_hole());
    say(server);
    ASSERT_TRUE(until([this] { return bus->status().state != "connected"; }));
    server.heal();
    ASSERT_TRUE(is_connected());
    EXPECT_TRUE(has_all());
}

TEST_F(ABoxOnTheBus, polls_where_web_sockets_do_not_pass) {
    tests::OdooServer server;
    server.fault("/websocket", tests::Fault::page(404));
    last_id = say(server);  // known already
    taken.push_back(last_id);
    connect(server);
    ASSERT_TRUE(until([this] { return bus->status().state == "polling"; })) << bus->status().reason;
    say(server);
    say(server);
    EXPECT_TRUE(has_all());
    say(server);
    EXPECT_TRUE(has_all());
}

TEST_F(ABoxOnTheBus, finds_its_database_among_others) {
    tests::OdooServerOptions options;
    options.database.databases = {"other", "shop"};
    tests::OdooServer server(options);
    connect(server, "shop");
    ASSERT_TRUE(is_connected()) << bus->status().reason;
    EXPECT_EQ(server.requests_to("/web/login").size(), 1u);
    ASSERT_TRUE(server.wait_for_box_connected());
    say(server);
    EXPECT_TRUE(has_all());
}

}  // namespace
}  // namespace backplane::sync::test
