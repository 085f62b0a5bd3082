// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A valid bundle and a box that trusts its publisher, with the questions that tests ask.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "publisher.hpp"

namespace backplane::core::bundle::testing {

class AVerification : public ::testing::Test {
protected:
    PluginFile& file(std::size_t n = 0) {
        return publisher.release.manifest.plugins.at(n).files.begin()->second;
    }
    ManifestPlugin& plugin(std::size_t n = 0) { return publisher.release.manifest.plugins.at(n); }
    Error rejection() {
        const auto verification = publisher.verify();
        if (verification.rejected.size() != 1 || !verification.bundles.empty())
            return {"", outcome(verification)};
        return verification.rejected[0].error;
    }
    VerifiedBundle accepted() {
        auto verification = publisher.verify();
        EXPECT_EQ(verification.bundles.size(), 1u) << outcome(verification);
        if (verification.bundles.empty()) return {};
        return std::move(verification.bundles[0]);
    }
    Refusal only_refusal() {
        const auto bundle = accepted();
        EXPECT_EQ(bundle.refused.size(), 1u);
        return bundle.refused.empty() ? Refusal{} : bundle.refused[0];
    }

    Publisher publisher;
};

}  // namespace backplane::core::bundle::testing
