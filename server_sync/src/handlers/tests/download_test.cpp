// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Downloads from a server that behaves, and what ends them from inside the box.
#include <future>
#include <thread>

#include "backplane/core/log.hpp"
#include "doubles/bad_ports.hpp"
#include "handlers/tests/downloads.hpp"

namespace backplane::sync::test {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class ADownload : public Downloads {
protected:
    void SetUp() override { ask_at(server.url()); }

    /// Begins one that would go on, lets the server see it, and destroys the source.
    void destroy_while_running(std::size_t requests) {
        bool called = false;
        source->fetch(
            {}, [](auto, auto) {}, [&](const Result&) { called = true; });
        ASSERT_TRUE(server.wait_for_requests(requests));
        const auto begin = std::chrono::steady_clock::now();
        source.reset();
        EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
        loop.restart();
        loop.run_for(50ms);
        EXPECT_FALSE(called) << "a source that is gone has called back";
    }

    OdooServer server;
};

// ---- the end from inside ------------------------------------------------------------------------

TEST_F(ADownload, ends_silently_and_at_once_when_it_is_destroyed_while_the_server_is_silent) {
    server.script({Answer::silence()});
    destroy_while_running(1);
}

TEST_F(ADownload, ends_silently_when_it_is_destroyed_in_the_middle_of_the_body) {
    server.script({Answer::drip(zip_of(100'000), 5'000)});
    destroy_while_running(1);
    ask_at(server.url());
    server.script({Answer::endless()});
    options.limits.bytes = 1ULL << 40;
    ask_at(server.url());
    destroy_while_running(2);
}

TEST_F(ADownload, ends_silently_when_it_is_destroyed_while_it_connects) {
    const tests::BusyPort busy;
    options.limits.connect = 30s;
    ask_at("http://127.0.0.1:" + std::to_string(busy.port()));
    bool called = false;
    source->fetch(
        {}, [](auto, auto) {}, [&](const Result&) { called = true; });
    loop.run_for(100ms);
    const auto begin = std::chrono::steady_clock::now();
    source.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    loop.restart();
    loop.run_for(50ms);
    EXPECT_FALSE(called);
}

TEST_F(ADownload, ends_silently_when_it_is_destroyed_while_the_name_server_is_silent) {
    const auto asked = std::make_shared<std::promise<void>>();
    const auto answer = std::make_shared<std::promise<void>>();
    const auto ended = std::make_shared<std::promise<void>>();
    options.limits.connect = 60s;
    options.resolve = [asked, ended, wait = answer->get_future().share()](
                          const std::string&) -> core::Result<std::vector<std::string>> {
        asked->set_value();
        wait.wait();
        ended->set_value();
        return std::vector<std::string>{"127.0.0.1"};
    };
    ask_at(server.url("shop.example.com"));
    bool called = false;
    source->fetch(
        {}, [](auto, auto) {}, [&](const Result&) { called = true; });
    asked->get_future().wait();
    const auto begin = std::chrono::steady_clock::now();
    source.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
    answer->set_value();  // too late
    ended->get_future().wait();
    loop.run_for(50ms);
    EXPECT_FALSE(called);
    EXPECT_THAT(server.requests(), IsEmpty());
}

TEST_F(ADownload, calls_nobody_when_it_is_destroyed_between_the_end_and_the_news_of_it) {
    server.handlers(zip_of(1000));
    bool called = false;
    source->fetch(
        {}, [&](auto, auto) { called = true; }, [&](const Result&) { called = true; });
    // The worker ends while nobody runs the loop: its news waits there.
    ASSERT_TRUE(server.wait_for_requests(1));
    source.reset();
    loop.run_for(50ms);
    EXPECT_FALSE(called);
}

TEST_F(ADownload, may_be_destroyed_by_whom_it_tells) {
    server.handlers(zip_of(1000));
    bool called = false;
    source->fetch({}, {}, [&](const Result& result) {
        EXPECT_TRUE(result);
        source.reset();
        called = true;
    });
    run_until([&] { return called; });
    EXPECT_EQ(source, nullptr);

    ask_at(server.url());
    server.script({Answer::drip(zip_of(100'000), 5'000)});
    source->fetch(
        {}, [&](auto, auto) { source.reset(); },
        [&](const Result&) { ADD_FAILURE() << "called after its end"; });
    run_until([&] { return !source; });
    loop.restart();
    loop.run_for(50ms);
}

TEST_F(ADownload, is_one_at_a_time) {
    server.script({Answer::silence()});
    std::optional<Result> second;
    source->fetch({}, {}, [](const Result&) { ADD_FAILURE() << "silence has ended"; });
    source->fetch({}, {}, [&](Result result) { second = std::move(result); });
    EXPECT_FALSE(second) << "from inside fetch()";
    run_until([&] { return second.has_value(); });
    ASSERT_FALSE(*second);
    EXPECT_EQ(second->error().code, "update.running");
    ASSERT_TRUE(server.wait_for_requests(1));
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(ADownload, may_be_asked_again_from_inside_the_answer) {
    server.handlers(zip_of(1000));
    int answers = 0;
    std::function<void(const Result&)> again = [&](const Result& result) {
        EXPECT_TRUE(result);
        if (++answers < 3) source->fetch({}, {}, [&](const Result& next) { again(next); });
    };
    source->fetch({}, {}, [&](const Result& result) { again(result); });
    run_until([&] { return answers == 3; });
    EXPECT_EQ(server.requests().size(), 3u);
}

// ---- what is asked ------------------------------------------------------------------------------

TEST_F(ADownload, asks_as_a_box_of_odoo_does) {
    server.handlers(zip_of(10));
    ASSERT_TRUE(fetch());
    const auto request = server.requests().at(0);
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/iot/get_handlers");
    EXPECT_EQ(request.body, "auto=True&identifier=10000000abcdef01");
    EXPECT_EQ(request.header("Content-Type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(request.header("User-Agent"), "OdooIoTBox/1.0");
    EXPECT_EQ(request.header("Accept-Encoding"), "identity");
    EXPECT_FALSE(request.header("If-None-Match"));
    EXPECT_FALSE(request.header("X-Odoo-Database"));
    EXPECT_EQ(request.header("Host"), "127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(ADownload, tells_old_servers_its_mac_and_any_server_the_database) {
    server_now.mac = "dc:a6:32:00:00:01";
    server_now.identifier = "a&b=c d";
    server_now.database = "shop";
    ask_at(server.url() + "/");
    ASSERT_TRUE(fetch({"", true}));
    const auto request = server.requests().at(0);
    EXPECT_EQ(request.path, "/iot/get_handlers");
    EXPECT_EQ(request.field("mac"), "dc:a6:32:00:00:01");
    EXPECT_EQ(request.field("identifier"), "a&b=c d");
    EXPECT_EQ(request.field("auto"), "False");
    EXPECT_EQ(request.header("X-Odoo-Database"), "shop");
}

TEST_F(ADownload, keeps_the_path_of_a_server_that_has_one) {
    ask_at(server.url() + "/odoo/?db=x");
    EXPECT_FALSE(fetch()) << "the double knows no such path";
    EXPECT_EQ(server.requests().at(0).path, "/odoo/iot/get_handlers");
}

// ---- what comes ---------------------------------------------------------------------------------

TEST_F(ADownload, brings_the_archive_then_nothing_new_then_the_next_one) {
    const std::string first = zip_of(300'000), second = zip_of(200'000);
    server.handlers(first);
    auto came = fetch();
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(came->kind, Kind::archive);
    EXPECT_EQ(text_of(came->bytes), first);
    const std::string etag = came->etag;
    EXPECT_EQ(etag, server.etag());

    came = fetch({etag, false});
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(came->kind, Kind::unchanged);
    EXPECT_THAT(came->bytes, IsEmpty());
    EXPECT_EQ(server.requests().at(1).header("If-None-Match"), etag);

    server.handlers(second);
    came = fetch({etag, false});
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(text_of(came->bytes), second);
    EXPECT_NE(came->etag, etag);
}

TEST_F(ADownload, sends_an_etag_without_quotes_however_it_was_kept) {
    server.handlers(zip_of(10));
    for (const std::string& kept : {"W/\"" + server.etag() + "\"", "\"" + server.etag() + "\""}) {
        const auto came = fetch({kept, false});
        ASSERT_TRUE(came) << came.error().text;
        EXPECT_EQ(came->kind, Kind::unchanged);
    }
    // What cannot be sent is left out.
    EXPECT_EQ(fetch({"a\r\nX-Evil: 1", false})->kind, Kind::archive);
    EXPECT_FALSE(server.requests().back().header("X-Evil"));
}

TEST_F(ADownload, does_without_an_etag) {
    Answer bare;
    bare.body = zip_of(10);
    server.script({bare});
    EXPECT_EQ(fetch()->etag, "");
}

TEST_F(ADownload, brings_nothing_when_automatic_update_is_off_unless_it_is_forced) {
    server.handlers(zip_of(10));
    server.automatic_update(false);
    EXPECT_EQ(fetch()->kind, Kind::nothing);
    EXPECT_EQ(fetch({"", true})->kind, Kind::archive);
    server.script({Answer::status(204)});
    EXPECT_EQ(fetch()->kind, Kind::nothing);
}

TEST_F(ADownload, takes_a_body_in_chunks) {
    const std::string zip = zip_of(100'000);
    server.script({Answer::zip(zip).in_chunks()});
    const auto came = fetch();
    ASSERT_TRUE(came) << came.error().text;
    EXPECT_EQ(text_of(came->bytes), zip);
}

TEST_F(ADownload, takes_exactly_as_much_as_the_limit) {
    options.limits.bytes = 100'000;
    ask_at(server.url());
    server.script({Answer::zip(zip_of(100'000)), Answer::zip(zip_of(100'000)).in_chunks()});
    EXPECT_EQ(fetch()->bytes.size(), 100'000u);
    EXPECT_EQ(fetch()->bytes.size(), 100'000u);
}

TEST_F(ADownload, leaves_it_to_the_verification_what_a_body_is_that_is_no_page) {
    server.script({Answer::zip("no zip, but no page either")});
    EXPECT_EQ(text_of(fetch()->bytes), "no zip, but no page either");
}

TEST_F(ADownload, tells_its_progress) {
    server.script({Answer::drip(zip_of(50'000), 100'000)});
    ASSERT_TRUE(fetch());
    ASSERT_GE(progress.size(), 3u);
    EXPECT_EQ(progress.back(), std::pair(std::uint64_t{50'000}, std::uint64_t{50'000}));
    EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
    progress.erase(progress.begin());  // perhaps before the head of the answer
    EXPECT_THAT(progress, Each(Pair(::testing::Le(50'000u), 50'000u)));

    server.script({Answer::zip(zip_of(50'000)).in_chunks()});
    ASSERT_TRUE(fetch());
    EXPECT_EQ(progress.back(), std::pair(std::uint64_t{50'000}, std::uint64_t{0}));
}

TEST_F(ADownload, warns_of_a_server_without_encryption_and_asks_it_all_the_same) {
    EXPECT_THAT(source->warning(), AllOf(HasSubstr(server.url()), HasSubstr("without encryption"),
                                         HasSubstr("https")));
    bool logged = false;
    for (const auto& record : core::recent_logs())
        logged = logged || (record.event == "server.not_encrypted" &&
                            record.text().find(server.url()) != std::string::npos);
    EXPECT_TRUE(logged);
    ask_at("https://shop.example.com");
    EXPECT_EQ(source->warning(), "");
    EXPECT_EQ(source->name(), "https://shop.example.com");
}

// ---- a box that moves ---------------------------------------------------------------------------

TEST_F(ADownload, asks_the_server_to_which_the_box_belongs_at_that_moment) {
    OdooServer next;
    next.handlers(zip_of(20));
    server.handlers(zip_of(10));
    EXPECT_EQ(text_of(fetch()->bytes), zip_of(10));

    server_now.url = next.url();
    server_now.identifier = "another";
    server_now.database = "shop";
    EXPECT_EQ(text_of(fetch()->bytes), zip_of(20));
    EXPECT_EQ(next.requests().at(0).field("identifier"), "another");
    EXPECT_EQ(next.requests().at(0).header("X-Odoo-Database"), "shop");
    EXPECT_EQ(server.requests().size(), 1u);
    EXPECT_EQ(source->name(), next.url());
    EXPECT_THAT(source->warning(), HasSubstr(next.url()));

    server_now.url.clear();
    EXPECT_EQ(source->name(), "");
    EXPECT_EQ(source->warning(), "");
    EXPECT_THAT(error_of().text, HasSubstr("pair the box with a database"));
    EXPECT_EQ(next.requests().size(), 1u);
}

}  // namespace
}  // namespace backplane::sync::test
