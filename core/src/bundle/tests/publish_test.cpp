// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What publishers write is what boxes read: documents, descriptions of plug-ins, zips.
#include "bundle/publish.hpp"

#include <elf.h>
#include <gmock/gmock.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "backplane/inspect/inspect.hpp"
#include "bundle/archive.hpp"
#include "util/sha256.hpp"

namespace backplane::core::bundle {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Bytes = std::vector<std::byte>;

Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

Bytes read_build(const std::string& name) {
    std::ifstream file(std::string(BP_TEST_PLUGINS) + "/" + name + ".so", std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>{file}, {}};
    EXPECT_FALSE(content.empty()) << name << ".so was not built";
    return bytes_of(content);
}

/// A build for another machine: code nobody runs here, in a file that says what it is.
Bytes foreign_build() {
    Bytes bytes = read_build("other_arch");
    const bool here_is_arm =
        sdk::HostFacts::of_this_machine().arch == std::string{"aarch64-linux-gnu"};
    const std::uint16_t machine = here_is_arm ? EM_X86_64 : EM_AARCH64;
    std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    return bytes;
}

Time at(int year, unsigned month, unsigned day) {
    return std::chrono::sys_days{std::chrono::year{year} / static_cast<int>(month) /
                                 static_cast<int>(day)};
}

std::string code_of(const Result<ManifestPlugin>& result) {
    return result ? "accepted" : result.error().code;
}
std::string text_of(const Result<ManifestPlugin>& result) {
    return result ? "accepted" : result.error().text;
}

struct ARootDocument : testing::Test {
    ARootDocument() {
        for (const PublicKey& key : {root_key, release_key, vendor_key}) root.keys[key.id()] = key;
        root.bundle = "acme";
        root.version = 7;
        root.version_floor = 41;
        root.issued = at(2026, 11, 22) + std::chrono::hours{10};
        root.expires = at(2031, 1, 2);
        root.root = {{root_key.id()}, 1};
        root.release = {{root_key.id(), release_key.id()}, 2};
        root.delegations = {{"volt", {{vendor_key.id()}, 1}, "volt_", {"serial", "usb:04b8:*"}}};
    }
    PublicKey root_key = SecretKey::generate()->public_key();
    PublicKey release_key = SecretKey::generate()->public_key();
    PublicKey vendor_key = SecretKey::generate()->public_key();
    Root root;
};

TEST_F(ARootDocument, is_read_back_as_it_was_written) {
    const auto read = parse_root(bytes_of(write_root(root)));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->bundle, "acme");
    EXPECT_EQ(read->version, 7u);
    EXPECT_EQ(read->version_floor, 41u);
    EXPECT_EQ(read->issued, root.issued);
    EXPECT_EQ(read->expires, root.expires);
    EXPECT_EQ(read->keys, root.keys);
    EXPECT_EQ(read->root.key_ids, root.root.key_ids);
    EXPECT_EQ(read->release.key_ids, root.release.key_ids);
    EXPECT_EQ(read->release.threshold, 2u);
    ASSERT_EQ(read->delegations.size(), 1u);
    EXPECT_EQ(read->delegations[0].id, "volt");
    EXPECT_EQ(read->delegations[0].role.key_ids, root.delegations[0].role.key_ids);
    EXPECT_EQ(read->delegations[0].prefix, "volt_");
    EXPECT_THAT(read->delegations[0].caps, ElementsAre("serial", "usb:04b8:*"));
}

TEST_F(ARootDocument, is_text_that_people_can_compare_line_by_line) {
    const std::string text = write_root(root);
    EXPECT_TRUE(text.starts_with("{\n  \"_type\": \"root\",\n  \"spec\": 1,\n")) << text;
    EXPECT_TRUE(text.ends_with("\n}\n")) << text;
    EXPECT_THAT(text, HasSubstr("\n  \"issued\": \"2026-11-22T10:00:00Z\",\n"));
    EXPECT_THAT(text, HasSubstr("\n      \"caps\": [\n        \"serial\",\n"));
    EXPECT_EQ(text, write_root(root)) << "the same root must be the same bytes";
}

struct AReleaseDocument : testing::Test {
    AReleaseDocument() {
        release.bundle = "acme";
        release.version = 3;
        release.root_version = 2;
        release.issued = at(2026, 1, 1);
        release.expires = at(2027, 1, 1);
        release.min_host = "0.1.0";
        ManifestPlugin plugin;
        plugin.name = "acme_scale";
        plugin.id = "com.acme.scale";
        plugin.kind = "driver";
        plugin.version = "1.10.0";
        plugin.floor = "1.2.0";
        plugin.abi_minor = 4;
        plugin.caps = {"serial"};
        plugin.state_version = 2;
        plugin.accepts_state = {2, 1};
        plugin.health = {std::chrono::milliseconds{250}, std::chrono::milliseconds{1'500},
                         std::chrono::seconds{0}, 5};
        const std::string arch = "aarch64-linux-gnu";
        plugin.files[arch] = {plugin_file_name("driver", plugin.name, arch, plugin.version),
                              17,
                              sha256_hex(bytes_of("a")),
                              "2.28",
                              {"libc.so.6"}};
        plugin.notes = {{"de", "Schneller \"auf der Waage\"\nund genauer"}};
        release.plugins = {plugin};
        release.withdrawn = {{sha256_hex(bytes_of("b")), "loses weights"}};
    }
    Release release;
};

TEST_F(AReleaseDocument, is_read_back_as_it_was_written) {
    const auto read = parse_release(bytes_of(write_release(release)));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->version, 3u);
    EXPECT_EQ(read->root_version, 2u);
    EXPECT_EQ(read->min_host, "0.1.0");
    EXPECT_EQ(read->issued, release.issued);
    ASSERT_EQ(read->plugins.size(), 1u);
    const ManifestPlugin &plugin = read->plugins[0], &written = release.plugins[0];
    EXPECT_EQ(plugin.name, written.name);
    EXPECT_EQ(plugin.id, written.id);
    EXPECT_EQ(plugin.floor, "1.2.0");
    EXPECT_EQ(plugin.abi_major, 1u);
    EXPECT_EQ(plugin.abi_minor, 4u);
    EXPECT_EQ(plugin.caps, written.caps);
    EXPECT_EQ(plugin.state_version, 2u);
    EXPECT_THAT(plugin.accepts_state, ElementsAre(2, 1));
    EXPECT_EQ(plugin.health.ready, std::chrono::milliseconds{250});
    EXPECT_EQ(plugin.health.open, std::chrono::milliseconds{1'500});
    EXPECT_EQ(plugin.health.probation, std::chrono::seconds{0});
    EXPECT_EQ(plugin.health.actions, 5u);
    EXPECT_EQ(plugin.notes, written.notes);
    ASSERT_EQ(plugin.files.size(), 1u);
    const PluginFile& file = plugin.files.begin()->second;
    EXPECT_EQ(file.path, "drivers/acme_scale.aarch64-linux-gnu.so.1.10.0");
    EXPECT_EQ(file.length, 17u);
    EXPECT_EQ(file.sha256, sha256_hex(bytes_of("a")));
    EXPECT_EQ(file.glibc, "2.28");
    EXPECT_THAT(file.needed, ElementsAre("libc.so.6"));
    ASSERT_EQ(read->withdrawn.size(), 1u);
    EXPECT_EQ(read->withdrawn[0].reason, "loses weights");
}

TEST_F(AReleaseDocument, can_do_without_everything_that_is_optional) {
    release.min_host.clear();
    release.withdrawn.clear();
    ManifestPlugin& plugin = release.plugins[0];
    plugin.floor.clear();
    plugin.caps.clear();
    plugin.accepts_state.clear();
    plugin.notes.clear();
    plugin.files.begin()->second.glibc.clear();
    plugin.files.begin()->second.needed.clear();
    const auto read = parse_release(bytes_of(write_release(release)));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->min_host, "");
    EXPECT_EQ(read->plugins[0].floor, "");
    EXPECT_EQ(read->plugins[0].files.begin()->second.glibc, "");
    release.plugins.clear();
    const auto empty = parse_release(bytes_of(write_release(release)));
    ASSERT_TRUE(empty) << empty.error().text;
    EXPECT_TRUE(empty->plugins.empty());
}

TEST_F(AReleaseDocument, of_a_vendor_is_no_release) {
    release.vendor = "volt";
    const Bytes bytes = bytes_of(write_vendor(release));
    const auto vendor = parse_vendor(bytes);
    ASSERT_TRUE(vendor) << vendor.error().text;
    EXPECT_EQ(vendor->vendor, "volt");
    EXPECT_EQ(vendor->plugins.size(), 1u);
    const auto release_of_it = parse_release(bytes);
    ASSERT_FALSE(release_of_it);
    EXPECT_EQ(release_of_it.error().code, "E_TYPE");
}

TEST(ADescribedPlugin, says_what_its_note_and_its_file_say) {
    const Bytes build = read_build("good");
    const auto plugin = describe_plugin({build});
    ASSERT_TRUE(plugin) << plugin.error().text;
    const std::string arch = sdk::HostFacts::of_this_machine().arch;
    EXPECT_EQ(plugin->name, "good");
    EXPECT_EQ(plugin->id, "com.example.good");
    EXPECT_EQ(plugin->kind, "driver");
    EXPECT_EQ(plugin->version, "1.2.3");
    EXPECT_EQ(plugin->abi_major, 1u);
    EXPECT_EQ(plugin->abi_minor, 0u);
    EXPECT_THAT(plugin->caps, ElementsAre("serial"));
    EXPECT_EQ(plugin->floor, "");
    ASSERT_EQ(plugin->files.size(), 1u);
    const PluginFile& file = plugin->files.at(arch);
    EXPECT_EQ(file.path, "drivers/good." + arch + ".so.1.2.3");
    EXPECT_EQ(file.length, build.size());
    EXPECT_EQ(file.sha256, sha256_hex(build));
}

TEST(ADescribedPlugin, has_builds_for_machines_other_than_the_authors) {
    const auto plugin = describe_plugin({read_build("good"), foreign_build()});
    ASSERT_TRUE(plugin) << plugin.error().text;
    ASSERT_EQ(plugin->files.size(), 2u);
    for (const auto& [arch, file] : plugin->files)
        EXPECT_EQ(file.path, "drivers/good." + arch + ".so.1.2.3");
    // An ABI that this program does not have yet is the box's business.
    const auto newer = describe_plugin({read_build("abi_minor")});
    ASSERT_TRUE(newer) << newer.error().text;
    EXPECT_EQ(newer->abi_minor, 99u);
}

TEST(ADescribedPlugin, needs_builds_that_agree) {
    EXPECT_EQ(code_of(describe_plugin({})), "E_NOTE");
    const auto twice = describe_plugin({read_build("good"), read_build("good")});
    EXPECT_EQ(code_of(twice), "E_NOTE");
    EXPECT_EQ(text_of(twice), "there are two builds of good 1.2.3 for " +
                                  sdk::HostFacts::of_this_machine().arch +
                                  ": give one for each architecture");
    const auto different = describe_plugin({foreign_build(), read_build("abi_minor")});
    EXPECT_EQ(code_of(different), "E_NOTE");
    EXPECT_EQ(text_of(different),
              "the builds of good 1.2.3 do not agree: they have the plug-in ABIs \"1.0\" and "
              "\"1.99\": build all architectures from the same source");
}

TEST(ADescribedPlugin, is_refused_for_what_a_box_would_refuse) {
    const std::map<std::string, std::string> expected{
        {"no_note", "E_NOTE"},         {"two_notes", "E_NOTE"},  {"cut_json", "E_NOTE"},
        {"member", "E_NOTE"},          {"other_arch", "E_NOTE"}, {"schema_2", "E_NOTE"},
        {"executable_stack", "E_ELF"}, {"rpath", "E_ELF"},       {"lazy", "E_ELF"},
        {"no_relro", "E_ELF"},         {"no_entry", "E_ELF"},    {"foreign_library", "E_ELF"},
        {"program", "E_ELF"},          {"two_exports", "E_ELF"}, {"text_relocation", "E_ELF"}};
    for (const auto& [name, code] : expected) {
        const auto plugin = describe_plugin({read_build(name)});
        EXPECT_EQ(code_of(plugin), code) << name << ": " << text_of(plugin);
    }
    EXPECT_THAT(text_of(describe_plugin({read_build("rpath")})), HasSubstr("/opt/somewhere"));
    EXPECT_EQ(code_of(describe_plugin({bytes_of("no ELF at all")})), "E_ELF");
    EXPECT_EQ(code_of(describe_plugin({Bytes{}})), "E_ELF");
    Bytes cut = read_build("good");
    cut.resize(cut.size() / 2);
    EXPECT_EQ(code_of(describe_plugin({cut})), "E_ELF");
}

TEST(ADescribedPlugin, has_a_version_that_fits_into_a_file_name) {
    // 1.2.3-rc.1+build.7
    const auto plugin = describe_plugin({read_build("inspect_real")});
    EXPECT_EQ(code_of(plugin), "E_NAME");
    EXPECT_THAT(text_of(plugin), HasSubstr("inspect_real 1.2.3-rc.1+build.7"));
    EXPECT_THAT(text_of(plugin), HasSubstr("use a version such as 1.2.3 or 1.2.3-rc.1"));
}

struct AZip : testing::Test {
    Files files{{"drivers/backplane.acme.release.json", bytes_of("{}\n")},
                {"drivers/empty.x86_64-linux-gnu.so.1.0.0", {}},
                {"drivers/foreign.py", bytes_of("import this\n")},
                {"interfaces/large.x86_64-linux-gnu.so.1.0.0", Bytes(300'000, std::byte{7})}};
};

TEST_F(AZip, is_one_that_a_box_opens) {
    const auto zip = zip_files(files);
    ASSERT_TRUE(zip) << zip.error().text;
    EXPECT_LT(zip->size(), 10'000u) << "it must be deflated";
    const auto archive = Archive::open(*zip);
    ASSERT_TRUE(archive) << archive.error().text;
    EXPECT_EQ(archive->names().size(), 3u);
    EXPECT_EQ(archive->foreign_files(), 1u);
    for (const std::string& name : archive->names()) {
        const auto content = archive->read(name, 300'000);
        ASSERT_TRUE(content) << content.error().text;
        EXPECT_EQ(*content, files.at(name)) << name;
    }
}

TEST_F(AZip, is_the_same_for_the_same_files) {
    EXPECT_EQ(*zip_files(files), *zip_files(files));
    Files others = files;
    others["drivers/foreign.py"] = bytes_of("import that\n");
    EXPECT_NE(*zip_files(files), *zip_files(others));
}

TEST_F(AZip, of_nothing_is_an_archive_of_nothing) {
    const auto zip = zip_files({});
    ASSERT_TRUE(zip) << zip.error().text;
    const auto archive = Archive::open(*zip);
    ASSERT_TRUE(archive) << archive.error().text;
    EXPECT_TRUE(archive->names().empty());
}

TEST_F(AZip, that_no_box_would_take_is_not_made) {
    // Numbers without a pattern, which deflate cannot make smaller.
    Bytes noise(k_archive_bytes + 1'000);
    std::uint64_t state = 42;
    for (std::byte& each : noise) {
        state = state * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
        each = static_cast<std::byte>(state >> 56);
    }
    const auto zip = zip_files({{"drivers/noise.x86_64-linux-gnu.so.1.0.0", noise}});
    ASSERT_FALSE(zip);
    EXPECT_EQ(zip.error().code, "E_SIZE");
    EXPECT_THAT(zip.error().text, HasSubstr("a box takes at most 32"));
}

TEST(AnAddedSignature, lies_where_a_box_looks_and_fits) {
    const auto key = SecretKey::generate();
    ASSERT_TRUE(key);
    Files files{{"drivers/backplane.acme.release.json", bytes_of("{}\n")}};
    add_signature(files, "drivers/backplane.acme.release.json", *key, "release 3 of acme");
    ASSERT_EQ(files.size(), 2u);
    const std::string name =
        signature_name("drivers/backplane.acme.release.json", key->public_key());
    ASSERT_TRUE(files.contains(name)) << files.rbegin()->first;
    EXPECT_TRUE(is_bundle_name(name)) << name;
    const std::string text{reinterpret_cast<const char*>(files[name].data()), files[name].size()};
    const auto signature = Signature::parse(text);
    ASSERT_TRUE(signature) << signature.error().text;
    EXPECT_EQ(signature->trusted_comment, "release 3 of acme");
    EXPECT_TRUE(verify(key->public_key(), *signature, bytes_of("{}\n")));
    EXPECT_FALSE(verify(key->public_key(), *signature, bytes_of("{ }\n")));
}

}  // namespace
}  // namespace backplane::core::bundle
