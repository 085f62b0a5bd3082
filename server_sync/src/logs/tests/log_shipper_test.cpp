// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "logs/log_shipper.hpp"

#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backplane/core/log.hpp"
#include "browser/tests/fakes.hpp"
#include "server/tests/fake_requests.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::sync::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A box that is paired by its configuration, and what it sends. Other records of this process go along.
class ALogOnItsWay : public testing::Test {
protected:
    ALogOnItsWay() { store = SyncStore::open(loop, (folder / "odoo.db").string()); }
    ~ALogOnItsWay() override {
        shipper.reset();
        account.reset();
        store.reset();
    }
    /// Nothing of before is waiting afterwards.
    void start(std::string url = "https://shop.example.com", bool posts = true) {
        account = std::make_unique<Account>(*store, std::move(url));
        LogShipper::Setup setup{*account, *store, clock.timers(), [] { return "b0c5"; },
                                lanes.maker()};
        if (posts)
            setup.post = [this](std::function<void()> work) { posted.push_back(std::move(work)); };
        shipper = std::make_unique<LogShipper>(std::move(setup));
    }
    /// What was logged before is done with.
    void start_quietly(bool posts = true) {
        lanes.when("/iot/log", FakeLanes::ok(""));
        start("https://shop.example.com", posts);
        for (std::size_t before = ~std::size_t{0}; before != lanes.sent().size();) {
            before = lanes.sent().size();
            tick();
            lanes.run();
        }
        lanes.forget("/iot/log");
        already = lanes.sent().size();
        sent_before = shipper->status().sent;
        dropped_before = shipper->status().dropped;
    }
    void run_posted() {
        while (!posted.empty()) {
            auto work = std::move(posted.front());
            posted.pop_front();
            work();
        }
    }
    void tick(std::chrono::milliseconds time = 500ms) {
        run_posted();
        clock.advance(time);
    }
    std::size_t asked() const { return lanes.sent().size() - already; }
    static std::size_t records_in(const std::string& body) {
        std::size_t count = 0;
        for (std::size_t at = 0; (at = body.find("<log/>\n", at)) != std::string::npos; ++at)
            ++count;
        return count - 1;
    }
    void run_until(const bool& done) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!done && std::chrono::steady_clock::now() < end) {
            loop.restart();
            loop.run_one_for(100ms);
        }
        ASSERT_TRUE(done);
    }
    void wait_for_store() {
        bool done = false;
        store->set({{"test", "x"}}, [&](const core::Result<void>&) { done = true; });
        run_until(done);
    }
    void pair_with(std::string url) {
        ServerAccount to;
        to.url = std::move(url);
        to.token = "secret";
        to.db_name = "shop";
        bool done = false;
        account->pair(to, [&](const core::Result<void>&) { done = true; });
        run_until(done);
    }

    static std::string next_component() {
        static int count = 0;
        return "ship-test-" + std::to_string(++count);
    }

    /// Of this test: the log counts what is said again within a second, and does not repeat it.
    const std::string component = next_component();
    boost::asio::io_context loop;
    backplane::tests::TemporaryFolder folder;
    FakeClock clock;
    FakeLanes lanes;
    std::deque<std::function<void()>> posted;
    std::unique_ptr<SyncStore> store;
    std::unique_ptr<Account> account;
    std::unique_ptr<LogShipper> shipper;
    std::size_t already = 0;
    std::uint64_t sent_before = 0, dropped_before = 0;
};

TEST_F(ALogOnItsWay, is_sent_as_the_server_expects_it) {
    start_quietly();
    core::log_error(component, "lost", {{"what", "a\nb"}});
    core::log_warning(component, "handled", {{"what", "x<log/>40,forged"}});
    tick();
    ASSERT_EQ(asked(), 1u);
    const auto& sent = lanes.oldest();
    EXPECT_EQ(sent.lane, "logs");
    EXPECT_EQ(sent.request.method, "POST");
    EXPECT_EQ(sent.request.url, "https://shop.example.com/iot/log");
    EXPECT_EQ(sent.request.content_type, "");
    EXPECT_TRUE(sent.request.chunked);
    EXPECT_EQ(sent.request.total, 10s);
    ASSERT_EQ(sent.request.headers.size(), 1u);
    EXPECT_EQ(sent.request.headers[0],
              (std::pair<std::string, std::string>("X-Odoo-Database", "")));
    const std::string& body = sent.request.body;
    EXPECT_THAT(body, StartsWith("identifier b0c5<log/>\n40,20"));
    EXPECT_THAT(body, HasSubstr(" error " + component + ": lost what=a\\nb<log/>\n30,20"));
    EXPECT_THAT(body, HasSubstr("what=x<log />40,forged<log/>\n"));
    EXPECT_EQ(records_in(body), 2u);
    lanes.succeed("");
    EXPECT_EQ(shipper->status().sent - sent_before, 2u);
    EXPECT_EQ(shipper->status().reason, "");
}

TEST_F(ALogOnItsWay, names_the_database_when_it_is_known) {
    start("");
    pair_with("https://other.example.com");
    core::log_info(component, "after");
    tick();
    ASSERT_EQ(asked(), 1u);
    EXPECT_EQ(lanes.oldest().header("X-Odoo-Database"), "shop");
    EXPECT_EQ(lanes.oldest().request.url, "https://other.example.com/iot/log");
}

TEST_F(ALogOnItsWay, goes_in_batches_of_fifty_every_half_second) {
    start_quietly();
    for (int i = 0; i < 120; ++i) core::log_info(component, "e", {{"i", std::to_string(i)}});
    tick();
    ASSERT_EQ(asked(), 1u);
    EXPECT_EQ(records_in(lanes.oldest().request.body), 50u);
    EXPECT_THAT(lanes.oldest().request.body, AllOf(HasSubstr("i=0<"), HasSubstr("i=49<")));
    // One after the other, in order.
    tick(5s);
    EXPECT_EQ(asked(), 1u);
    lanes.succeed("");
    EXPECT_EQ(asked(), 1u);
    tick();
    ASSERT_EQ(asked(), 2u);
    EXPECT_THAT(lanes.oldest().request.body, AllOf(HasSubstr("i=50<"), HasSubstr("i=99<")));
    lanes.succeed("");
    tick();
    EXPECT_EQ(records_in(lanes.oldest().request.body), 20u);
    lanes.succeed("");
    tick();
    EXPECT_EQ(asked(), 3u);
    EXPECT_EQ(shipper->status().sent - sent_before, 120u);
    EXPECT_EQ(shipper->status().dropped - dropped_before, 0u);
}

TEST_F(ALogOnItsWay, wakes_nobody_up_while_nothing_is_logged) {
    start_quietly();
    EXPECT_EQ(clock.running(), 0u);
    core::log_info(component, "one");
    core::log_info(component, "two");
    EXPECT_EQ(posted.size(), 1u);
    run_posted();
    EXPECT_EQ(clock.running(), 1u);
}

TEST_F(ALogOnItsWay, is_looked_at_every_half_second_when_nobody_can_be_woken_up) {
    start_quietly(false);
    EXPECT_EQ(clock.running(), 1u);
    core::log_info(component, "looked-at");
    clock.advance(500ms);
    EXPECT_EQ(asked(), 1u);
}

TEST_F(ALogOnItsWay, does_not_hold_what_is_about_itself_or_about_polling) {
    start_quietly();
    core::log_warning("logs", "own", {{"run", component}});
    core::log_warning("net", "slow", {{"run", component}, {"lane", "logs"}});
    core::log_info("http", "request", {{"run", component}, {"path", "/hw_proxy/hello"}});
    core::log_info("http", "request", {{"run", component}, {"path", "/iot_drivers/event"}});
    tick();
    EXPECT_EQ(asked(), 0u);
    core::log_info("http", "request", {{"run", component}, {"path", "/iot_drivers/action"}});
    tick();
    ASSERT_EQ(asked(), 1u);
    EXPECT_EQ(records_in(lanes.oldest().request.body), 1u);
}

TEST_F(ALogOnItsWay, waits_longer_and_longer_while_the_server_is_away_and_comes_back_complete) {
    start_quietly();
    core::log_info(component, "kept");
    tick();
    lanes.fail();
    EXPECT_THAT(shipper->status().reason,
                HasSubstr("the log is not sent for the moment: nobody is there"));
    tick(29s);
    EXPECT_EQ(asked(), 1u);
    tick(9s);
    ASSERT_EQ(asked(), 2u);
    lanes.fail();
    tick(59s);
    EXPECT_EQ(asked(), 2u);
    tick(17s);
    ASSERT_EQ(asked(), 3u);
    EXPECT_THAT(lanes.oldest().request.body, HasSubstr("kept"));
    lanes.succeed("");
    EXPECT_EQ(shipper->status().reason, "");
    core::log_info(component, "more");
    tick();
    EXPECT_EQ(asked(), 4u);
    EXPECT_EQ(shipper->status().sent - sent_before, 1u);
}

TEST_F(ALogOnItsWay, loses_the_oldest_when_more_than_a_thousand_wait_and_says_how_many) {
    start_quietly();
    const std::uint64_t begin = core::last_log_seq();
    core::log_info(component, "first");
    tick();
    lanes.fail();
    for (int i = 0; i < 2000; ++i) core::log_info(component, "e", {{"i", std::to_string(i)}});
    EXPECT_LE(posted.size(), 1u);
    tick(40s);
    ASSERT_EQ(asked(), 2u);
    EXPECT_THAT(lanes.oldest().request.body, AllOf(HasSubstr("i=1000<"), Not(HasSubstr("i=999<"))));
    const std::uint64_t lost = core::last_log_seq() - begin - 1000;
    EXPECT_GE(lost, 1002u);  // "first", the shipper's own word about the failure, and a thousand
    EXPECT_EQ(shipper->status().dropped - dropped_before, lost);
    lanes.fail();
    tick(80s);
    EXPECT_EQ(shipper->status().dropped - dropped_before, lost);
}

TEST_F(ALogOnItsWay, gives_up_a_batch_that_the_server_will_never_take) {
    start_quietly();
    core::log_info(component, "odd");
    tick();
    lanes.answer(FakeLanes::status(413));
    EXPECT_EQ(shipper->status().dropped - dropped_before, 1u);
    EXPECT_THAT(shipper->status().reason, HasSubstr("with HTTP 413"));
    core::log_info(component, "even");
    tick(40s);
    EXPECT_THAT(lanes.oldest().request.body, AllOf(HasSubstr("even"), Not(HasSubstr("odd"))));
    lanes.answer(FakeLanes::status(404));
    EXPECT_THAT(shipper->status().reason, HasSubstr("is Odoo's module for IoT boxes installed"));
    EXPECT_EQ(shipper->status().dropped - dropped_before, 1u);
}

TEST_F(ALogOnItsWay, stays_in_a_box_that_is_not_paired_and_starts_with_the_pairing) {
    core::log_info(component, "before");
    start("");
    core::log_info(component, "unpaired");
    tick(60s);
    EXPECT_EQ(asked(), 0u);
    EXPECT_EQ(shipper->status().reason, "the box is not paired: its log stays here");
    pair_with("https://shop.example.com");
    core::log_info(component, "paired-now");
    tick();
    ASSERT_EQ(asked(), 1u);
    EXPECT_THAT(
        lanes.oldest().request.body,
        AllOf(HasSubstr("paired-now"), Not(HasSubstr("unpaired")), Not(HasSubstr("before"))));
}

TEST_F(ALogOnItsWay, is_not_shown_to_the_next_server) {
    start_quietly();
    core::log_info(component, "for-the-first");
    tick();
    ASSERT_EQ(lanes.waiting(), 1u);
    pair_with("https://second.example.com");
    EXPECT_EQ(lanes.waiting(), 0u);
    core::log_info(component, "for-the-second");
    tick();
    EXPECT_THAT(lanes.oldest().request.url, StartsWith("https://second.example.com"));
    EXPECT_THAT(lanes.oldest().request.body, Not(HasSubstr("for-the-first")));
}

TEST_F(ALogOnItsWay, can_be_switched_off_and_that_is_remembered) {
    start_quietly();
    core::log_info(component, "under-way");
    tick();
    shipper->switch_on(false);
    EXPECT_EQ(lanes.waiting(), 0u);
    core::log_info(component, "private");
    tick(60s);
    EXPECT_EQ(lanes.waiting(), 0u);
    EXPECT_FALSE(shipper->status().on);
    EXPECT_EQ(shipper->status().reason, "sending the log to the server is switched off");
    wait_for_store();
    shipper.reset();
    const std::size_t before = lanes.sent().size();
    start();
    EXPECT_FALSE(shipper->status().on);
    shipper->switch_on(true);
    core::log_info(component, "public");
    tick();
    ASSERT_EQ(lanes.sent().size(), before + 1);
    EXPECT_THAT(lanes.last().request.body, AllOf(HasSubstr("public"), Not(HasSubstr("private"))));
}

TEST_F(ALogOnItsWay, calls_nobody_after_its_end) {
    start_quietly();
    core::log_info(component, "before-end");
    auto late = std::move(posted);
    posted.clear();
    shipper.reset();
    core::log_info(component, "after-end");
    EXPECT_TRUE(posted.empty());
    for (const auto& work : late) work();
    clock.advance(60s);
    EXPECT_EQ(asked(), 0u);
}

}  // namespace
}  // namespace backplane::sync::test
