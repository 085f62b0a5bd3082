// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "library.hpp"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/mman.h>

#include <span>

#include "util/memory_file.hpp"

namespace backplane::core::host {
namespace {

using ::testing::HasSubstr;

bp_status create(const bp_host*, const char*, bp_instance**) {
    return BP_OK;
}

bp_entry entry() {
    return {sizeof(bp_entry), BP_ABI_MAJOR, BP_ABI_MINOR, 0, &create};
}

TEST(AnEntry, of_another_major_version_is_refused_in_both_directions) {
    auto other = entry();
    other.abi_major = BP_ABI_MAJOR + 1;
    EXPECT_THAT(check_entry(other), HasSubstr("it was built for ABI 2, this box has 1"));
    other.abi_major = 0;
    EXPECT_THAT(check_entry(other), HasSubstr("it was built for ABI 0, this box has 1"));
}

TEST(AnEntry, that_needs_a_later_minor_version_is_refused) {
    auto other = entry();
    other.abi_minor = BP_ABI_MINOR + 1;
    EXPECT_THAT(check_entry(other), HasSubstr("update the box"));
}

TEST(AnEntry, without_room_for_create_or_without_create_is_refused) {
    auto other = entry();
    other.struct_size = sizeof(bp_entry) - 1;
    EXPECT_THAT(check_entry(other),
                HasSubstr("at least " + std::to_string(sizeof(bp_entry)) + " are needed"));
    other = entry();
    other.create = nullptr;
    EXPECT_THAT(check_entry(other), HasSubstr("no create()"));
}

TEST(AnEntry, of_this_version_or_longer_is_accepted) {
    EXPECT_EQ(check_entry(entry()), "");
    auto longer = entry();
    longer.struct_size = sizeof(bp_entry) + 64;
    EXPECT_EQ(check_entry(longer), "");
}

TEST(TheBytesOfAPlugin, are_refused_unless_nobody_can_change_them_any_more) {
    const Fd file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
    EXPECT_THAT(check_seals(file.get()), HasSubstr("not in a sealed memory file"));
    const Fd open_to_writing{::memfd_create("plugin", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    EXPECT_THAT(check_seals(open_to_writing.get()), HasSubstr("not in a sealed memory file"));
    ASSERT_EQ(::fcntl(open_to_writing.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
    const auto loaded = load_plugin(open_to_writing.get(), "acme");
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().text, HasSubstr("cannot load plug-in acme: its bytes are not in"));
    const auto sealed = sealed_memory_file("plugin", std::as_bytes(std::span{"x"}));
    ASSERT_TRUE(sealed);
    EXPECT_EQ(check_seals(sealed->get()), "");
}

TEST(AHint, says_what_a_person_can_do) {
    EXPECT_THAT(hint_for("version `GLIBC_2.38' not found (required by x)"),
                HasSubstr("built on a newer system"));
    EXPECT_THAT(hint_for("undefined symbol: foo"), HasSubstr("-z,defs"));
    EXPECT_THAT(hint_for("wrong ELF class: ELFCLASS32"), HasSubstr("for its architecture"));
    EXPECT_THAT(hint_for("libfoo.so.1: cannot open shared object file: No such file"),
                HasSubstr("not installed"));
    EXPECT_THAT(hint_for("anything else"), HasSubstr("another build"));
}

}  // namespace
}  // namespace backplane::core::host
