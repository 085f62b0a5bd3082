// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "backplane/core/config.hpp"

namespace backplane::core {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

class PluginSettingsCheck : public testing::Test {
protected:
    static json::object object(const std::string& text) {
        json::parse_options options;
        options.max_depth = 100;
        return json::parse(text, {}, options).as_object();
    }

    Result<json::object> check(const std::string& schema, const std::string& values) {
        PluginSettings settings;
        settings.values = object(values);
        settings.origin = {"backplane.yaml", 10};
        int line = 11;
        for (const auto& member : settings.values)
            settings.origins[std::string{member.key()}] = {"backplane.yaml", line++};
        return check_settings(object(schema), settings, "driver toledo8217");
    }
    std::string error_of(const std::string& schema, const std::string& values) {
        const auto result = check(schema, values);
        return result ? "no error: " + json::serialize(result.value()) : result.error().text;
    }
    std::string property(const std::string& schema) {
        return R"({"type":"object","properties":{"a":)" + schema + "}}";
    }
};

TEST_F(PluginSettingsCheck, names_file_line_and_subject_of_an_unknown_setting) {
    const std::string schema =
        R"({"type":"object","properties":{"poll":{"type":"string"},"baud":{"type":"integer"}}})";
    EXPECT_EQ(
        error_of(schema, R"({"poll":"x","bauds":1})"),
        "backplane.yaml:12: driver toledo8217: bauds: unknown setting: did you mean \"baud\"?");
    EXPECT_EQ(check(schema, R"({"bauds":1})").error().code, "config.unknown_key");
    EXPECT_EQ(error_of("{}", R"({"bauds":1})"),
              "backplane.yaml:11: driver toledo8217: bauds: unknown setting: there are none here");
}

TEST_F(PluginSettingsCheck, refuses_the_wrong_type_with_advice) {
    EXPECT_EQ(error_of(property(R"({"type":"integer"})"), R"({"a":"9600"})"),
              "backplane.yaml:11: driver toledo8217: a: \"9600\" is text, a whole number is "
              "needed: write it without quotes");
    EXPECT_THAT(error_of(property(R"({"type":"integer"})"), R"({"a":1.5})"),
                HasSubstr("1.5E0 is not a whole number: leave out the fraction"));
    EXPECT_THAT(error_of(property(R"({"type":"integer"})"), R"({"a":null})"),
                HasSubstr("nothing stands here"));
    EXPECT_THAT(error_of(property(R"({"type":"number"})"), R"({"a":true})"),
                HasSubstr("true stands here, a number is needed"));
    EXPECT_THAT(error_of(property(R"({"type":"string"})"), R"({"a":5})"),
                HasSubstr("5 is not text: put it in quotes"));
    EXPECT_THAT(error_of(property(R"({"type":"string"})"), R"({"a":[]})"),
                HasSubstr("a list stands here, text is needed"));
    EXPECT_THAT(error_of(property(R"({"type":"boolean"})"), R"({"a":"yes"})"),
                HasSubstr("\"yes\" is neither true nor false"));
    EXPECT_THAT(error_of(property(R"({"type":"array"})"), R"({"a":"x"})"),
                HasSubstr("a list such as [a, b] is needed"));
    EXPECT_THAT(error_of(property(R"({"type":"object"})"), R"({"a":"x"})"),
                HasSubstr("keys with values are needed"));
}

TEST_F(PluginSettingsCheck, refuses_values_out_of_range) {
    const std::string both = property(R"({"type":"integer","minimum":300,"maximum":115200})");
    EXPECT_THAT(error_of(both, R"({"a":299})"),
                HasSubstr("a: 299 is too small: give a whole number from 300 to 115200"));
    EXPECT_THAT(error_of(both, R"({"a":115201})"),
                HasSubstr("115201 is too large: give a whole number from 300 to 115200"));
    EXPECT_THAT(error_of(both, R"({"a":18446744073709551615})"), HasSubstr("is too large"));
    EXPECT_TRUE(check(both, R"({"a":300})"));
    EXPECT_TRUE(check(both, R"({"a":115200})"));
    EXPECT_THAT(error_of(property(R"({"type":"number","minimum":0.5})"), R"({"a":0})"),
                HasSubstr("0 is too small: give a number from 5E-1 on"));
    EXPECT_THAT(error_of(property(R"({"type":"number","maximum":-1})"), R"({"a":0})"),
                HasSubstr("0 is too large: give a number up to -1"));
    EXPECT_THAT(error_of(property(R"({"type":"string","minLength":2})"), R"({"a":"é"})"),
                HasSubstr("is too short: give at least 2 characters"));
    EXPECT_TRUE(check(property(R"({"type":"string","maxLength":2})"), R"({"a":"éé"})"));
    EXPECT_THAT(error_of(property(R"({"type":"string","maxLength":2})"), R"({"a":"abc"})"),
                HasSubstr("is too long: give at most 2 characters"));
    EXPECT_THAT(error_of(property(R"({"type":"array","maxItems":1,"items":{"type":"integer"}})"),
                         R"({"a":[1,2]})"),
                HasSubstr("has too many entries: give at most 1"));
    EXPECT_THAT(error_of(property(R"({"type":"array","minItems":1})"), R"({"a":[]})"),
                HasSubstr("has too few entries"));
}

TEST_F(PluginSettingsCheck, refuses_what_is_not_in_the_list_of_possible_values) {
    const std::string schema = property(R"({"type":"string","enum":["continuous","request"]})");
    EXPECT_EQ(error_of(schema, R"({"a":"continous"})"),
              "backplane.yaml:11: driver toledo8217: a: \"continous\" is not possible: did you "
              "mean \"continuous\"?");
    EXPECT_THAT(error_of(schema, R"({"a":"x"})"),
                HasSubstr("\"x\" is not possible: known here are continuous, request"));
    EXPECT_TRUE(check(property(R"({"type":"number","enum":[1,2.5]})"), R"({"a":1.0})"));
    EXPECT_THAT(error_of(property(R"({"type":"integer","enum":[1,2]})"), R"({"a":3})"),
                HasSubstr("3 is not possible: "));
}

TEST_F(PluginSettingsCheck, matches_patterns_anywhere_unless_anchored) {
    EXPECT_TRUE(check(property(R"({"type":"string","pattern":"b+"})"), R"({"a":"abbc"})"));
    EXPECT_THAT(
        error_of(property(R"({"type":"string","pattern":"^[0-9]{1,3}(\\.[0-9]{1,3}){3}$"})"),
                 R"({"a":"1.2.3"})"),
        HasSubstr("\"1.2.3\" does not have the right form: it must match "
                  "^[0-9]{1,3}(\\.[0-9]{1,3}){3}$"));
    EXPECT_TRUE(check(property(R"({"type":"string","pattern":"^[0-9]{1,3}(\\.[0-9]{1,3}){3}$"})"),
                      R"({"a":"10.20.30.40"})"));
}

TEST_F(PluginSettingsCheck, spends_a_bounded_time_and_stack_on_hostile_patterns) {
    const auto start = std::chrono::steady_clock::now();
    const std::string text(250, 'a');
    EXPECT_THAT(
        error_of(property(R"({"type":"string","pattern":"(a+)+$"})"), R"({"a":")" + text + "b\"}"),
        HasSubstr("does not have the right form"));
    EXPECT_THAT(error_of(property(R"({"type":"string","pattern":"^(a|a)*(a?a?a?){60}b$"})"),
                         R"({"a":")" + text + "\"}"),
                HasSubstr("does not have the right form"));
    EXPECT_THAT(
        error_of(property(R"({"type":"string","pattern":"((a{100}){100}){100}"})"), R"({"a":"a"})"),
        HasSubstr("repeats too much"));
    EXPECT_THAT(error_of(property(R"({"type":"string","pattern":"a{99999999999999999999}"})"),
                         R"({"a":"a"})"),
                HasSubstr("repeats too much"));
    EXPECT_THAT(error_of(property(R"({"type":"string","pattern":"(a)\\1"})"), R"({"a":"aa"})"),
                HasSubstr("not a regular expression that can be used"));
    EXPECT_THAT(error_of(property(R"({"type":"string","pattern":"(((("})"), R"({"a":"aa"})"),
                HasSubstr("not a regular expression that can be used"));
    EXPECT_THAT(
        error_of(property(R"({"type":"string","pattern":")" + std::string(257, 'a') + "\"}"),
                 R"({"a":"aa"})"),
        HasSubstr("at most 256 bytes"));
    EXPECT_THAT(error_of(property(R"({"type":"string","pattern":"a"})"),
                         R"({"a":")" + std::string(257, 'a') + "\"}"),
                HasSubstr("is too long: give at most 256 bytes"));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds{30});
}

TEST_F(PluginSettingsCheck, fills_in_the_defaults_on_every_level) {
    const std::string schema = R"({"type":"object","properties":{
        "baud":{"type":"integer","default":9600},
        "label":{"type":"object","properties":{"dpi":{"type":"integer","default":203},"cut":{"type":"boolean"}}},
        "proxy":{"type":"object","properties":{"host":{"type":"string"},"port":{"type":"integer","default":80}},"required":["host"]},
        "ports":{"type":"array","items":{"type":"object","properties":{"x":{"type":"integer","default":1}}},"default":[{}]}}})";
    const auto defaults = check(schema, "{}");
    ASSERT_TRUE(defaults) << defaults.error().text;
    EXPECT_EQ(defaults.value(), object(R"({"baud":9600,"label":{"dpi":203},"ports":[{"x":1}]})"));
    const auto given = check(
        schema, R"({"label":{"cut":true},"baud":300,"ports":[{"x":2},{}],"proxy":{"host":"h"}})");
    ASSERT_TRUE(given) << given.error().text;
    EXPECT_EQ(
        given.value(),
        object(
            R"({"baud":300,"label":{"cut":true,"dpi":203},"ports":[{"x":2},{"x":1}],"proxy":{"host":"h","port":80}})"));
}

TEST_F(PluginSettingsCheck, asks_for_what_is_required) {
    const std::string schema =
        R"({"type":"object","properties":{"host":{"type":"string"}},"required":["host"]})";
    EXPECT_EQ(error_of(schema, "{}"),
              "backplane.yaml:10: driver toledo8217: the setting \"host\" is missing: add it");
    EXPECT_EQ(check(schema, "{}").error().code, "config.missing_key");
    EXPECT_TRUE(check(
        R"({"type":"object","properties":{"host":{"type":"string","default":"h"}},"required":["host"]})",
        "{}"));
}

TEST_F(PluginSettingsCheck, takes_other_settings_only_where_the_schema_says_so) {
    EXPECT_TRUE(check(R"({"type":"object","additionalProperties":true})", R"({"x":[1]})"));
    EXPECT_TRUE(
        check(R"({"type":"object","additionalProperties":{"type":"integer"}})", R"({"x":1})"));
    EXPECT_THAT(
        error_of(R"({"type":"object","additionalProperties":{"type":"integer"}})", R"({"x":"y"})"),
        HasSubstr("x: \"y\" is text"));
    EXPECT_THAT(error_of(R"({"type":"object","additionalProperties":false})", R"({"x":1})"),
                HasSubstr("unknown setting"));
}

TEST_F(PluginSettingsCheck, names_the_place_inside_lists_and_groups) {
    const std::string schema = property(
        R"({"type":"array","items":{"type":"object","properties":{"b":{"type":"integer"}}}})");
    EXPECT_EQ(error_of(schema, R"({"a":[{"b":1},{"b":"x"}]})"),
              "backplane.yaml:11: driver toledo8217: a[1].b: \"x\" is text, a whole number is "
              "needed: write it without quotes");
}

TEST_F(PluginSettingsCheck, turns_whole_numbers_written_as_fractions_into_whole_numbers) {
    const auto result = check(property(R"({"type":"integer"})"), R"({"a":5.0})");
    ASSERT_TRUE(result);
    EXPECT_TRUE(result.value().at("a").is_int64());
}

TEST_F(PluginSettingsCheck, blames_the_plug_in_for_a_schema_that_is_wrong) {
    const std::vector<std::pair<std::string, std::string>> wrong{
        {R"({"type":"string"})", "its type must be \"object\""},
        {R"({"properties":{}})", "its type must be \"object\""},
        {R"({"type":"object","properties":[]})", "\"properties\" must be an object"},
        {R"({"type":"object","properties":{"a":5}})", "at \"a\": a schema must be an object"},
        {R"({"type":"object","required":"a"})", "\"required\" must be a list"},
        {R"({"type":"object","additionalProperties":1})",
         "\"additionalProperties\" must be true, false or a schema"},
        {property(R"({"type":"text"})"), "\"text\" is not a type"},
        {property("{}"), "\"type\" is missing or not text"},
        {property(R"({"type":"integer","enum":[]})"), "\"enum\" must be a list with entries"},
        {property(R"({"type":"integer","minimum":"1"})"),
         "\"minimum\" and \"maximum\" must be numbers"},
        {property(R"({"type":"array","maxItems":-1,"items":{"type":"integer"}})"),
         "\"maxItems\" must be a whole number"},
    };
    for (const auto& [schema, error] : wrong) {
        // Where the schema names the setting, the setting is given; otherwise an unknown one would
        // be the first mistake.
        const std::string values = schema.find("\"a\":") == std::string::npos      ? "{}"
                                   : schema.find("\"array\"") != std::string::npos ? R"({"a":[]})"
                                                                                   : R"({"a":5})";
        const auto result = check(schema, values);
        ASSERT_FALSE(result) << schema;
        EXPECT_EQ(result.error().code, "plugin.bad_schema") << schema;
        EXPECT_THAT(result.error().text, HasSubstr(error)) << schema;
        EXPECT_THAT(result.error().text, HasSubstr("ask its vendor for a corrected plug-in"));
    }
    EXPECT_THAT(error_of(property(R"({"type":"integer","default":"x"})"), "{}"),
                HasSubstr("its default does not fit: driver toledo8217: a: \"x\" is text"));
}

TEST_F(PluginSettingsCheck, bounds_the_depth_of_a_schema) {
    std::string schema = R"({"type":"integer","default":1})";
    for (int i = 0; i < 15; ++i) schema = property(schema);
    const auto good = check(schema, "{}");
    EXPECT_TRUE(good);
    for (int i = 0; i < 10; ++i) schema = property(schema);
    EXPECT_THAT(error_of(schema, "{}"), HasSubstr("it is nested too deeply"));
}

}  // namespace
}  // namespace backplane::core
