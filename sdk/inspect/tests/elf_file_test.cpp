// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "elf_file.hpp"

#include <gmock/gmock.h>

#include <elf.h>

#include "test_plugins.hpp"

namespace backplane::sdk {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using testing::read_plugin;
using ::testing::UnorderedElementsAre;

ElfFile read_good(const std::vector<std::byte>& bytes) {
    ElfFile file;
    ElfFile::Refusal refusal;
    EXPECT_TRUE(ElfFile::read(bytes, file, refusal)) << refusal.text;
    return file;
}

TEST(AnElfFile, tells_what_the_linker_was_told) {
    const auto bytes = read_plugin("good");
    const auto file = read_good(bytes);

    EXPECT_EQ(file.type, ET_DYN);
    EXPECT_TRUE(file.has_relro);
    EXPECT_TRUE(file.binds_now);
    EXPECT_TRUE(file.stack_is_declared);
    EXPECT_FALSE(file.stack_is_executable);
    EXPECT_THAT(file.search_paths, IsEmpty());
    EXPECT_THAT(file.exports, Contains(Field(&ElfExport::name, "bp_plugin_entry")));
}

TEST(AnElfFile, tells_the_versions_it_needs_and_from_whom) {
    const auto bytes = read_plugin("inspect_real");
    const auto file = read_good(bytes);

    EXPECT_THAT(file.version_needs, Contains(Field(&ElfVersionNeed::library, "libstdc++.so.6")));
    EXPECT_THAT(file.version_needs, Contains(Field(&ElfVersionNeed::version, "GLIBCXX_3.4")));
}

TEST(AnElfFile, lists_all_exports_with_their_versions) {
    const auto bytes = read_plugin("two_exports");
    const auto file = read_good(bytes);

    std::vector<std::string> names;
    for (const auto& symbol : file.exports) {
        if (!symbol.absolute)
            names.push_back(std::string(symbol.name) + "@" + std::string(symbol.version));
    }
    EXPECT_THAT(names,
                UnorderedElementsAre("bp_plugin_entry@BP_PLUGIN_1", "another_symbol@BP_PLUGIN_1"));
}

TEST(AnElfFile, lists_search_paths_of_both_kinds) {
    for (const char* name : {"rpath", "runpath"}) {
        const auto bytes = read_plugin(name);
        EXPECT_THAT(read_good(bytes).search_paths, ElementsAre("/opt/somewhere")) << name;
    }
}

}  // namespace
}  // namespace backplane::sdk
