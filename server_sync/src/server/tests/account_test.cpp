// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "server/account.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/tests/store_box.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

class AnAccount : public AStoreBox {
protected:
    void open(std::string configured = "") {
        account.reset();
        store.reset();
        start();
        account = std::make_unique<Account>(*store, std::move(configured));
    }
    static ServerAccount shop() {
        return {"https://shop.example.com", "secret-token", "db-1", "M-123", "shop"};
    }
    /// Does one of the four things and waits for its end: the error's text, or "".
    template <typename Call>
    std::string end_of(Call call) {
        std::optional<core::Result<void>> came;
        call([&](core::Result<void> result) {
            EXPECT_FALSE(came) << "two results";
            came = std::move(result);
        });
        EXPECT_FALSE(came) << "a result from inside the call";
        until([&] { return came.has_value(); });
        if (!came) return "nothing came";
        return *came ? "" : came->error().code + ": " + came->error().text;
    }
    std::string pair(ServerAccount with) {
        return end_of([&](Account::Done done) { account->pair(std::move(with), std::move(done)); });
    }

    std::unique_ptr<Account> account;
};

TEST_F(AnAccount, is_not_changed_by_what_is_no_address) {
    open();
    for (const char* url : {"", "shop.example.com", "ftp://shop.example.com", "https://a b"}) {
        ServerAccount with = shop();
        with.url = url;
        EXPECT_THAT(pair(with), HasSubstr("net.bad_url: ")) << url;
        EXPECT_THAT(end_of([&](auto done) { account->move_to(url, std::move(done)); }),
                    HasSubstr("is not the address of an Odoo server"))
            << url;
    }
    EXPECT_FALSE(account->current().paired());
    EXPECT_EQ(account->source(), "");
}

TEST_F(AnAccount, does_not_take_values_that_could_break_a_header) {
    open();
    ServerAccount with = shop();
    with.db_name = "shop\r\nX-Evil: 1";
    EXPECT_EQ(pair(with),
              "account.bad_value: the database's name (db_name) contains control characters: copy "
              "it again from the database");
    with = shop();
    with.token = std::string(2049, 'x');
    EXPECT_THAT(pair(with), HasSubstr("the token is longer than 2048 bytes"));
    EXPECT_THAT(end_of([&](auto done) { account->set_credentials("a\n", "b", std::move(done)); }),
                HasSubstr("account.bad_value"));
    EXPECT_FALSE(account->current().paired());
}

TEST_F(AnAccount, is_remembered_over_a_restart) {
    open();
    EXPECT_EQ(
        pair({"HTTPS://Shop.example.com:443/odoo?db=x", "secret-token", "db-1", "M-123", "shop"}),
        "");
    EXPECT_EQ(account->current(), shop());
    open();
    EXPECT_EQ(account->current(), shop());
    EXPECT_EQ(account->source(), "state");
    EXPECT_EQ(account->url_of("/iot/setup"), "https://shop.example.com/iot/setup");
}

TEST_F(AnAccount, stands_on_the_configuration_until_it_is_paired_and_after_it_was) {
    open("https://own.example.com/");
    EXPECT_TRUE(account->current().paired());
    EXPECT_EQ(account->current().url, "https://own.example.com");
    EXPECT_EQ(account->source(), "configuration");
    EXPECT_EQ(pair(shop()), "");
    EXPECT_EQ(account->source(), "state");
    EXPECT_EQ(end_of([&](auto done) { account->unpair(std::move(done)); }), "");
    EXPECT_EQ(account->source(), "configuration");
    EXPECT_EQ(account->current(), (ServerAccount{"https://own.example.com", "", "", "", ""}));
}

TEST_F(AnAccount, forgets_everything_of_the_server_when_it_is_unpaired) {
    open();
    ASSERT_EQ(pair(shop()), "");
    store->set({{"server.channel", "abc"}, {"logs.to_server", "no"}});
    int forgotten = 0;
    store->on_forget_server([&](core::Database&) -> core::Result<void> {
        ++forgotten;
        return {};
    });
    EXPECT_EQ(end_of([&](auto done) { account->unpair(std::move(done)); }), "");
    EXPECT_EQ(account->current(), ServerAccount{});
    EXPECT_EQ(store->value("server.channel"), "");
    EXPECT_EQ(store->value("logs.to_server"), "no") << "that is the box's own";
    EXPECT_EQ(forgotten, 1);
    open();
    EXPECT_FALSE(account->current().paired());
}

TEST_F(AnAccount, gives_nothing_of_one_database_to_another) {
    open();
    ASSERT_EQ(pair(shop()), "");
    store->set({{"server.channel", "of the first"}});
    ServerAccount again = shop();
    again.url = "https://new.example.com";
    again.token = "another";
    ASSERT_EQ(pair(again), "");
    EXPECT_EQ(store->value("server.channel"), "of the first") << "the database has only moved";

    ServerAccount other = again;
    other.db_uuid = "db-2";
    ASSERT_EQ(pair(other), "");
    EXPECT_EQ(store->value("server.channel"), "");
    EXPECT_EQ(account->current(), other);
    open();
    EXPECT_EQ(account->current(), other);
}

TEST_F(AnAccount, keeps_all_but_the_address_when_its_database_moves) {
    open();
    ASSERT_EQ(pair(shop()), "");
    EXPECT_EQ(end_of([&](auto done) {
                  account->move_to("https://new.example.com:8443/web", std::move(done));
              }),
              "");
    ServerAccount moved = shop();
    moved.url = "https://new.example.com:8443";
    EXPECT_EQ(account->current(), moved);
}

TEST_F(AnAccount, takes_and_forgets_credentials_alone) {
    open("https://own.example.com");
    EXPECT_EQ(end_of([&](auto done) { account->set_credentials("u", "c", std::move(done)); }), "");
    EXPECT_EQ(account->current(), (ServerAccount{"https://own.example.com", "", "u", "c", ""}));
    EXPECT_EQ(account->source(), "configuration");
    EXPECT_EQ(end_of([&](auto done) { account->set_credentials("", "", std::move(done)); }), "");
    EXPECT_EQ(account->current().db_uuid, "");
}

TEST_F(AnAccount, tells_its_listeners_in_their_order_and_before_who_asked) {
    open();
    std::vector<std::string> told;
    auto first = account->on_change([&] { told.push_back("first"); });
    auto second = account->on_change([&] { told.push_back("second " + account->current().url); });
    auto third = account->on_change([&] { throw std::runtime_error("not caught by its maker"); });
    EXPECT_EQ(end_of([&](Account::Done done) {
                  account->pair(shop(), [&told, done](core::Result<void> result) {
                      told.push_back("done");
                      done(std::move(result));
                  });
                  EXPECT_TRUE(told.empty()) << "told from inside the call";
              }),
              "");
    EXPECT_THAT(told, ElementsAre("first", "second https://shop.example.com", "done"));
    first.reset();
    told.clear();
    EXPECT_EQ(end_of([&](auto done) { account->unpair(std::move(done)); }), "");
    EXPECT_THAT(told, ElementsAre("second "));
}

TEST_F(AnAccount, calls_nobody_after_its_end) {
    open();
    const auto told = account->on_change([] { ADD_FAILURE() << "told after the end"; });
    account->pair(shop(), [](const core::Result<void>&) { ADD_FAILURE() << "done after the end"; });
    account.reset();
    EXPECT_TRUE(written());
}

TEST_F(AnAccount, names_the_database_to_its_own_server_only) {
    open();
    ASSERT_EQ(pair(shop()), "");
    const auto agent = Pair("User-Agent", "OdooIoTBox/1.0");
    const auto database = Pair("X-Odoo-Database", "shop");
    EXPECT_THAT(account->headers_for("https://shop.example.com/iot/setup"),
                ElementsAre(agent, database));
    EXPECT_THAT(account->headers_for("https://SHOP.example.com:443/websocket"),
                ElementsAre(agent, database));
    for (const char* url :
         {"https://www.odoo.com/x", "http://shop.example.com/iot/setup",
          "https://shop.example.com.evil.example/", "https://shop.example.com:8443/", "nonsense",
          "https://shop.example.com/web/login?db=shop"})
        EXPECT_THAT(account->headers_for(url), ElementsAre(agent)) << url;
    ServerAccount without = shop();
    without.db_name.clear();
    ASSERT_EQ(pair(without), "");
    EXPECT_THAT(account->headers_for("https://shop.example.com/iot/setup"), ElementsAre(agent));
}

TEST(ARequestsBody, wraps_its_parameters) {
    EXPECT_EQ(rpc_body({{"a", 1}, {"b", {{"c", "\"d\""}}}}),
              R"({"params":{"a":1,"b":{"c":"\"d\""}}})");
    EXPECT_EQ(rpc_body({}), R"({"params":{}})");
}

}  // namespace
}  // namespace backplane::sync::test
