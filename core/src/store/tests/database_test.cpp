// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/database.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <array>

#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using testing::HasSubstr;
using Steps = std::vector<std::string_view>;

class ADatabase : public testing::Test {
protected:
    Database open() {
        auto database = Database::open(path, Database::Mode::read_write);
        if (!database) throw std::runtime_error{database.error().text};
        return std::move(database).value();
    }
    static std::string first(Database& database, std::string_view sql) {
        auto query = database.prepare(sql);
        if (!query) return query.error().text;
        const auto row = query->step();
        return row && *row ? query->text(0) : "nothing";
    }

    backplane::tests::TemporaryFolder folder;
    std::string path = folder.file("a ?#%.db");
    const Steps two{"CREATE TABLE a (x INTEGER NOT NULL) STRICT; INSERT INTO a VALUES (1)",
                    "ALTER TABLE a ADD COLUMN y TEXT"};
};

TEST_F(ADatabase, is_durable_and_private) {
    Database database = open();
    EXPECT_EQ(first(database, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(first(database, "PRAGMA synchronous"), "2");
    struct stat status {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777u, 0600u);
}

TEST_F(ADatabase, goes_another_way_to_the_disk_when_it_is_told) {
    ASSERT_TRUE(Database::open(path, Database::Mode::read_write, "unix-excl"));
    const auto unknown = Database::open(path, Database::Mode::read_write, "carrier-pigeon");
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().text, HasSubstr("no such vfs: carrier-pigeon"));
}

TEST_F(ADatabase, is_brought_from_each_older_version_to_the_current_one) {
    {
        Database database = open();
        ASSERT_TRUE(database.migrate(std::span{two}.first(1)));
        EXPECT_EQ(database.schema_version().value(), 1);
    }
    Database database = open();
    ASSERT_TRUE(database.check());
    ASSERT_TRUE(database.migrate(two));
    EXPECT_EQ(database.schema_version().value(), 2);
    EXPECT_EQ(first(database, "SELECT x FROM a WHERE y IS NULL"), "1");
    ASSERT_TRUE(database.migrate(two)) << "a second time changes nothing";
    EXPECT_EQ(first(database, "SELECT count(*) FROM a"), "1");
}

TEST_F(ADatabase, keeps_its_whole_old_version_when_a_migration_fails) {
    Database database = open();
    ASSERT_TRUE(database.migrate(std::span{two}.first(1)));
    const Steps bad{two[0], "INSERT INTO a VALUES (2); INSERT INTO a VALUES (NULL)"};
    EXPECT_FALSE(database.migrate(bad));
    EXPECT_EQ(database.schema_version().value(), 1);
    EXPECT_EQ(first(database, "SELECT count(*) FROM a"), "1");
    EXPECT_TRUE(database.migrate(two)) << "no transaction was left open";
}

TEST_F(ADatabase, refuses_a_version_from_the_future) {
    Database database = open();
    ASSERT_TRUE(database.migrate(two));
    const auto result = database.migrate(std::span{two}.first(1));
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "store.too_new");
    EXPECT_THAT(result.error().text, HasSubstr("has version 2, this box knows versions up to 1"));
}

TEST_F(ADatabase, says_that_a_file_is_damaged_or_somebody_elses) {
    {
        std::ofstream{path} << std::string(5000, 'x');
        const auto database = Database::open(path, Database::Mode::read_write);
        ASSERT_FALSE(database);
        EXPECT_EQ(database.error().code, "store.damaged");
        std::filesystem::remove(path);
    }
    Database database = open();
    ASSERT_TRUE(database.execute("PRAGMA user_version=1; PRAGMA application_id=7"));
    EXPECT_EQ(database.check().error().code, "store.damaged");
    EXPECT_THAT(database.check().error().text, HasSubstr("was not made by the box"));
}

TEST_F(ADatabase, says_what_to_do_when_it_cannot_be_opened) {
    const auto database = Database::open(folder.file("missing/x.db"), Database::Mode::read_write);
    ASSERT_FALSE(database);
    EXPECT_EQ(database.error().code, "store.unavailable");
    EXPECT_THAT(database.error().text,
                HasSubstr("check that the folder exists and that the box may write to it"));
}

TEST_F(ADatabase, is_set_aside_with_its_journals_and_only_three_copies_are_kept) {
    for (int i = 0; i < 6; ++i) {
        for (const char* suffix : {"", "-wal", "-shm"}) std::ofstream{path + suffix} << i;
        const auto name = set_aside(path, "broken");
        ASSERT_TRUE(name) << name.error().text;
        EXPECT_THAT(*name, HasSubstr("a ?#%.db.broken-20"));
        EXPECT_TRUE(std::filesystem::exists(*name));
        EXPECT_TRUE(std::filesystem::exists(*name + "-wal"));
        EXPECT_FALSE(std::filesystem::exists(path));
        EXPECT_FALSE(std::filesystem::exists(path + "-wal"));
        EXPECT_FALSE(std::filesystem::exists(path + "-shm"));
    }
    EXPECT_LE(folder.names_with("broken").size(), 12u);
    EXPECT_GE(folder.names_with("broken").size(), 9u);
}

}  // namespace
}  // namespace backplane::core
