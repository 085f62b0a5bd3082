// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What is known to go wrong with signed updates, one case a line: the cases of The Update Framework that mean something
// for this format, in its words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "trust_cases.hpp"

namespace backplane::core::bundle::testing {
namespace {

class ATrustTable : public ::testing::TestWithParam<Case> {};

TEST_P(ATrustTable, is_kept) {
    Publisher publisher;
    GetParam().damage(publisher);
    const auto verification = publisher.verify();
    EXPECT_EQ(outcome(verification), GetParam().expected);
    for (const auto& each : verification.rejected) {
        EXPECT_EQ(each.bundle, "acme");
        // What was expected, what was found, what helps: it does not stop at the second.
        EXPECT_THAT(each.error.text, ::testing::HasSubstr(": ")) << each.error.code;
        EXPECT_GT(each.error.text.size(), 40u);
    }
    for (const auto& each : verification.bundles) {
        for (const auto& refusal : each.refused)
            EXPECT_THAT(refusal.error.text, ::testing::HasSubstr(": ")) << refusal.error.code;
        for (const auto& found : each.plugins)
            EXPECT_EQ(*found.bytes, publisher.content.at(found.file.path)) << found.file.path;
    }
}

const auto k_name = [](const auto& each) { return std::string{each.param.name}; };
INSTANTIATE_TEST_SUITE_P(Root, ATrustTable, ::testing::ValuesIn(root_cases()), k_name);
INSTANTIATE_TEST_SUITE_P(Release, ATrustTable, ::testing::ValuesIn(release_cases()), k_name);
INSTANTIATE_TEST_SUITE_P(Vendor, ATrustTable, ::testing::ValuesIn(vendor_cases()), k_name);
INSTANTIATE_TEST_SUITE_P(Content, ATrustTable, ::testing::ValuesIn(content_cases()), k_name);

TEST(TheTrustTable, has_at_least_the_cases_that_the_design_asks_for) {
    std::size_t count = 0;
    std::set<std::string> names;
    for (const auto& group : {root_cases(), release_cases(), vendor_cases(), content_cases()}) {
        count += group.size();
        for (const auto& each : group) names.insert(each.name);
    }
    EXPECT_GE(count, 66u);
    EXPECT_EQ(names.size(), count) << "two cases have one name";
}

}  // namespace
}  // namespace backplane::core::bundle::testing
