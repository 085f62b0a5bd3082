// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/log_levels.hpp"

#include <boost/asio/io_context.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "log/log_levels_file.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// Levels of the process, on clocks that go when they are told to. Names begin with "ll-", so that no other component of
/// this process is meant.
class ChangedLevels : public testing::Test {
protected:
    ChangedLevels() { start(); }
    ~ChangedLevels() override {
        levels.reset();
        set_log_level(LogLevel::info);
        for (const char* name : {"ll-http", "ll-scale", "ll-quiet"}) clear_log_level(name);
    }
    void start() {
        LogLevels::Setup setup{loop,
                               (folder / "log-levels.json").string(),
                               LogLevel::warning,
                               {{"ll-quiet", LogLevel::error}}};
        setup.steady = [this] { return steady; };
        setup.wall = [this] { return wall; };
        levels = std::make_unique<LogLevels>(std::move(setup));
    }
    /// The box was off for `off`; the monotonic clock begins anew.
    void restart(std::chrono::seconds off) {
        levels.reset();
        wall += off;
        steady = std::chrono::steady_clock::time_point{1000h};
        start();
    }
    void pass(std::chrono::seconds time) {
        steady += time;
        wall += time;
        levels->end_what_is_over();
    }
    std::string content() const {
        std::ifstream file{folder / "log-levels.json"};
        std::ostringstream out;
        out << file.rdbuf();
        return out.str();
    }

    boost::asio::io_context loop;
    backplane::tests::TemporaryFolder folder;
    std::chrono::steady_clock::time_point steady{1000h};
    std::chrono::system_clock::time_point wall{490'000h};
    std::unique_ptr<LogLevels> levels;
};

TEST_F(ChangedLevels, begin_with_those_of_the_configuration) {
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
    EXPECT_EQ(log_level("ll-quiet"), LogLevel::error);
    const auto all = levels->list();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].component, "");
    EXPECT_EQ(all[0].configured, LogLevel::warning);
    EXPECT_FALSE(all[0].until);
    EXPECT_EQ(all[1].component, "ll-quiet");
}

TEST_F(ChangedLevels, end_by_themselves_after_seven_days) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    EXPECT_EQ(levels->entry("ll-http").until, wall + 7 * 24h);
    pass(7 * 24h - 1s);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    pass(1s);
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
    EXPECT_EQ(levels->list().size(), 2u);
}

TEST_F(ChangedLevels, fall_back_to_what_the_configuration_says_of_this_component) {
    ASSERT_TRUE(levels->set("ll-quiet", LogLevel::debug, 60s));
    ASSERT_TRUE(levels->set("", LogLevel::debug, 120s));
    EXPECT_EQ(log_level("ll-other"), LogLevel::debug);
    pass(60s);
    EXPECT_EQ(log_level("ll-quiet"), LogLevel::error);
    EXPECT_EQ(log_level("ll-other"), LogLevel::debug);
    pass(60s);
    EXPECT_EQ(log_level("ll-other"), LogLevel::warning);
}

TEST_F(ChangedLevels, can_be_taken_back) {
    ASSERT_TRUE(levels->set("ll-scale", LogLevel::debug));
    levels->clear("ll-scale");
    levels->clear("never-set");
    EXPECT_EQ(log_level("ll-scale"), LogLevel::warning);
    EXPECT_EQ(levels->entry("ll-scale").until, std::nullopt);
}

TEST_F(ChangedLevels, tell_who_listens_until_they_do_not) {
    int told = 0;
    auto listening = levels->on_change([&] { ++told; });
    ASSERT_TRUE(levels->set("ll-scale", LogLevel::debug, 10s));
    levels->clear("ll-http");
    EXPECT_EQ(told, 1);
    pass(10s);
    EXPECT_EQ(told, 2);
    listening.reset();
    ASSERT_TRUE(levels->set("ll-scale", LogLevel::debug, 10s));
    EXPECT_EQ(told, 2);
}

TEST_F(ChangedLevels, allow_a_listener_that_goes_while_it_is_told) {
    Subscription listening;
    int told = 0;
    listening = levels->on_change([&] {
        ++told;
        listening.reset();
    });
    ASSERT_TRUE(levels->set("ll-scale", LogLevel::debug));
    levels->clear("ll-scale");
    EXPECT_EQ(told, 1);
}

TEST_F(ChangedLevels, survive_a_restart_with_the_time_that_is_left) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    pass(24h);
    restart(24h);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    EXPECT_EQ(levels->entry("ll-http").until, wall + 5 * 24h);
    pass(5 * 24h);
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
}

TEST_F(ChangedLevels, are_not_ended_by_a_clock_that_is_ten_years_ahead_at_the_start) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    const auto right = wall;
    restart(10 * 365 * 24h);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    pass(60s);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    wall = right + 2min;  // the network has set it
    pass(60s);
    EXPECT_EQ(levels->entry("ll-http").until, right + 7 * 24h);
    pass(2h);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
}

TEST_F(ChangedLevels, end_an_hour_after_a_start_when_they_were_really_over) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    restart(8 * 24h);
    pass(59min);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    pass(1min);
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
}

TEST_F(ChangedLevels, are_not_kept_for_ever_by_a_clock_that_always_goes_back) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug, 24h));
    int restarts = 0;
    while (log_level("ll-http") == LogLevel::debug && restarts < 1000) {
        restart(-1h);
        pass(1s);
        ++restarts;
    }
    EXPECT_GT(restarts, 100);
    EXPECT_LT(restarts, 200);
}

TEST_F(ChangedLevels, do_not_mind_a_clock_that_jumps_while_the_box_runs) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    wall += 24h * 3650;
    pass(1s);
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    wall -= 24h * 7300;
    pass(7 * 24h);
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
}

TEST_F(ChangedLevels, refuse_names_and_times_that_make_no_sense) {
    const auto name = levels->set("two words", LogLevel::debug);
    ASSERT_FALSE(name);
    EXPECT_EQ(name.error().code, "logs.component");
    EXPECT_THAT(name.error().text, HasSubstr("at most 128 letters"));
    EXPECT_FALSE(levels->set(std::string(129, 'a'), LogLevel::debug));
    for (const auto time : {0s, -5s, std::chrono::seconds{31 * 24h}}) {
        const auto result = levels->set("ll-http", LogLevel::debug, time);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, "logs.time");
    }
    EXPECT_EQ(log_level("ll-http"), LogLevel::warning);
}

TEST_F(ChangedLevels, are_bounded_in_number) {
    for (int i = 0; i < 200; ++i)
        ASSERT_TRUE(levels->set("ll-n" + std::to_string(i), LogLevel::debug));
    const auto result = levels->set("ll-one-more", LogLevel::debug);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "logs.too_many");
    EXPECT_TRUE(levels->set("ll-n7", LogLevel::info));
    for (int i = 0; i < 200; ++i) levels->clear("ll-n" + std::to_string(i));
}

TEST_F(ChangedLevels, are_on_the_disk_for_the_box_alone) {
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug, 60s));
    ASSERT_TRUE(levels->flush(20s));
    EXPECT_THAT(content(), HasSubstr(R"({"component":"ll-http","level":"debug","left_s":60})"));
    struct stat info {};
    ASSERT_EQ(::stat((folder / "log-levels.json").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    levels->clear("ll-http");
    ASSERT_TRUE(levels->flush(20s));
    EXPECT_THAT(content(), HasSubstr(R"("levels":[])"));
}

TEST_F(ChangedLevels, say_that_a_damaged_file_is_not_used_and_replace_it) {
    levels.reset();
    for (const char* const text :
         {"", "{", "[]", R"({"saved":"x","levels":[]})", R"({"saved":1,"levels":{}})"}) {
        std::ofstream{folder / "log-levels.json"} << text;
        start();
        EXPECT_THAT(levels->problem(), HasSubstr("changed log levels were forgotten: cannot read"))
            << text;
        ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
        levels.reset();
        start();
        EXPECT_EQ(levels->problem(), "");
        EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
        levels->clear("ll-http");
        levels.reset();
    }
    start();
}

TEST_F(ChangedLevels, leave_out_entries_of_the_file_that_make_no_sense) {
    const auto read = parse_levels(
        R"({"saved":9223372036854775807,"levels":[7,{"component":"a"},
            {"component":"b","level":"loud","left_s":5},{"component":"c","level":"debug","left_s":-1},
            {"component":"d","level":"debug","left_s":9223372036854775807}]})");
    ASSERT_TRUE(read);
    ASSERT_EQ(read->levels.size(), 1u);
    EXPECT_EQ(read->levels[0].component, "d");
    EXPECT_EQ(read->levels[0].left, 30 * 24h);
}

TEST_F(ChangedLevels, work_and_say_so_when_nothing_can_be_written) {
    levels.reset();
    fs::remove_all(folder.path());
    start();
    ASSERT_TRUE(levels->set("ll-http", LogLevel::debug));
    EXPECT_FALSE(levels->flush(20s));
    EXPECT_EQ(log_level("ll-http"), LogLevel::debug);
    EXPECT_THAT(levels->problem(), HasSubstr("are not kept over a restart: cannot create"));
}

}  // namespace
}  // namespace backplane::core
