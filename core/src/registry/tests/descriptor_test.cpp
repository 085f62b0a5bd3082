// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "registry/descriptor.hpp"

#include <gmock/gmock.h>
#include <boost/json/parse.hpp>

namespace backplane::core {
namespace {

using testing::HasSubstr;

Result<Descriptor> parse(const char* text) {
    return parse_descriptor(boost::json::parse(text).as_object());
}

std::string refusal(const char* text) {
    const auto result = parse(text);
    return result ? "accepted" : result.error().text;
}

TEST(ADescriptor, is_refused_without_a_key) {
    EXPECT_THAT(refusal(R"({"bus":"serial","address":"a","identifier":"a"})"),
                HasSubstr("\"key\" is missing"));
}

TEST(ADescriptor, is_refused_with_control_characters) {
    EXPECT_THAT(refusal(R"({"key":"a\nb","bus":"serial","address":"a","identifier":"a"})"),
                HasSubstr("control characters"));
}

TEST(ADescriptor, is_refused_with_a_wrong_type) {
    EXPECT_THAT(refusal(R"({"key":"k","bus":7,"address":"a","identifier":"a"})"),
                HasSubstr("\"bus\" is not a text"));
}

TEST(ADescriptor, is_refused_with_an_endless_identifier) {
    const std::string text =
        R"({"key":"k","bus":"serial","address":"a","identifier":")" + std::string(128, 'x') + "\"}";
    EXPECT_THAT(refusal(text.c_str()), HasSubstr("longer than 127 bytes"));
}

TEST(ADescriptor, is_refused_when_it_wants_an_unknown_way_of_opening) {
    EXPECT_THAT(
        refusal(R"({"key":"k","bus":"b","address":"a","identifier":"a","open":{"kind":"magic"}})"),
        HasSubstr("\"kind\" is \"magic\""));
}

TEST(ADescriptor, is_refused_with_a_relative_path_or_a_port_out_of_range) {
    EXPECT_THAT(
        refusal(
            R"({"key":"k","bus":"b","address":"a","identifier":"a","open":{"kind":"device_node","path":"x"}})"),
        HasSubstr("not absolute"));
    EXPECT_THAT(
        refusal(
            R"({"key":"k","bus":"b","address":"a","identifier":"a","open":{"kind":"tcp","host":"h","port":70000}})"),
        HasSubstr("1 to 65535"));
}

TEST(ADescriptor,
     takes_its_identifier_as_stable_id_and_its_bus_as_connection_where_nothing_else_is_said) {
    const auto result =
        parse(R"({"key":"k","bus":"serial","address":"a","identifier":"/dev/ttyUSB0"})");
    ASSERT_TRUE(result);
    EXPECT_EQ(result->stable_id, "/dev/ttyUSB0");
    EXPECT_EQ(result->connection, "serial");
    EXPECT_EQ(result->open.kind, OpenSpec::Kind::none);
}

}  // namespace
}  // namespace backplane::core
