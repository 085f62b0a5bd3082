// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Real files, each with one fault: it is found, nothing else is, and the sentence helps.
#include <gmock/gmock.h>

#include <dlfcn.h>

#include "test_plugins.hpp"

namespace backplane::sdk {
namespace {

using testing::codes;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::read_plugin;

struct BadPlugin {
    const char* name;
    const char* code;
    std::vector<std::string> words;
};

/// For the names of the tests; the default is a dump of bytes, which differs from run to run.
void PrintTo(const BadPlugin& bad, std::ostream* out) {
    *out << bad.name;
}

class ABadPlugin : public ::testing::TestWithParam<BadPlugin> {};

TEST_P(ABadPlugin, is_refused_for_its_one_fault) {
    const auto& bad = GetParam();
    const auto result = inspect(read_plugin(bad.name), HostFacts::of_this_machine());

    EXPECT_EQ(codes(result), bad.code) << result.text();
    for (const auto& word : bad.words) EXPECT_THAT(result.text(), HasSubstr(word));
    // A sentence that ends in what to do.
    EXPECT_THAT(result.text(), HasSubstr(": "));
}

const std::string k_id = "plug-in com.example.good 1.2.3 ";

INSTANTIATE_TEST_SUITE_P(
    Files, ABadPlugin,
    ::testing::Values(
        BadPlugin{"no_note",
                  "note.missing",
                  {"no note of the owner \"Backplane\"", "backplane_add_plugin()"}},
        BadPlugin{"only_foreign_notes", "note.missing", {"no note of the owner"}},
        BadPlugin{"two_notes", "note.repeated", {"has 2 notes"}},
        BadPlugin{"cut_json", "note.not_json", {"the note is not valid JSON"}},
        BadPlugin{"twice", "note.not_json", {"the member \"name\" occurs twice"}},
        BadPlugin{"deep", "note.not_json", {"too deep"}},
        BadPlugin{"large", "note.too_large", {"16384 are allowed", "shorten plugin.json"}},
        BadPlugin{"schema_2", "note.schema", {"schema 2", "reads schema 1", "update the box"}},
        BadPlugin{"member",
                  "note.member",
                  {"\"version\" is no text", "such as 1.2.3", "correct plugin.json"}},
        BadPlugin{"other_arch",
                  "note.arch",
                  {k_id + "says in its note that it was built for " BP_TEST_OTHER_ARCH,
                   "its code is for " BP_TEST_ARCH}},
        BadPlugin{"abi_major",
                  "abi.major",
                  {k_id + "was built for the plug-in ABI 2.0, this box has 1.", "update the box"}},
        BadPlugin{"abi_minor",
                  "abi.minor",
                  {k_id + "needs the plug-in ABI 1.99, this box has 1.", "update the box"}},
        BadPlugin{
            "extension", "abi.extension", {k_id + "needs the extension \"backplane.telepathy/1\""}},
        BadPlugin{"two_exports",
                  "link.exports",
                  {"exports 1 symbols beside bp_plugin_entry (\"another_symbol\")"}},
        BadPlugin{"no_version_node", "link.no_entry", {"without a version", "BP_PLUGIN_1"}},
        BadPlugin{"no_entry", "link.no_entry", {"does not export the data symbol bp_plugin_entry"}},
        BadPlugin{
            "entry_is_code", "link.no_entry", {"does not export the data symbol bp_plugin_entry"}},
        BadPlugin{
            "executable_stack", "link.executable_stack", {"executable stack", "-z noexecstack"}},
        BadPlugin{"rpath", "link.search_path", {"\"/opt/somewhere\"", "without -rpath"}},
        BadPlugin{"runpath", "link.search_path", {"\"/opt/somewhere\"", "without -rpath"}},
        BadPlugin{"nodelete", "link.nodelete", {"never to be unloaded", "without -z nodelete"}},
        BadPlugin{"lazy", "link.bind_now", {"binds its symbols lazily", "-z now"}},
        BadPlugin{"no_relro", "link.relro", {"-z relro"}},
        BadPlugin{"text_relocation", "link.text_relocations", {"TEXTREL", "-fPIC"}},
        BadPlugin{"filter", "link.library", {"\"libhook.so\"", "as a filter or an auditor"}},
        BadPlugin{"foreign_library",
                  "link.library",
                  {k_id + "needs the library \"libforeign.so.3\"", "link it statically"}}),
    [](const auto& bad) { return std::string(bad.param.name); });

TEST(APluginFile, is_accepted_without_findings) {
    const auto result = inspect(read_plugin("good"), HostFacts::of_this_machine());

    EXPECT_EQ(result.text(), "");
    ASSERT_TRUE(result.note.has_value());
    EXPECT_EQ(result.note->id, "com.example.good");
    EXPECT_EQ(result.raw_note.at("name").as_string(), "good");
}

TEST(APluginFile, may_carry_notes_of_others) {
    EXPECT_EQ(codes(inspect(read_plugin("foreign_notes"), HostFacts::of_this_machine())), "");
}

TEST(APluginFile, is_refused_with_a_version_node_of_another_major) {
    const auto result = inspect(read_plugin("other_version_node"), HostFacts::of_this_machine());

    EXPECT_TRUE(result.has("link.no_entry"));
    EXPECT_THAT(result.text(),
                HasSubstr("in the version \"SOMETHING_2\", but it must be in BP_PLUGIN_1"));
}

TEST(APluginFile, is_refused_when_it_is_a_program) {
    const auto result = inspect(read_plugin("program"), HostFacts::of_this_machine());

    EXPECT_TRUE(result.has("elf.not_a_library"));
    EXPECT_THAT(result.text(), HasSubstr("is a program, but a plug-in is a shared library"));
}

TEST(APluginFile, is_refused_when_it_was_not_linked) {
    const auto result = inspect(read_plugin("object_file"), HostFacts::of_this_machine());

    EXPECT_TRUE(result.has("elf.not_a_library"));
    EXPECT_THAT(result.text(), HasSubstr("is an object file"));
}

TEST(APluginFile, is_refused_when_the_c_library_is_too_old) {
    auto host = HostFacts::of_this_machine();
    host.versions["GLIBC"] = {2, 0, 0};
    const auto result = inspect(read_plugin("inspect_real"), host);

    EXPECT_EQ(codes(result), "link.symbol_version");
    EXPECT_THAT(result.text(),
                HasSubstr("plug-in com.example.counter-scale 1.2.3-rc.1+build.7 needs GLIBC_2."));
    EXPECT_THAT(result.text(),
                HasSubstr("this system has 2.0: install the build for this release of the system"));
}

TEST(APluginFile, is_refused_when_the_cxx_library_is_too_old) {
    auto host = HostFacts::of_this_machine();
    host.versions["GLIBCXX"] = {3, 4, 1};
    const auto result = inspect(read_plugin("inspect_real"), host);

    EXPECT_EQ(codes(result), "link.symbol_version");
    EXPECT_THAT(result.text(), HasSubstr("needs GLIBCXX_3.4."));
    EXPECT_THAT(result.text(), HasSubstr("this system has 3.4.1"));
}

TEST(APluginFile, is_not_compared_with_versions_that_nobody_knows) {
    auto host = HostFacts::of_this_machine();
    host.versions.clear();

    EXPECT_EQ(inspect(read_plugin("inspect_real"), host).text(), "");
}

TEST(APluginFile, is_refused_by_a_box_of_another_machine_by_name) {
    auto host = HostFacts::of_this_machine();
    host.arch = BP_TEST_OTHER_ARCH;
    const auto result = inspect(read_plugin("good"), host);

    EXPECT_EQ(codes(result), "elf.machine");
    EXPECT_EQ(result.text(), "plug-in com.example.good 1.2.3 was built for " BP_TEST_ARCH
                             ", and this box is " BP_TEST_OTHER_ARCH
                             ": install the build for " BP_TEST_OTHER_ARCH);
}

TEST(APluginFile, is_refused_by_a_box_whose_abi_is_newer_by_a_major) {
    auto host = HostFacts::of_this_machine();
    host.abi_major = 2;
    const auto result = inspect(read_plugin("good"), host);

    EXPECT_EQ(codes(result), "abi.major");
    EXPECT_THAT(result.text(), HasSubstr("install a newer version of the plug-in"));
}

TEST(APluginFile, is_accepted_by_a_box_whose_abi_is_newer_by_a_minor) {
    auto host = HostFacts::of_this_machine();
    host.abi_minor = 7;

    EXPECT_EQ(inspect(read_plugin("good"), host).text(), "");
}

TEST(APluginFile, keeps_its_name_when_it_is_refused) {
    const auto result = inspect(read_plugin("member"), HostFacts::of_this_machine());

    EXPECT_FALSE(result.note.has_value());
    EXPECT_EQ(result.raw_note.at("id").as_string(), "com.example.good");
}

#ifdef BP_TEST_32_BIT
TEST(APluginFile, is_read_when_it_has_32_bits) {
    auto host = HostFacts::of_this_machine();
    host.arch = "i386-linux-gnu";

    EXPECT_EQ(inspect(read_plugin("good32"), host).text(), "");
    EXPECT_THAT(inspect(read_plugin("good32"), HostFacts::of_this_machine()).text(),
                HasSubstr("plug-in com.example.good 1.2.3 was built for i386-linux-gnu"));
}
#endif

TEST(APluginOfTheSdk, is_accepted_and_read_in_full) {
    const auto result = inspect(read_plugin("inspect_real"), HostFacts::of_this_machine());

    ASSERT_EQ(result.text(), "");
    ASSERT_TRUE(result.note.has_value());
    const auto& note = *result.note;
    EXPECT_EQ(note.kind, PluginKind::driver);
    EXPECT_EQ(note.id, "com.example.counter-scale");
    EXPECT_EQ(note.name, "inspect_real");
    EXPECT_EQ(note.title, "Waage für den Verkauf; \"quotes\", [brackets] and ; survive");
    EXPECT_EQ(note.version, "1.2.3-rc.1+build.7");
    EXPECT_EQ(note.arch, BP_TEST_ARCH);
    EXPECT_EQ(note.sdk, "1.0.0");
    EXPECT_EQ(note.abi_major, 1u);
    EXPECT_EQ(note.abi_minor, 0u);
    EXPECT_THAT(note.device_types, ElementsAre("scale", "display"));
    ASSERT_EQ(note.matches.size(), 3u);
    EXPECT_EQ(note.matches[0].priority, 0);
    EXPECT_EQ(note.matches[0].probe, ProbeMode::none);
    EXPECT_EQ(note.matches[0].probe_limit, std::chrono::seconds(1));
    EXPECT_EQ(note.matches[1].bus, "usb");
    EXPECT_EQ(note.matches[1].priority, -5);
    EXPECT_EQ(note.matches[1].probe, ProbeMode::active);
    EXPECT_EQ(note.matches[1].probe_limit, std::chrono::milliseconds(250));
    ASSERT_EQ(note.matches[1].properties.size(), 2u);
    EXPECT_EQ(note.matches[2].probe, ProbeMode::passive);
    EXPECT_THAT(note.matches[2].properties, IsEmpty());
    EXPECT_THAT(note.required_extensions, ElementsAre("backplane.timer/1", "backplane.fd/1"));
    EXPECT_THAT(note.optional_extensions, ElementsAre("com.example.extra/2"));
    EXPECT_THAT(note.permissions,
                ElementsAre("serial", "usb:04b8:*", "net:tcp/9100", "netlink", "dbus:org.bluez"));
    EXPECT_TRUE(note.concurrent_actions);
    EXPECT_EQ(note.settings.at("properties").at("factor").at("default").as_double(), 0.5);
    EXPECT_TRUE(note.device_settings.contains("properties"));
    ASSERT_EQ(note.actions.size(), 3u);
    EXPECT_EQ(note.actions.at("read_once").repeat, Repeat::safe);
    EXPECT_EQ(note.actions.at("zero").repeat, Repeat::once);
    EXPECT_EQ(note.actions.at("").description, "The one without a name");
    EXPECT_TRUE(result.raw_note.contains("unknown_member"));
}

TEST(APluginOfTheSdk, brings_its_json_library_with_it) {
    const auto result = inspect(read_plugin("inspect_real"), HostFacts::of_this_machine());

    for (const auto& library : result.needed_libraries)
        EXPECT_THAT(library, ::testing::Not(HasSubstr("boost")));
    EXPECT_THAT(result.needed_libraries, Contains(HasSubstr("libstdc++")));
}

// What the version script is for: without it, templates of the C++ library pin the plug-in in
// memory for ever.
TEST(APluginOfTheSdk, leaves_memory_when_it_is_closed) {
    const auto path = std::string(BP_TEST_PLUGINS) + "/inspect_real.so";
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    EXPECT_NE(dlvsym(library, "bp_plugin_entry", "BP_PLUGIN_1"), nullptr);
    EXPECT_EQ(dlclose(library), 0);

    EXPECT_EQ(dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
}

}  // namespace
}  // namespace backplane::sdk
