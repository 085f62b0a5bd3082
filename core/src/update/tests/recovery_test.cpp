// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What the engine makes of a disk that was damaged, filled up or left in the middle of something.
#include <sqlite3.h>

#include <fstream>

#include "update/tests/engine_fixture.hpp"

namespace backplane::core::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ADamagedStore : public EngineTest {
protected:
    static void overwrite(const fs::path& file, const std::string& content) {
        std::ofstream{file, std::ios::binary | std::ios::trunc} << content;
    }
    std::string state_file() const { return setup.folder + "/state.db"; }
    void lose_database() {
        engine.reset();
        for (const char* suffix : {"-wal", "-shm"}) fs::remove(state_file() + suffix);
        overwrite(state_file(), "not a database, whatever it was before, and long enough for one");
    }
    fs::path meta() const { return setup.folder + "/meta/acme"; }
};

// --- builds and documents ---

TEST_F(ADamagedStore, runs_the_last_good_build_when_a_blob_is_rotten) {
    install("1.0.0");
    install("1.1.0");
    overwrite(blob("1.1.0"), "rotten");
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
    EXPECT_THAT(engine->repairs(), ElementsAre(::testing::AllOf(
                                       HasSubstr("acme_scale 1.1.0 cannot be loaded"),
                                       HasSubstr("is damaged"), HasSubstr("1.0.0 runs instead"))));
    EXPECT_EQ(summary(), "1.0.0") << "its bytes were at fault, not the build: no quarantine";
    EXPECT_EQ(engine->etag(false), "") << "the server has to send it once more";
}

TEST_F(ADamagedStore, gets_a_rotten_build_again_with_the_next_update) {
    install("1.0.0");
    install("1.1.0");
    overwrite(blob("1.1.0"), "rotten");
    open();
    started();
    EXPECT_THAT(offer(maker.zip(2), "\"2\"").staged, SizeIs(1));
    try_it();
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.1.0"));
}

TEST_F(ADamagedStore, leaves_the_place_to_the_box_when_no_build_can_be_loaded) {
    setup.own = {{"acme_scale", "com.example.acme-scale", "0.9.0"}};
    open();
    install("1.0.0");
    fs::remove(blob("1.0.0"));
    open();
    EXPECT_THAT(started(), IsEmpty());
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("the box's own version runs instead")));
}

TEST_F(ADamagedStore, does_not_load_a_build_whose_signatures_are_gone) {
    install("1.0.0");
    install("1.1.0");
    engine.reset();
    for (const auto& entry : fs::directory_iterator{meta()}) {
        if (!entry.path().filename().string().starts_with("2-")) continue;
        for (const auto& file : fs::directory_iterator{entry}) {
            if (file.path().string().find("release.json.") != std::string::npos)
                overwrite(file, "forged");
        }
    }
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("acme_scale 1.1.0 cannot be loaded")));
}

TEST_F(ADamagedStore, does_not_load_another_plugin_that_lies_in_its_place) {
    install("1.0.0");
    fs::copy_file(test_plugin("1.0.0/acme_display.so"), blob("1.0.0"),
                  fs::copy_options::overwrite_existing);
    open();
    EXPECT_THAT(started(), IsEmpty());
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("nothing runs instead")));
}

TEST_F(ADamagedStore, removes_what_an_interrupted_update_has_left) {
    install("1.0.0");
    engine.reset();
    overwrite(setup.folder + "/blobs/" + std::string(64, 'a') + "~", "half a blob");
    overwrite(setup.folder + "/blobs/" + std::string(64, 'b'), "a blob that nobody names");
    fs::create_directories(meta() / "9-0123456789abcdef");
    overwrite(meta() / "9-0123456789abcdef" / "backplane.acme.root.1.json", "half a bundle");
    open();
    EXPECT_EQ(blobs(), 1u);
    EXPECT_FALSE(fs::exists(meta() / "9-0123456789abcdef"));
    EXPECT_THAT(engine->repairs(), IsEmpty());
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

// --- the database ---

TEST_F(ADamagedStore, makes_its_record_anew_from_the_signed_documents) {
    install("1.0.0");
    maker.add(test_plugin("1.0.0/acme_display.so"));
    deliver();
    ok(engine->begin_trial("acme_display"));
    ok(engine->confirm("acme_display"));
    ok(engine->collect_garbage());
    lose_database();
    open();
    EXPECT_THAT(engine->repairs(),
                ElementsAre(HasSubstr("kept as " + state_file() + ".broken-"),
                            HasSubstr("2 plug-ins were found again; quarantine and pins are "
                                      "forgotten")));
    EXPECT_THAT(started(), ElementsAre("acme_display 1.0.0", "acme_scale 1.0.0"));
    EXPECT_EQ(summary(), "1.0.0");
    EXPECT_EQ(engine->etag(false), "");
    EXPECT_FALSE(fs::exists(setup.folder + "/rebuild"));

    maker.remove("acme_display");
    EXPECT_EQ(offer(maker.zip(1), "\"1\"").bundles.at(0).code, "E_ROLLBACK")
        << "it still knows how far it was";
    EXPECT_TRUE(deliver("1.1.0").bundles.at(0).accepted);
}

TEST_F(ADamagedStore, tries_again_the_newest_build_where_an_older_one_is_there_too) {
    install("1.0.0");
    deliver("1.1.0");
    try_it();
    ok(engine->trial_failed("acme_scale", "crashed"));
    lose_database();
    open();
    EXPECT_EQ(summary(), "1.1.0 on trial, good 1.0.0")
        << "that it was in quarantine nobody knows any more";
    started();
    ok(engine->trial_failed("acme_scale", "crashed again"));
    EXPECT_EQ(summary(), "1.0.0, quarantined 1.1.0");
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

TEST_F(ADamagedStore, proves_todays_root_by_all_the_roots_before_it) {
    install("1.0.0");
    for (int i = 0; i < 3; ++i) {
        maker.rotate(BundleMaker::ReleaseKeys::change);
        deliver();
        ok(engine->collect_garbage());
    }
    lose_database();
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

TEST_F(ADamagedStore, believes_no_documents_that_its_own_trust_does_not_prove) {
    install("1.0.0");
    lose_database();
    setup.pinned_roots["acme"] = BundleMaker{"acme"}.root();
    open();
    EXPECT_THAT(started(), IsEmpty());
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("cannot be used")));
}

TEST_F(ADamagedStore, goes_on_making_its_record_anew_when_that_was_interrupted) {
    install("1.0.0");
    lose_database();
    // As after a power cut between the new database and its content.
    fs::remove(state_file());
    overwrite(setup.folder + "/rebuild", "");
    open();
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
    EXPECT_FALSE(fs::exists(setup.folder + "/rebuild"));
}

TEST_F(ADamagedStore, makes_its_record_anew_when_it_has_vanished) {
    install("1.0.0");
    engine.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(state_file() + suffix);
    open();
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("was not there")));
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

TEST_F(ADamagedStore, sets_aside_the_record_of_a_newer_box) {
    install("1.0.0");
    engine.reset();
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(state_file().c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(raw, "PRAGMA user_version=99", nullptr, nullptr, nullptr), SQLITE_OK);
    ASSERT_EQ(sqlite3_close(raw), SQLITE_OK);
    open();
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr(".newer-")));
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
}

TEST_F(ADamagedStore, believes_no_row_that_would_lead_out_of_its_folder) {
    install("1.0.0");
    for (const char* sql : {"UPDATE build SET documents = '../../../etc'",
                            "UPDATE build SET sha256 = '../../../../etc/passwd'",
                            "UPDATE documents SET folder = '1-../../../../../'",
                            "UPDATE build SET bundle = '..'", "UPDATE plugin SET name = '..'",
                            "UPDATE build SET role = 'king'", "DELETE FROM plugin"}) {
        engine.reset();
        sqlite3* raw = nullptr;
        ASSERT_EQ(sqlite3_open(state_file().c_str(), &raw), SQLITE_OK);
        ASSERT_EQ(sqlite3_exec(raw, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sql;
        ASSERT_EQ(sqlite3_close(raw), SQLITE_OK);
        open();
        EXPECT_THAT(engine->repairs(), Contains(HasSubstr("the record of updates has"))) << sql;
        EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0")) << sql;
    }
}

// --- a disk that does not let us write ---

/// Somebody else has the database and does not let go of it.
class Lock {
public:
    explicit Lock(const std::string& path) {
        EXPECT_EQ(sqlite3_open(path.c_str(), &raw_), SQLITE_OK);
        EXPECT_EQ(sqlite3_exec(raw_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    }
    ~Lock() { sqlite3_close(raw_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    sqlite3* raw_ = nullptr;
};

TEST_F(ADamagedStore, tries_nothing_that_it_cannot_count) {
    install("1.0.0");
    deliver("1.1.0");
    try_it();
    open();
    {
        const Lock lock{state_file()};
        EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0"));
        EXPECT_THAT(engine->repairs(), Contains(HasSubstr("could not be remembered")));
        EXPECT_FALSE(engine->begin_preflight("acme_scale"));
    }
    EXPECT_EQ(summary(), "1.1.0 on trial, good 1.0.0") << "nothing was decided";
    EXPECT_THAT(started(), ElementsAre("acme_scale 1.1.0"));
}

TEST_F(ADamagedStore, opens_without_its_record_and_writes_again_when_it_can) {
    engine.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(state_file() + suffix);
    fs::create_directory(state_file());
    open();
    EXPECT_THAT(engine->repairs(), Contains(HasSubstr("cannot be written")));
    EXPECT_THAT(engine->warnings(), Contains(HasSubstr("updates cannot be installed")));
    put("1.0.0");
    const auto refused = engine->accept(maker.zip(1), {"\"1\"", false});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "store.unavailable");
    EXPECT_THAT(engine->plugins(), IsEmpty());
    EXPECT_FALSE(engine->collect_garbage()) << "nothing is known to be garbage";

    fs::remove(state_file());
    EXPECT_THAT(offer(maker.zip(1), "\"1\"").staged, SizeIs(1));
    EXPECT_THAT(engine->warnings(), IsEmpty());
}

TEST_F(ADamagedStore, keeps_the_old_state_whole_at_each_fault_and_succeeds_afterwards) {
    // Every call that changes the disk fails once, in the middle of an update from 1.0.0 to 1.1.0. Under a sanitizer every
    // other one: it takes ten times as long, and all of them run without.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr int k_step = 2;
#else
    constexpr int k_step = 1;
#endif
    int faults = 0;
    for (int at = 1;; at += k_step) {
        fs::remove_all(setup.folder);
        release = 0;
        maker = BundleMaker{"acme"};
        setup.pinned_roots["acme"] = maker.root();
        files.fail_at = 0;
        open();
        install("1.0.0");
        put("1.1.0");
        files.calls = 0;
        files.fail_at = at;
        files.code = faults % 2 == 0 ? "store.full" : "store.io";
        const auto answer = engine->accept(maker.zip(2), {"\"2\"", false});
        const bool reached = files.calls >= at;
        files.fail_at = 0;
        if (!reached) {
            ASSERT_TRUE(answer) << answer.error().text;
            break;
        }
        ++faults;
        // No step is one that may fail in silence.
        ASSERT_FALSE(answer) << at;
        EXPECT_EQ(answer.error().code, files.code) << at;
        EXPECT_EQ(summary(), "1.0.0") << at;
        EXPECT_EQ(engine->etag(false), "\"etag-1\"") << at;
        open();
        EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0")) << at;
        EXPECT_EQ(offer(maker.zip(2), "\"2\"").bundles.at(0).accepted, true) << at;
        EXPECT_EQ(summary(), "1.0.0, staged 1.1.0") << at;
        EXPECT_TRUE(engine->load(*record().staged)) << at;
        EXPECT_EQ(engine->etag(false), "\"2\"") << at;
    }
    EXPECT_GE(faults * k_step, 20) << "or this test has found nothing to break";
}

TEST_F(ADamagedStore, starts_whatever_its_folder_does_at_opening) {
    install("1.0.0");
    for (int at = 1; at <= 12; ++at) {
        engine.reset();
        overwrite(setup.folder + "/blobs/" + std::string(64, 'c'), "garbage");
        files.calls = 0;
        files.fail_at = at;
        auto opened = UpdateEngine::open(setup);
        files.fail_at = 0;
        ASSERT_TRUE(opened) << at << opened.error().text;
        engine = std::move(opened).value();
        EXPECT_THAT(started(), ElementsAre("acme_scale 1.0.0")) << at;
    }
}

}  // namespace
}  // namespace backplane::core::testing
