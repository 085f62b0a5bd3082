// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "store/box_identity.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backplane/core/log.hpp"
#include "support/temporary_folder.hpp"

namespace backplane::core {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

class ABoxIdentity : public testing::Test {
protected:
    backplane::tests::TemporaryFolder folder;
};

TEST_F(ABoxIdentity, is_made_once_and_stays) {
    const std::string made = load_or_make_box_identity(folder.path());
    EXPECT_THAT(made, MatchesRegex("[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}"));
    EXPECT_EQ(load_or_make_box_identity(folder.path()), made);
    EXPECT_EQ(folder.read("box-id"), made + "\n");
    EXPECT_TRUE(folder.names_with(".new").empty());
}

TEST_F(ABoxIdentity, differs_between_boxes) {
    EXPECT_NE(load_or_make_box_identity(folder.file("a")),
              load_or_make_box_identity(folder.file("b")));
}

TEST_F(ABoxIdentity, is_made_anew_when_its_file_is_damaged) {
    for (const std::string& damage : {std::string{}, std::string{"short"}, std::string(32, 'X'),
                                      std::string(33, 'a'), std::string(32, '\0')}) {
        folder.write("box-id", damage);
        const std::string made = load_or_make_box_identity(folder.path());
        EXPECT_EQ(made.size(), 32u);
        EXPECT_NE(made, damage);
        EXPECT_EQ(load_or_make_box_identity(folder.path()), made);
    }
    EXPECT_THAT(recent_logs().back().text(), HasSubstr("box_id.damaged"));
}

TEST_F(ABoxIdentity, survives_a_write_that_was_cut_short_before) {
    folder.write("box-id.new", "cut sh");
    const std::string made = load_or_make_box_identity(folder.path());
    EXPECT_EQ(load_or_make_box_identity(folder.path()), made);
}

TEST_F(ABoxIdentity, holds_for_the_run_when_it_cannot_be_kept) {
    folder.write("file", "");
    EXPECT_EQ(load_or_make_box_identity(folder.file("file/state")).size(), 32u);
    const LogRecord record = recent_logs().back();
    EXPECT_EQ(record.level, LogLevel::error);
    EXPECT_THAT(record.text(), HasSubstr("box_id.not_kept"));
    EXPECT_THAT(record.text(), HasSubstr("reason=\"Not a directory\""));
}

}  // namespace
}  // namespace backplane::core
