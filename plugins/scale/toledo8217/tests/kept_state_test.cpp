// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>

#include <string>
#include <string_view>

#include "../src/kept_state.hpp"
#include "backplane/host.hpp"

namespace backplane::toledo8217 {
namespace {

using sdk::ScaleCondition;
using sdk::ScaleReading;
using ::testing::HasSubstr;

Kept from(std::string_view text) {
    return kept_from({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string problem(std::string_view text) {
    try {
        from(text);
        return "none";
    } catch (const sdk::Failure& failure) {
        EXPECT_EQ(failure.status(), BP_E_INVALID);
        return failure.what();
    }
}

TEST(AKeptState, that_is_damaged_is_refused_with_what_is_wrong) {
    EXPECT_THAT(problem(""), HasSubstr("it is not a JSON object"));
    EXPECT_THAT(problem("[]"), HasSubstr("it is not a JSON object"));
    EXPECT_THAT(problem("{}"), HasSubstr("\"reading\" is not true or false"));
    EXPECT_THAT(problem(R"({"reading":1})"), HasSubstr("\"reading\" is not true or false"));
    EXPECT_THAT(problem(R"({"reading":true,"last":7})"), HasSubstr("\"last\" is not an object"));
    EXPECT_THAT(problem(R"({"reading":true,"layout":{"length":25,"decimals":3}})"),
                HasSubstr("\"length\" is not a number from 0 to 24"));
    EXPECT_THAT(problem(R"({"reading":true,"layout":{"length":9,"decimals":-1}})"),
                HasSubstr("\"decimals\" is not a number from 0 to 7"));
}

TEST(AKeptState, has_a_weight_exactly_when_the_scale_vouched_for_one) {
    EXPECT_THAT(problem(R"({"reading":true,"last":{"condition":"ok","net":false}})"),
                HasSubstr("a weight belongs to the condition \"ok\""));
    EXPECT_THAT(
        problem(R"({"reading":true,"last":{"condition":"fault","net":false,"kilograms":1}})"),
        HasSubstr("a weight belongs to the condition \"ok\""));
    EXPECT_THAT(problem(R"({"reading":true,"last":{"condition":"heavy","net":false}})"),
                HasSubstr("\"condition\" is not one of a scale"));
    EXPECT_THAT(
        problem(R"({"reading":true,"last":{"condition":"ok","net":false,"kilograms":"1"}})"),
        HasSubstr("\"kilograms\" is not a number"));
}

TEST(AKeptState, comes_back_as_it_was) {
    const Kept states[]{
        {},
        {true, Layout{9, 3}, ScaleReading{ScaleCondition::ok, 0.1 + 0.2, true}},
        {false, Layout{24, 7}, ScaleReading{ScaleCondition::ok, 0.0, false}},
        {false, std::nullopt, ScaleReading::without_weight(ScaleCondition::fault)},
        {true, std::nullopt, ScaleReading::without_weight(ScaleCondition::in_motion)},
    };
    for (const Kept& state : states) EXPECT_EQ(kept_from(to_bytes(state)), state);
}

}  // namespace
}  // namespace backplane::toledo8217
