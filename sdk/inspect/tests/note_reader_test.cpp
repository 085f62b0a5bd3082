// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The JSON of a note, member by member.
#include "note_reader.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>

#include <gmock/gmock.h>

#include "json_text.hpp"

namespace backplane::sdk {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace json = boost::json;

json::object driver() {
    std::string problem;
    return *parse_object(
        R"({"kind": "driver", "id": "com.example.a", "name": "a", "title": "A", "version": "1.0.0",
        "vendor": "V", "license": "MIT", "abi": {"major": 1, "minor": 0}, "sdk": "1.0.0", "arch": "x86_64-linux-gnu",
        "device_types": ["scale"], "match": []})",
        problem);
}

std::vector<std::string> problems_of(const json::object& note) {
    Problems problems;
    read_note(note, problems);
    return problems.texts();
}

/// The problems of a good driver's note after one member was set to a JSON value.
std::vector<std::string> problems_with(std::string_view member, std::string_view value) {
    auto note = driver();
    note[json::string_view(member.data(), member.size())] =
        json::parse({value.data(), value.size()});
    return problems_of(note);
}

TEST(ANote, is_good_as_the_tests_take_it) {
    EXPECT_THAT(problems_of(driver()), IsEmpty());
}

TEST(ANote, misses_each_member_that_is_required) {
    for (const char* name : {"kind", "id", "name", "title", "version", "vendor", "license", "abi",
                             "sdk", "arch", "device_types", "match"}) {
        auto note = driver();
        note.erase(name);
        EXPECT_THAT(::testing::PrintToString(problems_of(note)),
                    HasSubstr(std::string(name) + "\\\" is missing"))
            << name;
    }
}

struct Wrong {
    const char* member;
    const char* value;
    const char* words;
};

/// For the names of the tests; the default is a dump of bytes, which differs from run to run.
void PrintTo(const Wrong& wrong, std::ostream* out) {
    *out << wrong.member;
}

class AWrongMember : public ::testing::TestWithParam<Wrong> {};

TEST_P(AWrongMember, is_named_with_what_it_must_be) {
    const auto& wrong = GetParam();
    EXPECT_THAT(problems_with(wrong.member, wrong.value), ElementsAre(HasSubstr(wrong.words)))
        << wrong.member << ": " << wrong.value;
}

INSTANTIATE_TEST_SUITE_P(
    Members, AWrongMember,
    ::testing::Values(
        Wrong{"id", R"("scale")", R"("id" is "scale", but must be a reversed domain name)"},
        Wrong{"id", R"("com..example")", "must be a reversed domain name"},
        Wrong{"id", R"("Com.Example")", "must be a reversed domain name"},
        Wrong{"name", R"("../../etc/passwd")",
              R"("name" is "../../etc/passwd", but must be 1 to 32 of a-z, 0-9 and _)"},
        Wrong{"name", R"("")", "must be 1 to 32"},
        Wrong{"name", R"("a23456789012345678901234567890123")", "must be 1 to 32"},
        Wrong{"title", R"("two\nlines")", "must be a text of 1 to 120 bytes"},
        Wrong{"title", "7", R"("title" is no text)"},
        Wrong{"version", R"("1.0")", "must be a semantic version"},
        Wrong{"version", R"("01.0.0")", "must be a semantic version"},
        Wrong{"version", R"("1.0.0-")", "must be a semantic version"},
        Wrong{"version", R"("1.0.0-01")", "must be a semantic version"},
        Wrong{"version", R"("1.0.0.0")", "must be a semantic version"},
        Wrong{"abi", "1", R"("abi" must be an object)"},
        Wrong{"abi", R"({"major": 1, "minor": 0.0})",
              R"("abi.minor" must be an integer from 0 to 65535)"},
        Wrong{"abi", R"({"major": -1, "minor": 0})", R"("abi.major" must be an integer)"},
        Wrong{"abi", R"({"major": 1, "minor": 18446744073709551615})",
              R"("abi.minor" must be an integer)"},
        Wrong{"device_types", "[]", R"("device_types" is missing)"},
        Wrong{"device_types", R"(["scale", "scale"])", R"(has the entry "scale" twice)"},
        Wrong{"device_types", R"(["scale", 1])", "must hold texts only"},
        Wrong{"device_types", R"("scale")", "must be a list"},
        Wrong{"match", "{}", R"("match" must be a list)"},
        Wrong{"match", "[7]", R"("match[0]" must be an object)"},
        Wrong{"match", "[{}]", R"("match[0].bus" is missing)"},
        Wrong{"match", R"([{"bus": "usb"}, {"bus": "USB"}])", R"("match[1].bus" is "USB")"},
        Wrong{"match", R"([{"bus": "usb", "priority": 1.5}])",
              R"("match[0].priority" must be an integer from -1000 to 1000)"},
        Wrong{"match", R"([{"bus": "usb", "probe": "maybe"}])", "must be none, passive or active"},
        Wrong{"match", R"([{"bus": "usb", "probe_ms": 0}])", "must be an integer from 10 to 10000"},
        Wrong{"match", R"([{"bus": "usb", "properties": []}])",
              R"("match[0].properties" must be an object)"},
        Wrong{"match", R"([{"bus": "usb", "properties": {"vendor": 1208}}])",
              R"("match[0].properties.vendor" must be a pattern)"},
        Wrong{"match", R"([{"bus": "usb", "properties": {"vendor": []}}])",
              "must have 1 to 256 patterns"},
        Wrong{"match", R"([{"bus": "usb", "properties": {"a b": "x"}}])",
              R"(has the member "a b")"},
        Wrong{"extensions", R"({"required": ["timer"]})", "an id such as backplane.timer/1"},
        Wrong{"extensions", R"({"required": ["backplane.timer/"]})",
              "an id such as backplane.timer/1"},
        Wrong{"permissions", R"(["usb:04 b8"])", R"(has the entry "usb:04 b8")"},
        Wrong{"permissions", R"([""])", "a word"},
        Wrong{"concurrent_actions", "1", "must be true or false"},
        Wrong{"actions", R"({"weigh": {"repeat": "often"}})",
              R"("actions.weigh.repeat" is "often", but must be once or safe)"},
        Wrong{"actions", R"({"weigh": "now"})", R"("actions.weigh" must be an object)"},
        Wrong{"actions", R"({"two words": {}})", R"(has the member "two words")"},
        Wrong{"settings", "[]", R"("settings" must be an object)"},
        Wrong{"settings", "{}", R"("settings.type" must be "object")"},
        Wrong{"settings", R"({"type": "object", "properties": {"a": {}}})",
              R"("settings.properties.a.type" is missing)"},
        Wrong{"settings", R"({"type": "object", "properties": {"a": {"type": "null"}}})",
              R"(is "null", but must be string)"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}})",
              R"(the keyword "format", which nobody checks for the type string)"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "integer", "default": 1.5}}})",
              "is no integer"},
        Wrong{
            "settings",
            R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "default": 1}}})",
            "outside minimum and maximum"},
        Wrong{
            "settings",
            R"({"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 1}}})",
            "is above the maximum"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "enum": []}}})",
              "1 to 256 values"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "enum": ["x", 1]}}})",
              "is no string"},
        Wrong{
            "settings",
            R"({"type": "object", "properties": {"a": {"type": "string", "enum": ["x"], "default": "y"}}})",
            "is not in the enum"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}})",
              "is not a regular expression"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a)\\1"}}})",
              "without back-references"},
        Wrong{
            "settings",
            R"({"type": "object", "properties": {"a": {"type": "string", "pattern": "((a{99}){99}){99}"}}})",
            "repeats too much"},
        Wrong{"settings",
              R"({"type": "object", "properties": {"a": {"type": "string", "minLength": -1}}})",
              R"("settings.properties.a.minLength" must be an integer from 0 on)"},
        Wrong{"settings", R"({"type": "object", "properties": {"a": {"type": "array"}}})",
              R"("settings.properties.a.items" is missing)"},
        Wrong{"settings", R"({"type": "object", "required": ["a"]})", "not among the properties"},
        Wrong{"settings", R"({"type": "object", "additionalProperties": {}})",
              "must be true or false"},
        Wrong{"state_version", "0", R"("state_version" must be an integer from 1 to 4294967295)"},
        Wrong{"state_version", "4294967296", R"("state_version" must be an integer)"},
        Wrong{"accepts_state", "1", R"("accepts_state" must be a list of at most 64 integers)"},
        Wrong{"accepts_state", "[1, 0]", "must hold integers from 1 to 4294967295 only"},
        Wrong{"accepts_state", "[1, \"2\"]", "must hold integers from 1 to 4294967295 only"},
        Wrong{"accepts_state", "[2, 1, 2]", R"("accepts_state" has an entry twice)"},
        Wrong{"device_settings", R"({"type": "object", "properties": {"a b": {"type": "string"}}})",
              R"(has the member "a b")"}),
    [](const auto& wrong) { return wrong.param.member + std::to_string(wrong.index); });

TEST(ANote, admits_every_form_of_a_semantic_version) {
    for (const char* version :
         {"0.0.0", "1.2.3-alpha.1", "1.0.0+7", "10.20.30-rc-1.x+sha.5114f85"}) {
        EXPECT_THAT(problems_with("version", "\"" + std::string(version) + "\""), IsEmpty())
            << version;
    }
}

TEST(ANote, says_which_state_it_leaves_and_which_it_takes_over) {
    auto note = driver();
    Problems problems;
    EXPECT_EQ(read_note(note, problems).state_version, 0u);
    EXPECT_THAT(read_note(note, problems).accepts_state, IsEmpty());
    note["state_version"] = 4294967295;
    note["accepts_state"] = json::array{3, 4294967295};
    const PluginNote read = read_note(note, problems);
    EXPECT_THAT(problems.texts(), IsEmpty());
    EXPECT_EQ(read.state_version, 4294967295u);
    EXPECT_THAT(read.accepts_state, ElementsAre(3u, 4294967295u));
}

TEST(ANote, of_an_interface_has_no_match_rules) {
    auto note = driver();
    note["kind"] = "interface";
    EXPECT_THAT(problems_of(note), ElementsAre(HasSubstr("\"device_types\" belongs to drivers"),
                                               HasSubstr("\"match\" belongs to drivers")));
}

TEST(ANote, of_an_interface_needs_nothing_of_a_driver) {
    auto note = driver();
    note["kind"] = "interface";
    note.erase("device_types");
    note.erase("match");
    EXPECT_THAT(problems_of(note), IsEmpty());
}

TEST(ANote, that_is_wrong_everywhere_does_not_fill_the_log) {
    json::array rules(100, json::value("no"));
    auto note = driver();
    note["match"] = rules;
    EXPECT_THAT(problems_of(note), SizeIs(20));
}

TEST(ASettingsSchema, may_not_nest_without_end) {
    json::object schema{{"type", "string"}};
    for (int i = 0; i < 8; ++i) schema = {{"type", "object"}, {"properties", {{"a", schema}}}};
    auto note = driver();
    note["settings"] = schema;
    EXPECT_THAT(problems_of(note), ElementsAre(HasSubstr("lies deeper than 4 levels")));
}

TEST(JsonText, is_refused_when_it_is_no_object) {
    std::string problem;
    EXPECT_EQ(parse_object("[1]", problem), std::nullopt);
    EXPECT_EQ(problem, "it is not an object");
}

TEST(JsonText, is_refused_with_a_repeated_member_at_any_depth_and_in_any_spelling) {
    std::string problem;
    EXPECT_EQ(parse_object(R"({"a": [{"b": 1, "\u0062": 2}]})", problem), std::nullopt);
    EXPECT_EQ(problem, R"(the member "b" occurs twice in one object)");
    EXPECT_NE(parse_object(R"({"a": {"b": 1}, "c": {"b": 1}})", problem), std::nullopt);
}

TEST(JsonText, is_refused_when_something_follows_or_is_not_utf8) {
    std::string problem;
    EXPECT_EQ(parse_object("{} {}", problem), std::nullopt);
    EXPECT_EQ(parse_object("{\"a\": \"\xff\"}", problem), std::nullopt);
    EXPECT_EQ(parse_object("{/* no */}", problem), std::nullopt);
    EXPECT_EQ(parse_object("{\"a\": 1,}", problem), std::nullopt);
    EXPECT_EQ(parse_object("", problem), std::nullopt);
}

}  // namespace
}  // namespace backplane::sdk
