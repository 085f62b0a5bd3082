// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/sync_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <vector>

#include "store/tests/store_box.hpp"

namespace backplane::sync {
namespace {

using core::Database;
using core::Result;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

unsigned mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777u : 0;
}

SyncStore::Job insert(std::string text) {
    return [text = std::move(text)](Database& database) {
        return database.execute("INSERT INTO settings VALUES ('" + text + "', 'x')");
    };
}

class ASyncStore : public test::AStoreBox {
protected:
    ASyncStore() { start(); }

    /// The thread stands still inside of a job until the result is set: what comes now, waits.
    std::promise<void> hold() {
        auto inside = std::make_shared<std::promise<void>>();
        std::promise<void> go_on;
        store->write(
            [inside, gate = go_on.get_future().share()](Database&) -> Result<void> {
                inside->set_value();
                gate.wait();
                return {};
            },
            {});
        inside->get_future().wait();
        return go_on;
    }
    std::string keys() {
        return on_disk("SELECT group_concat(key) FROM (SELECT key FROM settings ORDER BY key)");
    }
    SyncStore::Done note(std::string name) {
        return [this, name = std::move(name)](const Result<void>& result) {
            said.push_back(name + (result ? "" : ": " + result.error().code));
        };
    }
    std::vector<std::string> said;
};

TEST_F(ASyncStore, answers_only_after_the_data_is_on_the_disk) {
    store->set({{"server.url", "https://shop.example.com"}}, [this](const Result<void>& result) {
        EXPECT_TRUE(result);
        // A second connection sees what is committed, and nothing else.
        auto other = Database::open(folder.file("odoo.db"), Database::Mode::read_only);
        ASSERT_TRUE(other);
        auto query = other->prepare("SELECT value FROM settings WHERE key = 'server.url'");
        ASSERT_TRUE(query);
        EXPECT_TRUE(query->step().value());
        EXPECT_EQ(query->text(0), "https://shop.example.com");
        said.push_back("done");
    });
    EXPECT_EQ(store->value("server.url"), "https://shop.example.com") << "a change shows at once";
    EXPECT_THAT(said, IsEmpty());
    EXPECT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("done"));
}

TEST_F(ASyncStore, makes_everything_that_waits_durable_at_once_and_in_order) {
    auto go_on = hold();
    const auto before = store->transactions();
    std::vector<int> order;
    for (int i = 0; i < 500; ++i)
        store->write(insert("key" + std::to_string(i)),
                     [&order, i](const Result<void>& done) { order.push_back(done ? i : -1); });
    go_on.set_value();
    ASSERT_TRUE(until([&] { return order.size() == 500; }));
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(order.front(), 0);
    EXPECT_EQ(store->transactions() - before, 2u) << "the one that was held, and all the others";
}

TEST_F(ASyncStore, rolls_back_a_failing_job_without_touching_its_neighbours) {
    auto go_on = hold();
    store->write(insert("a"), note("a"));
    store->write(
        [](Database& database) -> Result<void> {
            if (auto half = database.execute("INSERT INTO settings VALUES ('half', 'x')"); !half)
                return half;
            return database.execute("INSERT INTO no_such_table VALUES (1)");
        },
        note("b"));
    store->write([](Database&) -> Result<void> { throw std::runtime_error{"odd"}; }, note("c"));
    store->write(insert("d"), note("d"));
    go_on.set_value();
    ASSERT_TRUE(until([this] { return said.size() == 4; }));
    EXPECT_THAT(said, ElementsAre("a", "b: store.damaged", "c: store.job", "d"));
    EXPECT_EQ(keys(), "a,d");
    EXPECT_EQ(store->problem(), "") << "a mistake of one part is no damage";
}

TEST_F(ASyncStore, writes_values_and_rows_both_or_neither) {
    store->write([](Database&) -> Result<void> { return core::failure("x.no", "no"); }, note("no"),
                 {{"server.last_notification", "7"}});
    store->write(insert("row"), note("yes"), {{"certificate.subject", "box"}});
    ASSERT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("no: x.no", "yes"));
    EXPECT_EQ(keys(), "certificate.subject,row");
}

TEST_F(ASyncStore, remembers_over_a_restart_what_was_still_waiting_at_the_end) {
    auto go_on = hold();
    for (int i = 0; i < 50; ++i) store->set({{"k" + std::to_string(i), "v"}}, note("never"));
    store->set({{"k7", std::nullopt}});
    std::thread later([&go_on] { go_on.set_value(); });
    store.reset();
    later.join();
    loop.restart();
    loop.poll();
    EXPECT_THAT(said, IsEmpty()) << "who destroyed the store is not called by it";
    start();
    EXPECT_EQ(store->value("k49"), "v");
    EXPECT_EQ(store->value("k7"), "");
}

TEST_F(ASyncStore, forgets_the_server_and_what_the_parts_keep_for_it_but_nothing_else) {
    store->set({{"server.url", "https://a.example"},
                {"server.token", "t"},
                {"serverless", "1"},
                {"certificate.subject", "s"}});
    bool told = false;
    store->on_forget_server(
        [](Database& database) {
            return database.execute("DELETE FROM settings WHERE key = 'kept.for.server'");
        },
        [&told] { told = true; });
    store->write(insert("kept.for.server"), {});
    store->forget_server({{"server.url", "https://b.example"}}, note("forgotten"));
    EXPECT_TRUE(told);
    EXPECT_EQ(store->value("server.token"), "");
    EXPECT_EQ(store->value("server.url"), "https://b.example");
    ASSERT_TRUE(written());
    EXPECT_EQ(keys(), "certificate.subject,server.url,serverless");
}

TEST_F(ASyncStore, keeps_a_row_of_many_megabytes) {
    const std::string document(12u << 20, 'x');
    store->set({{"big", document}}, note("big"));
    ASSERT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("big"));
    store.reset();
    start();
    EXPECT_EQ(store->value("big"), document);
}

TEST_F(ASyncStore, is_readable_by_the_box_alone_with_all_its_files) {
    store->set({{"server.token", "secret"}});
    ASSERT_TRUE(written());
    for (const char* suffix : {"", "-wal", "-shm"})
        EXPECT_EQ(mode_of(folder.file("odoo.db") + suffix), 0600u) << suffix;
    store.reset();
    ASSERT_EQ(::chmod(folder.file("odoo.db").c_str(), 0644), 0);
    start();
    EXPECT_EQ(mode_of(folder.file("odoo.db")), 0600u);
}

TEST_F(ASyncStore, sets_a_damaged_file_aside_and_begins_anew) {
    store.reset();
    std::ofstream{folder.file("odoo.db")} << std::string(9000, 'x');
    start();
    EXPECT_EQ(store->problem(), "");
    store->set({{"k", "v"}}, note("k"));
    ASSERT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("k"));
    int aside = 0;
    for (const auto& entry : std::filesystem::directory_iterator{folder.path()})
        aside += entry.path().filename().string().starts_with("odoo.db.broken-") ? 1 : 0;
    EXPECT_EQ(aside, 1);
}

TEST_F(ASyncStore, sets_a_file_aside_that_turns_out_to_be_damaged_and_keeps_its_values) {
    store->set({{"server.url", "https://shop.example.com"}});
    ASSERT_TRUE(written());
    // Closing moves everything into the file itself; what is in memory of it is let go, so that it is read again.
    store.reset();
    start();
    ASSERT_TRUE(
        store->read([](Database& database) { return database.execute("PRAGMA shrink_memory"); }));
    {
        // What a failing memory card leaves: all pages but the first are rubbish.
        const auto bytes = std::filesystem::file_size(folder.file("odoo.db"));
        std::fstream file{folder.file("odoo.db"), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(4096);
        file << std::string(bytes - 4096, 'x');
    }
    store->set({{"k", "v"}}, note("k"));
    ASSERT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("k"));
    store.reset();
    start();
    EXPECT_EQ(store->value("server.url"), "https://shop.example.com");
    EXPECT_EQ(store->value("k"), "v");
}

TEST(AFolderThatCannotBeWritten, leaves_a_store_that_says_so_and_a_box_that_works) {
    backplane::tests::TemporaryFolder folder;
    std::ofstream{folder.file("not-a-folder")} << "x";
    boost::asio::io_context loop;
    auto store = SyncStore::open(loop, folder.file("not-a-folder/odoo.db"));
    EXPECT_THAT(store->problem(), HasSubstr("cannot open the database"));
    EXPECT_THAT(store->problem(), HasSubstr("restart the box"));
    std::string code;
    store->set({{"k", "v"}},
               [&code](const Result<void>& done) { code = done ? "written" : done.error().code; });
    EXPECT_EQ(store->value("k"), "v") << "for this life of the box";
    ASSERT_TRUE(test::run_until(loop, [&code] { return !code.empty(); }));
    EXPECT_EQ(code, "store.unavailable");
    EXPECT_FALSE(store->read([](Database&) -> Result<void> { return {}; }));
}

TEST_F(ASyncStore, refuses_what_comes_faster_than_the_disk_for_too_long) {
    auto go_on = hold();
    for (int i = 0; i < 20'000; ++i) store->write({}, {});
    store->write({}, note("one too many"));
    EXPECT_THAT(said, IsEmpty());
    go_on.set_value();
    ASSERT_TRUE(written());
    EXPECT_THAT(said, ElementsAre("one too many: store.busy"));
}

}  // namespace
}  // namespace backplane::sync
