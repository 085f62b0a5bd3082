// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Each call to the disk that an update makes fails once: with an error, for want of room, or because power is gone.
#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <utility>

#include "backplane/core/database.hpp"
#include "crash/judge.hpp"

namespace backplane::crash {
namespace {

using Fault = ModelDisk::Fault;

class AnUpdate : public ::testing::Test {
protected:
    AnUpdate() {
        ModelDisk disk{empty_disk()};
        ModelBox model{publisher_, disk};
        for (const Step& step : update_steps()) {
            before_.push_back(disk.seen());
            const auto done = step.act(model.box);
            if (!done) throw std::runtime_error{step.name + ": " + done.error().text};
        }
    }

    /// On the disk as it was before a step, with that step's call number `at` failing. False: it has no such call.
    template <typename Then>
    bool inject(std::size_t step, Fault fault, std::size_t at, Then&& then) {
        ModelDisk disk{before_[step]};
        ModelBox model{publisher_, disk};
        if (step > 0) {
            const auto opened = model.box.open();
            EXPECT_TRUE(opened) << opened.error().text;
        }
        disk.fail(fault, at);
        const auto done = update_steps()[step].act(model.box);
        const bool happened = disk.fault_happened();
        if (!happened) {
            EXPECT_TRUE(done) << done.error().text;
            return false;
        }
        ++injected_;
        then(disk, model.box, done.has_value());
        return true;
    }

    /// How many steps the box has made, of which `step` was being made; nothing: neither state is there.
    static std::optional<std::size_t> steps_made(const Box& box, std::size_t step, bool succeeded) {
        const std::string now = box.summary();
        // A step that changes nothing looks the same before and after: it is made again.
        if (!succeeded && now == summary_after(step)) return step;
        if (now == summary_after(step + 1)) return step + 1;
        ADD_FAILURE() << (succeeded ? "it said that it was done, but found is " : "found is ")
                      << now << "\nexpected " << summary_after(step) << "\nor       "
                      << summary_after(step + 1);
        return std::nullopt;
    }

    /// From here to the end; from the same disk only once.
    void finish(ModelDisk& disk, Box& box, std::size_t from) {
        const auto first =
            from < update_steps().size() ? update_steps()[from].act(box) : core::Result<void>{};
        ASSERT_TRUE(first) << "again: " << first.error().text;
        const std::size_t made = std::min(from + 1, update_steps().size());
        ASSERT_EQ(box.summary(), summary_after(made)) << "again";
        box.close();
        if (!finished_.emplace(disk.seen().hash(), made).second) return;
        const auto opened = box.open();
        ASSERT_TRUE(opened) << opened.error().text;
        const auto done = go_on(box, made);
        ASSERT_TRUE(done) << done.error().text;
        ASSERT_EQ(box.summary(), summary_after(update_steps().size()));
        const auto reopened = box.open();
        ASSERT_TRUE(reopened) << reopened.error().text;
        ASSERT_EQ(box.problems(), std::vector<std::string>{});
    }

    void every_call_fails(Fault fault) {
        for (std::size_t step = 0; step < update_steps().size(); ++step) {
            for (const bool restart : {false, true}) {
                for (std::size_t at = 1;; ++at) {
                    SCOPED_TRACE("step \"" + update_steps()[step].name + "\", call " +
                                 std::to_string(at) + (restart ? ", then a restart" : ""));
                    const bool more =
                        inject(step, fault, at, [&](ModelDisk& disk, Box& box, bool succeeded) {
                            disk.heal();
                            if (restart) box.close();
                            if (!box.is_open()) {
                                const auto opened = box.open();
                                ASSERT_TRUE(opened) << opened.error().text;
                                ASSERT_TRUE(box.engine().repairs().empty())
                                    << box.engine().repairs().front();
                            }
                            const auto made = steps_made(box, step, succeeded);
                            if (made) finish(disk, box, *made);
                        });
                    if (!more || HasFailure()) break;
                }
                if (HasFailure()) return;
            }
        }
        std::cout << injected_ << " faults\n";
    }

    const Publisher publisher_;
    std::vector<DiskImage> before_;  ///< each step
    std::size_t injected_ = 0;
    std::set<std::pair<std::uint64_t, std::size_t>> finished_;
};

TEST_F(AnUpdate, is_whole_after_an_error_of_the_disk_at_any_call_and_succeeds_then) {
    every_call_fails(Fault::io);
    EXPECT_GE(injected_, 240u);
}

TEST_F(AnUpdate, is_whole_after_a_full_disk_at_any_call_and_succeeds_then) {
    every_call_fails(Fault::full);
    EXPECT_GE(injected_, 240u);
}

TEST_F(AnUpdate, is_whole_when_power_goes_at_any_call_and_succeeds_then) {
    Judge judge{publisher_, Judge::Retry::yes};
    for (std::size_t step = 0; step < update_steps().size(); ++step) {
        for (std::size_t at = 1;; ++at) {
            SCOPED_TRACE("step \"" + update_steps()[step].name + "\", call " + std::to_string(at));
            const bool more =
                inject(step, Fault::power, at, [&](ModelDisk& disk, Box& box, bool succeeded) {
                    EXPECT_FALSE(succeeded && update_steps()[step].then != summary_after(step))
                        << "without power nothing can be done";
                    box.close();
                    Enumeration how;
                    how.model = Model::ordered;
                    how.first = disk.recording().log.size();
                    for_each_crash_state(disk.recording(), how, [&](CrashState state) {
                        state.reported = step;
                        const auto wrong = judge.judge(state);
                        EXPECT_FALSE(wrong) << *wrong << '\n' << state.text();
                        return !wrong;
                    });
                });
            if (!more || HasFailure()) break;
        }
        if (HasFailure()) return;
    }
    std::cout << injected_ << " cuts, " << judge.states() << " states\n";
    EXPECT_GE(injected_, 240u);
}

// SQLite's own check reports a page that it could not read like one that is damaged. A box that believed it put its
// record of updates aside, and with it what was in quarantine, for one error of its card.
TEST(ARecordOfUpdates, is_not_called_damaged_for_one_read_that_failed) {
    const std::string path = "/box/state.db";
    ModelDisk made{empty_disk()};
    {
        const ModelVfs vfs{made};
        auto database = core::Database::open(path, core::Database::Mode::read_write, vfs.name());
        ASSERT_TRUE(database) << database.error().text;
        ASSERT_TRUE(
            database->execute("CREATE TABLE a (b TEXT PRIMARY KEY); INSERT INTO a VALUES "
                              "('c'), ('d')"));
    }
    std::size_t failed = 0;
    for (std::size_t at = 1;; ++at) {
        ModelDisk disk{made.seen()};
        const ModelVfs vfs{disk};
        auto database = core::Database::open(path, core::Database::Mode::read_write, vfs.name());
        ASSERT_TRUE(database) << database.error().text;
        disk.fail(Fault::io, at);
        const auto sound = database->check();
        if (!disk.fault_happened()) break;
        ++failed;
        EXPECT_TRUE(sound || sound.error().code == "store.unavailable") << sound.error().text;
    }
    EXPECT_GE(failed, 2u);
}

}  // namespace
}  // namespace backplane::crash
