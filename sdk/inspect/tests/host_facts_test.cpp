// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include <gmock/gmock.h>
#include <gnu/libc-version.h>

#include "test_plugins.hpp"

namespace backplane::sdk {
namespace {

using ::testing::Contains;
using ::testing::Key;

TEST(HostFactsOfThisMachine, name_the_machine_as_the_build_does) {
    EXPECT_EQ(HostFacts::of_this_machine().arch, BP_TEST_ARCH);
}

TEST(HostFactsOfThisMachine, know_the_c_library) {
    const auto host = HostFacts::of_this_machine();
    ASSERT_THAT(host.versions, Contains(Key("GLIBC")));
    EXPECT_EQ(host.versions.at("GLIBC").text(), gnu_get_libc_version());
}

TEST(HostFactsOfThisMachine, know_the_cxx_library_that_is_loaded) {
    const auto host = HostFacts::of_this_machine();
    for (const char* family : {"GLIBCXX", "CXXABI", "GCC"})
        ASSERT_THAT(host.versions, Contains(Key(family)));
    // Whatever this program needed was there when it was started; gcc 12 writes code for 3.4.30 at
    // most.
    EXPECT_GE(host.versions.at("GLIBCXX"), (LibraryVersion{3, 4, 11}));
    EXPECT_GE(host.versions.at("CXXABI"), (LibraryVersion{1, 3, 9}));
}

TEST(HostFactsOfThisMachine, allow_sanitizers_only_where_one_runs) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    EXPECT_TRUE(HostFacts::of_this_machine().sanitizers);
#else
    HostFacts host = HostFacts::of_this_machine();
    host.sanitizers = false;
    EXPECT_TRUE(inspect(testing::read_plugin("good"), host).ok());
#endif
}

TEST(ALibraryVersion, is_read_from_one_to_three_numbers) {
    EXPECT_EQ(LibraryVersion::parse("2.36"), (LibraryVersion{2, 36, 0}));
    EXPECT_EQ(LibraryVersion::parse("3.4.30"), (LibraryVersion{3, 4, 30}));
    EXPECT_EQ(LibraryVersion::parse("4"), (LibraryVersion{4, 0, 0}));
}

TEST(ALibraryVersion, is_not_read_from_anything_else) {
    for (const char* text : {"", ".", "2.", "2..1", "1.2.3.4", "2.36x", "PRIVATE", "-1.2",
                             "99999999999", "2.9999999"}) {
        EXPECT_EQ(LibraryVersion::parse(text), std::nullopt) << text;
    }
}

TEST(ALibraryVersion, is_compared_by_number_not_by_text) {
    EXPECT_LT((LibraryVersion{2, 4, 0}), (LibraryVersion{2, 36, 0}));
    EXPECT_LT((LibraryVersion{3, 4, 9}), (LibraryVersion{3, 4, 30}));
}

}  // namespace
}  // namespace backplane::sdk
