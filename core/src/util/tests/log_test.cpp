// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "util/log_book.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using namespace std::chrono_literals;

class ALogBook : public testing::Test {
protected:
    static LogBook::Limits limits() {
        LogBook::Limits limits;
        limits.records = 100;
        return limits;
    }
    std::vector<std::string> texts() {
        std::vector<std::string> texts;
        for (const LogRecord& record : book.recent(0, 5000)) texts.push_back(record.text());
        return texts;
    }

    std::chrono::steady_clock::time_point now{std::chrono::hours{1}};
    LogBook book{limits(), [this] { return now; }};
};

TEST_F(ALogBook, keeps_one_line_per_record_whatever_the_values_contain) {
    const std::string nasty = "a\r\n<3>forged\x1b[2J\tb\x7f\xc2\x85\xe2\x80\xae\xff";
    book.write(LogLevel::info, "scale", "device.said", {{"answer", nasty}});
    ASSERT_EQ(texts().size(), 1u);
    EXPECT_EQ(texts()[0],
              "device.said answer=a\\r\\n<3>forged\\x1b[2J\\tb\\x7f\\x85\\u202e\xEF\xBF\xBD");
}

TEST_F(ALogBook, keeps_the_names_of_a_hostile_plug_in_on_one_line_too) {
    book.write(LogLevel::info, "a\nb", "c\nd", {{"e\nf", "g"}});
    const LogRecord record = book.recent(0, 1).at(0);
    EXPECT_EQ(record.component, "a\\nb");
    EXPECT_EQ(record.text(), "c\\nd e\\nf=g");
}

TEST_F(ALogBook, cuts_a_value_at_4_kib_between_characters) {
    std::string huge;
    for (int i = 0; i < 3000; ++i) huge += "\xE2\x82\xAC";
    book.write(LogLevel::info, "scale", "device.said", {{"answer", huge}});
    const std::string kept = book.recent(0, 1).at(0).fields.at(0).second;
    EXPECT_LE(kept.size(), 4096u);
    EXPECT_GT(kept.size(), 4080u);
    EXPECT_EQ(first_invalid_utf8(kept), std::string::npos);
    EXPECT_TRUE(kept.ends_with("\xE2\x80\xA6"));
}

TEST_F(ALogBook, never_shows_a_secret) {
    book.write(LogLevel::info, "sync", "paired",
               {{"token", "t1"},
                {"Password", "p1"},
                {"client_secret", "s1"},
                {"api-key", "k1"},
                {"receipt", "r1"},
                {"keyboard", "de"},
                {"tokens_left", "3"}});
    EXPECT_THAT(texts(), ElementsAre("paired token=*** Password=*** client_secret=*** api-key=*** "
                                     "receipt=\"(2 bytes left out)\" keyboard=de tokens_left=3"));
}

TEST_F(ALogBook, quotes_values_so_that_a_reader_can_take_them_apart) {
    book.write(LogLevel::info, "c", "e",
               {{"empty", ""},
                {"words", "two words"},
                {"pair", "a=b"},
                {"quote", "say \"hi\""},
                {"slash", "a\\nb"}});
    EXPECT_THAT(
        texts(),
        ElementsAre(R"(e empty="" words="two words" pair="a=b" quote="say \"hi\"" slash="a\\nb")"));
}

TEST_F(ALogBook, forgets_the_oldest_records_first) {
    for (int i = 0; i < 250; ++i) book.write(LogLevel::info, "c", "e", {{"i", std::to_string(i)}});
    const auto records = book.recent(0, 5000);
    ASSERT_EQ(records.size(), 100u);
    EXPECT_EQ(records.front().seq, 151u);
    EXPECT_EQ(records.back().seq, 250u);
}

TEST_F(ALogBook, is_bounded_in_bytes_too) {
    LogBook::Limits small;
    small.bytes = 64u << 10;
    LogBook bounded{small, [this] { return now; }};
    for (int i = 0; i < 100; ++i) {
        bounded.write(LogLevel::info, "c", "e",
                      {{"i", std::to_string(i)}, {"blob", std::string(4000, 'x')}});
    }
    const auto records = bounded.recent(0, 5000);
    EXPECT_LT(records.size(), 17u);
    EXPECT_GT(records.size(), 10u);
    EXPECT_EQ(records.back().seq, 100u);
}

TEST_F(ALogBook, bounds_the_number_of_fields) {
    LogBook::Limits few;
    few.fields = 2;
    LogBook bounded{few, [this] { return now; }};
    bounded.write(LogLevel::info, "c", "e", {{"a", "1"}, {"b", "2"}, {"c", "3"}});
    EXPECT_THAT(bounded.recent(0, 1).at(0).fields, ElementsAre(Pair("a", "1"), Pair("b", "2")));
}

TEST_F(ALogBook, answers_the_newest_after_a_seq_oldest_first) {
    for (int i = 0; i < 10; ++i) book.write(LogLevel::info, "c", "e", {{"i", std::to_string(i)}});
    const auto records = book.recent(4, 3);
    ASSERT_EQ(records.size(), 3u);
    EXPECT_EQ(records.front().seq, 8u);
    EXPECT_EQ(records.back().seq, 10u);
    EXPECT_TRUE(book.recent(10, 3).empty());
    EXPECT_TRUE(book.recent(1000, 3).empty());
    EXPECT_TRUE(book.recent(0, 0).empty());
}

TEST_F(ALogBook, counts_repeats_and_says_how_many_when_the_second_is_over) {
    for (int i = 0; i < 1000; ++i)
        book.write(LogLevel::warning, "serial", "port.busy", {{"port", "ttyUSB0"}});
    EXPECT_THAT(texts(), ElementsAre("port.busy port=ttyUSB0"));
    now += 1s;
    EXPECT_THAT(texts(), ElementsAre("port.busy port=ttyUSB0",
                                     "port.busy port=ttyUSB0 repeated=\"999 times\""));
}

TEST_F(ALogBook, writes_a_repeat_in_full_again_after_a_second) {
    book.write(LogLevel::warning, "serial", "port.busy", {});
    now += 1s;
    book.write(LogLevel::warning, "serial", "port.busy", {});
    EXPECT_THAT(texts(), ElementsAre("port.busy", "port.busy"));
}

TEST_F(ALogBook, counts_repeats_that_alternate_with_others) {
    for (int i = 0; i < 10; ++i) {
        book.write(LogLevel::info, "c", "up", {});
        book.write(LogLevel::info, "c", "down", {});
    }
    book.flush_repeats();
    EXPECT_THAT(texts(),
                ElementsAre("up", "down", "up repeated=\"9 times\"", "down repeated=\"9 times\""));
}

TEST_F(ALogBook, takes_records_that_differ_in_anything_for_different) {
    book.write(LogLevel::info, "c", "e", {{"a", "1"}});
    book.write(LogLevel::error, "c", "e", {{"a", "1"}});
    book.write(LogLevel::info, "d", "e", {{"a", "1"}});
    book.write(LogLevel::info, "c", "f", {{"a", "1"}});
    book.write(LogLevel::info, "c", "e", {{"a", "2"}});
    book.write(LogLevel::info, "c", "e", {});
    EXPECT_EQ(texts().size(), 6u);
}

TEST_F(ALogBook, loses_no_count_when_it_watches_too_many_different_records) {
    LogBook::Limits few = limits();
    few.watched_repeats = 2;
    LogBook bounded{few, [this] { return now; }};
    bounded.write(LogLevel::info, "c", "a", {});
    bounded.write(LogLevel::info, "c", "a", {});
    bounded.write(LogLevel::info, "c", "b", {});
    bounded.write(LogLevel::info, "c", "d", {});
    const auto records = bounded.recent(0, 10);
    ASSERT_EQ(records.size(), 4u);
    EXPECT_EQ(records[2].text(), "a repeated=\"1 time\"");
}

TEST_F(ALogBook, has_a_level_per_component) {
    EXPECT_TRUE(book.enabled(LogLevel::info, "http"));
    EXPECT_FALSE(book.enabled(LogLevel::debug, "http"));
    book.set_level("http", LogLevel::debug);
    book.set_level("noisy", LogLevel::error);
    EXPECT_TRUE(book.enabled(LogLevel::debug, "http"));
    EXPECT_FALSE(book.enabled(LogLevel::debug, "registry"));
    EXPECT_FALSE(book.enabled(LogLevel::warning, "noisy"));
    book.set_level(LogLevel::error);
    EXPECT_TRUE(book.enabled(LogLevel::debug, "http"));
    EXPECT_FALSE(book.enabled(LogLevel::warning, "registry"));
    EXPECT_EQ(book.level("http"), LogLevel::debug);
}

TEST_F(ALogBook, bounds_the_number_of_component_levels) {
    for (int i = 0; i < 1500; ++i) book.set_level("c" + std::to_string(i), LogLevel::debug);
    EXPECT_TRUE(book.enabled(LogLevel::debug, "c999"));
    EXPECT_FALSE(book.enabled(LogLevel::debug, "c1000"));
}

TEST_F(ALogBook, gives_each_record_of_many_threads_a_number_of_its_own) {
    LogBook many;
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&many, t] {
            for (int i = 0; i < 500; ++i) {
                many.write(LogLevel::info, "t" + std::to_string(t), "e",
                           {{"i", std::to_string(i)}});
                if (i % 100 == 0) many.set_level("t" + std::to_string(t), LogLevel::debug);
                if (i % 50 == 0) (void)many.recent(0, 10);
            }
        });
    }
    threads.clear();
    const auto records = many.recent(0, 5000);
    ASSERT_EQ(records.size(), 2000u);
    for (std::size_t i = 0; i < records.size(); ++i) EXPECT_EQ(records[i].seq, i + 1);
}

TEST(TheLog, writes_nothing_below_its_level_and_everything_above) {
    const auto last = [] {
        const auto records = recent_logs(0, 1);
        return records.empty() ? 0 : records.back().seq;
    };
    const std::uint64_t before = last();
    log_debug("log-test", "off");
    EXPECT_EQ(last(), before);
    set_log_level("log-test", LogLevel::debug);
    EXPECT_EQ(log_level("log-test"), LogLevel::debug);
    log_debug("log-test", "on", {{"a", "b"}});
    ASSERT_EQ(last(), before + 1);
    EXPECT_EQ(recent_logs(before).at(0).text(), "on a=b");
    EXPECT_FALSE(log_enabled(LogLevel::debug, "another"));
}

TEST(TheLog, gives_journald_the_priority_of_each_line) {
    testing::internal::CaptureStderr();
    log_to_stderr(true);
    log_error("log-test", "lost", {{"what", "a\nb"}});
    log_warning("log-test", "handled");
    log_info("log-test", "noted {} %s");
    log_to_stderr(false);
    log_info("log-test", "unseen");
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "<3>[log-test] lost what=a\\nb\n<4>[log-test] handled\n<6>[log-test] noted {} %s\n");
}

TEST(TheLog, knows_its_levels_by_name) {
    LogLevel level{};
    EXPECT_TRUE(parse_log_level("warning", level));
    EXPECT_EQ(level, LogLevel::warning);
    EXPECT_FALSE(parse_log_level("Warning", level));
    EXPECT_FALSE(parse_log_level("", level));
    EXPECT_EQ(level, LogLevel::warning);
}

TEST(Utf8, refuses_what_rfc_3629_refuses) {
    for (const char* bad :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\xC3\x28", "\xFF"}) {
        EXPECT_EQ(utf8_sequence_length(bad), 0u) << testing::PrintToString(bad);
    }
    EXPECT_EQ(utf8_sequence_length("\xF0\x9F\x98\x80"), 4u);
    EXPECT_EQ(utf8_length("a\xC3\xA9\xE2\x82\xAC\xFF"), 4u);
    EXPECT_EQ(first_invalid_utf8("a\xC3\xA9\xFF"), 3u);
}

TEST(Utf8, never_grows_beyond_its_bound) {
    const std::string text = "\x01\xFF\xE2\x82\xAC xyz";
    for (std::size_t most = 0; most < 20; ++most) {
        EXPECT_LE(to_printable(text, most).size(), most);
        EXPECT_LE(to_valid_utf8(text, most).size(), most);
        EXPECT_EQ(first_invalid_utf8(to_printable(text, most)), std::string::npos);
    }
    EXPECT_EQ(to_printable("abc", 3), "abc");
    EXPECT_EQ(to_printable("abcdef", 5), "ab\xE2\x80\xA6");
}

}  // namespace
}  // namespace backplane::core
