// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "logs/log_level_page.hpp"
#include "logs/log_text_page.hpp"

namespace backplane::sync::test {
namespace {

namespace json = boost::json;
using core::LogLevel;
using testing::HasSubstr;

class TheLogLevelPage : public testing::Test {
protected:
    ~TheLogLevelPage() override {
        core::set_log_level(LogLevel::info);
        for (const char* name : {"lp_scale", "lp_serial", "odoo"}) core::clear_log_level(name);
    }
    std::string update(std::string_view name, const json::value& value) {
        const json::object answer =
            update_log_level(levels, page, name, value, [this](bool on) { switched = on; });
        if (answer.at("status").as_string() == "success") return "ok";
        return std::string(answer.at("message").as_string());
    }
    boost::asio::io_context loop;
    core::LogLevels levels{{.loop = loop, .file = {}, .level = LogLevel::info, .components = {}}};
    LogLevelPage page{"https://shop.example.com", true, {"lp_scale"}, {"lp_serial"}};
    std::optional<bool> switched;
};

TEST_F(TheLogLevelPage, has_all_that_the_page_reads) {
    const json::object answer = log_levels_answer(levels, page);
    EXPECT_EQ(json::value(answer), json::parse(R"({
        "title": "Log level", "breadcrumb": "Log level",
        "drivers_list": ["lp_scale"], "interfaces_list": ["lp_serial"],
        "server": "https://shop.example.com", "is_log_to_server_activated": true,
        "root_logger_log_level": "info", "odoo_current_log_level": "info",
        "recommended_log_level": "warning",
        "available_log_levels": ["debug", "info", "warning", "error"],
        "drivers_logger_info": {"lp_scale": {"level": "info", "is_using_parent_level": true,
            "parent_name": "root", "parent_level": "info"}},
        "interfaces_logger_info": {"lp_serial": {"level": "info", "is_using_parent_level": true,
            "parent_name": "root", "parent_level": "info"}}})"));
}

TEST_F(TheLogLevelPage, sets_the_level_of_a_plug_in_and_lets_it_follow_again) {
    EXPECT_EQ(update("iot-logging-driver-lp_scale", "debug"), "ok");
    EXPECT_EQ(core::log_level("lp_scale"), LogLevel::debug);
    EXPECT_TRUE(levels.entry("lp_scale").until);
    const auto answer = log_levels_answer(levels, page);
    EXPECT_EQ(answer.at("drivers_logger_info").at("lp_scale").at("is_using_parent_level"), false);
    EXPECT_EQ(update("iot-logging-driver-lp_scale", "parent"), "ok");
    EXPECT_EQ(core::log_level("lp_scale"), LogLevel::info);
    EXPECT_EQ(update("iot-logging-interface-lp_serial", "error"), "ok");
    EXPECT_EQ(core::log_level("lp_serial"), LogLevel::error);
}

TEST_F(TheLogLevelPage, sets_the_level_of_everything_and_of_what_speaks_to_the_server) {
    EXPECT_EQ(update("iot-logging-root", "debug"), "ok");
    EXPECT_EQ(core::log_level("anything"), LogLevel::debug);
    EXPECT_EQ(update("iot-logging-odoo", "warning"), "ok");
    EXPECT_EQ(core::log_level("odoo"), LogLevel::warning);
    EXPECT_EQ(log_levels_answer(levels, page).at("root_logger_log_level"), "debug");
}

TEST_F(TheLogLevelPage, switches_sending_to_the_server) {
    EXPECT_EQ(update("log-to-server", false), "ok");
    EXPECT_EQ(switched, false);
    EXPECT_EQ(update("log-to-server", true), "ok");
    EXPECT_EQ(switched, true);
    EXPECT_THAT(update("log-to-server", "yes"), HasSubstr("with true or false"));
}

TEST_F(TheLogLevelPage, refuses_names_and_levels_that_it_does_not_have) {
    const std::string nobody =
        "this box has no log of this name: reload the page to see what it has";
    for (const char* const name :
         {"", "root", "iot-logging-", "iot-logging-other", "iot-logging-driver-",
          "iot-logging-driver-x", "iot-logging-driver-lp_serial", "iot-logging-interface-lp_scale",
          "werkzeug"})
        EXPECT_EQ(update(name, "debug"), nobody) << name;
    const std::string no_level = "this is no log level: give debug, info, warning or error";
    EXPECT_EQ(update("iot-logging-root", "parent"), no_level);
    EXPECT_EQ(update("iot-logging-root", "critical"), no_level);
    EXPECT_EQ(update("iot-logging-driver-lp_scale", nullptr), no_level);
    EXPECT_EQ(update("iot-logging-driver-lp_scale", 10), no_level);
    EXPECT_EQ(levels.list().size(), 1u);
}

TEST(TheLogAsText, has_a_line_for_each_record) {
    core::LogRecord record;
    record.time =
        std::chrono::system_clock::time_point{std::chrono::milliseconds{1'763'793'000'007}};
    record.level = LogLevel::warning;
    record.component = "serial";
    record.event = "port.busy";
    record.fields = {{"port", "/dev/ttyUSB0"}};
    EXPECT_EQ(log_line(record),
              "2025-11-22 06:30:00,007 warning serial: port.busy port=/dev/ttyUSB0");
    const auto answer = log_text_answer({record, record});
    EXPECT_EQ(answer.at("status"), "success");
    EXPECT_EQ(answer.at("logs").as_string(), log_line(record) + "\n" + log_line(record) + "\n");
    EXPECT_EQ(log_text_answer({}).at("logs"), "");
}

TEST(TheLogAsText, is_cut_at_its_beginning_between_lines) {
    std::vector<core::LogRecord> records(10);
    for (std::size_t i = 0; i < records.size(); ++i) records[i].event = "e" + std::to_string(i);
    const std::size_t line = log_line(records[0]).size() + 1;
    const auto answer = log_text_answer(records, 3 * line + line / 2);
    const std::string text{answer.at("logs").as_string()};
    EXPECT_EQ(text.size(), 3 * line);
    EXPECT_THAT(text, testing::AllOf(HasSubstr("e7\n"), HasSubstr("e9\n")));
}

}  // namespace
}  // namespace backplane::sync::test
