// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Does the checker see anything? Each kind of sync that the update makes is left out in turn, and once the order of the
// calls is the one that boxes in the field have: the same checker must find what is wrong with each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>

#include "crash/judge.hpp"

namespace backplane::crash {
namespace {

using ::testing::StartsWith;

// ---- without one sync -----------------------------------------------------------------------------------------------

struct Mutant {
    std::string name;
    bool (*swallows)(std::string_view path);  ///< of a folder with "/" at its end
    friend std::ostream& operator<<(std::ostream& out, const Mutant& mutant) {
        return out << mutant.name;
    }
};

bool is_in(std::string_view path, std::string_view folder) {
    return path.find(folder) != std::string_view::npos && !path.ends_with('/');
}

std::size_t depth(std::string_view path) {
    return static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
}

const std::vector<Mutant>& mutants() {
    static const std::vector<Mutant> all{
        {"content_of_blobs", [](std::string_view path) { return is_in(path, "/blobs/"); }},
        {"content_of_documents", [](std::string_view path) { return is_in(path, "/meta/"); }},
        {"folder_of_blobs", [](std::string_view path) { return path == "/box/updates/blobs/"; }},
        {"folder_of_a_release",
         [](std::string_view path) {
             return path.starts_with("/box/updates/meta/") && path.ends_with('/') &&
                    depth(path) == 6;
         }},
        {"folder_of_a_bundle",
         [](std::string_view path) { return path == "/box/updates/meta/acme/"; }},
        {"folder_of_bundles", [](std::string_view path) { return path == "/box/updates/meta/"; }},
        {"folder_of_updates", [](std::string_view path) { return path == "/box/updates/"; }},
        {"folder_of_the_box", [](std::string_view path) { return path == "/box/"; }},
        {"database", [](std::string_view path) { return path == "/box/updates/state.db"; }},
        {"journal_of_the_database",
         [](std::string_view path) { return path == "/box/updates/state.db-journal"; }},
        {"log_of_the_database",
         [](std::string_view path) { return path == "/box/updates/state.db-wal"; }},
    };
    return all;
}

class ACheckerOfPowerCuts : public ::testing::TestWithParam<Mutant> {};

TEST_P(ACheckerOfPowerCuts, sees_that_a_sync_is_missing) {
    const Publisher publisher;
    std::size_t swallowed = 0;
    const Recording recording = record_update(publisher, [&](std::string_view path) {
        const bool now = GetParam().swallows(path);
        if (now) ++swallowed;
        return now;
    });
    ASSERT_GT(swallowed, 0u) << "this sync is not made at all, so nothing is proved here";
    Judge judge{publisher, Judge::Retry::no};
    std::optional<std::string> seen;
    Enumeration how;
    how.model = Model::weak;
    how.all_subsets_to = 4;
    how.samples = 4;
    how.all_writes_to = 2;
    how.write_samples = 2;
    how.torn_at = 2;
    for_each_crash_state(recording, how, [&](const CrashState& state) {
        seen = judge.judge(state);
        if (seen) std::cout << *seen << '\n' << state.text() << '\n';
        return !seen;
    });
    EXPECT_TRUE(seen) << swallowed << " syncs were left out and none of " << judge.states()
                      << " states shows it";
}

INSTANTIATE_TEST_SUITE_P(Mutant, ACheckerOfPowerCuts, ::testing::ValuesIn(mutants()),
                         [](const auto& each) { return each.param.name; });

// ---- the order of the field -----------------------------------------------------------------------------------------

/// The ETag is stored first, everything is deleted, the archive is unpacked in place. No sync anywhere.
class StockOrder {
public:
    explicit StockOrder(core::DurableFiles& files) : files_(files) {}

    void install(int version) {
        const std::string number = std::to_string(version);
        // Its configuration file is written over; the outcome is that of a rename at best.
        write("/box/etag~", number);
        demand(files_.rename("/box/etag~", "/box/etag"));
        demand(files_.make_directory("/box/drivers"));
        const auto names = files_.list("/box/drivers");
        for (const std::string& name : *names) demand(files_.unlink("/box/drivers/" + name));
        for (int i = 0; i < k_files; ++i)
            write("/box/drivers/" + std::to_string(i), content(version, i));
    }

    /// The version that is there as a whole, and whose ETag is: 0 where there is nothing, none otherwise.
    static std::optional<int> version(const DiskImage& image) {
        const auto etag = image.files.find("/box/etag");
        const bool empty =
            std::none_of(image.files.begin(), image.files.end(),
                         [](const auto& each) { return each.first.starts_with("/box/drivers/"); });
        if (etag == image.files.end()) return empty ? std::optional{0} : std::nullopt;
        for (const int version : {1, 2}) {
            if (etag->second->bytes != tests::bytes_of(std::to_string(version))) continue;
            for (int i = 0; i < k_files; ++i) {
                const auto file = image.files.find("/box/drivers/" + std::to_string(i));
                if (file == image.files.end() ||
                    file->second->bytes != tests::bytes_of(content(version, i)))
                    return std::nullopt;
            }
            return version;
        }
        return std::nullopt;
    }

private:
    static constexpr int k_files = 6;
    static std::string content(int version, int file) {
        return "driver " + std::to_string(file) + " of version " + std::to_string(version);
    }
    static void demand(const core::Result<void>& done) {
        if (!done) throw std::runtime_error{done.error().text};
    }
    void write(const std::string& path, const std::string& text) {
        auto file = files_.create(path);
        if (!file) throw std::runtime_error{file.error().text};
        demand((*file)->write(tests::bytes_of(text)));
    }
    core::DurableFiles& files_;
};

TEST(ACheckerOfPowerCutsOnStockOrder, finds_nearly_all_of_its_states_wrong) {
    ModelDisk first{empty_disk()};
    ModelFiles before{first};
    StockOrder{before}.install(1);
    ModelDisk disk{first.seen()};  // version 1 has long been on the disk
    ModelFiles files{disk};
    ASSERT_EQ(StockOrder::version(disk.seen()), 1);
    StockOrder{files}.install(2);
    disk.mark();
    for (const Model model : {Model::ordered, Model::weak}) {
        Enumeration how;
        how.model = model;
        std::set<std::pair<std::uint64_t, bool>> seen;
        std::size_t bad = 0;
        for_each_crash_state(disk.recording(), how, [&](const CrashState& state) {
            const bool reported = state.reported > 0;
            if (!seen.emplace(state.image.hash(), reported).second) return true;
            const auto version = StockOrder::version(state.image);
            if (!version || (reported && *version != 2)) ++bad;
            return true;
        });
        std::cout << bad << " of " << seen.size() << " states are wrong\n";
        EXPECT_GT(seen.size(), 20u);
        EXPECT_GT(bad * 10, seen.size() * 9) << bad << " of " << seen.size();
    }
}

/// The same content in the right order: the checker is not one that finds everything wrong.
TEST(ACheckerOfPowerCutsOnStockOrder,
     finds_nothing_wrong_with_whole_files_that_are_renamed_into_place) {
    DiskImage image = empty_disk();
    image.files["/box/etag"] = std::make_shared<const Content>(tests::bytes_of("1"));
    ModelDisk disk{image};
    ModelFiles files{disk};
    Node node = 0;
    ASSERT_EQ(disk.create("/box/etag~", node), ModelDisk::Answer::done);
    ASSERT_EQ(disk.write(node, 0, tests::bytes_of("2")), ModelDisk::Answer::done);
    ASSERT_TRUE(disk.sync(node) == ModelDisk::Answer::done);
    ASSERT_TRUE(files.rename("/box/etag~", "/box/etag"));
    ASSERT_TRUE(files.sync_directory("/box"));
    disk.mark();
    for (const Model model : {Model::ordered, Model::weak}) {
        Enumeration how;
        how.model = model;
        for_each_crash_state(disk.recording(), how, [&](const CrashState& state) {
            const auto etag = state.image.files.find("/box/etag");
            EXPECT_TRUE(etag != state.image.files.end()) << state.text();
            if (etag == state.image.files.end()) return false;
            const bool is_new = etag->second->bytes == tests::bytes_of("2");
            EXPECT_TRUE(is_new || etag->second->bytes == tests::bytes_of("1")) << state.text();
            EXPECT_TRUE(is_new || state.reported == 0) << state.text();
            return true;
        });
    }
}

// ---- the states themselves ------------------------------------------------------------------------------------------

std::set<std::string> contents(const Recording& recording, Model model, const std::string& path) {
    std::set<std::string> found;
    Enumeration how;
    how.model = model;
    how.first = recording.log.size();
    for_each_crash_state(recording, how, [&](const CrashState& state) {
        const auto file = state.image.files.find(path);
        if (file == state.image.files.end()) {
            found.insert("(none)");
        } else {
            std::string text(reinterpret_cast<const char*>(file->second->bytes.data()),
                             file->second->bytes.size());
            std::replace(text.begin(), text.end(), '\0', '0');
            found.insert(text);
        }
        return true;
    });
    return found;
}

TEST(TheStatesOfACrash, have_what_was_written_and_not_synced_as_old_empty_torn_and_full) {
    ModelDisk disk{empty_disk()};
    ModelFiles files{disk};
    auto file = files.create("/box/a");
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write(tests::bytes_of("abcd")));
    EXPECT_THAT(contents(disk.recording(), Model::weak, "/box/a"),
                ::testing::UnorderedElementsAre("(none)", "", "0000", "a", "ab", "abc", "abcd"));
    ASSERT_TRUE((*file)->sync());
    EXPECT_THAT(contents(disk.recording(), Model::weak, "/box/a"),
                ::testing::UnorderedElementsAre("(none)", "abcd"))
        << "its name is not durable by its own sync";
    EXPECT_THAT(contents(disk.recording(), Model::ordered, "/box/a"),
                ::testing::UnorderedElementsAre("abcd"));
    ASSERT_TRUE(files.sync_directory("/box"));
    EXPECT_THAT(contents(disk.recording(), Model::weak, "/box/a"),
                ::testing::UnorderedElementsAre("abcd"));
}

TEST(TheStatesOfACrash, lose_changes_of_names_in_any_combination_only_in_the_weak_model) {
    ModelDisk disk{empty_disk()};
    ModelFiles files{disk};
    for (const char* path : {"/box/a", "/box/b"}) ASSERT_TRUE(files.create(path));
    const auto names = [&](Model model) {
        std::set<std::string> found;
        Enumeration how;
        how.model = model;
        how.first = disk.recording().log.size();
        for_each_crash_state(disk.recording(), how, [&](const CrashState& state) {
            std::string all;
            for (const auto& [path, content] : state.image.files) all += path.substr(5);
            found.insert(all);
            return true;
        });
        return found;
    };
    EXPECT_THAT(names(Model::ordered), ::testing::UnorderedElementsAre("", "a", "ab"));
    EXPECT_THAT(names(Model::weak), ::testing::UnorderedElementsAre("", "a", "b", "ab"));
}

TEST(TheStatesOfACrash, cannot_reach_what_lies_in_a_folder_whose_name_is_lost) {
    ModelDisk disk{empty_disk()};
    ModelFiles files{disk};
    ASSERT_TRUE(files.make_directory("/box/deep"));
    auto file = files.create("/box/deep/a");
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(files.sync_directory("/box/deep"));
    EXPECT_THAT(contents(disk.recording(), Model::weak, "/box/deep/a"),
                ::testing::UnorderedElementsAre("(none)", ""));
    ASSERT_TRUE(files.sync_directory("/box"));
    EXPECT_THAT(contents(disk.recording(), Model::weak, "/box/deep/a"),
                ::testing::UnorderedElementsAre(""));
}

}  // namespace
}  // namespace backplane::crash
