// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The documents of a bundle: what is refused, with which words, and what is understood.
#include "bundle/metadata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bundle/archive.hpp"
#include "publisher.hpp"

namespace backplane::core::bundle::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string good_release() {
    return write_release(Publisher{}.release.manifest);
}
std::string good_root() {
    return write_root(Publisher{}.roots.front().root);
}

Error release_error(const std::string& text) {
    const auto release = parse_release(bytes_of(text));
    return release ? Error{"", "it was accepted"} : release.error();
}
Error root_error(const std::string& text) {
    const auto root = parse_root(bytes_of(text));
    return root ? Error{"", "it was accepted"} : root.error();
}

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

// ---- JSON ----------------------------------------------------------------------------------------------------------

struct Wrong {
    const char* name;
    std::function<void(std::string&)> edit;
    const char* reason;
};
void PrintTo(const Wrong& wrong, std::ostream* out) {
    *out << wrong.name;
}

class AReleaseManifest : public ::testing::TestWithParam<Wrong> {};

TEST_P(AReleaseManifest, is_refused) {
    std::string text = good_release();
    ASSERT_EQ(release_error(text).text, "it was accepted");
    GetParam().edit(text);
    const auto error = release_error(text);
    EXPECT_EQ(error.code, "E_TYPE");
    EXPECT_THAT(error.text, AllOf(StartsWith("the release manifest "), HasSubstr(GetParam().reason),
                                  HasSubstr(": ask its publisher for a corrected bundle")));
}

auto instead(const char* from, const char* to) {
    return [from, to](std::string& text) { replace(text, from, to); };
}
auto all(const char* to) {
    return [to](std::string& text) { text = to; };
}
auto member(const char* text) {
    return [text](std::string& out) { replace(out, "{", std::string{"{"} + text + ","); };
}

const Wrong k_wrong[] = {
    {"empty", all(""), "is not valid JSON"},
    {"cut", [](std::string& text) { text.resize(text.size() / 2); }, "is not valid JSON"},
    {"with_a_tail", [](std::string& text) { text += "{}"; }, "is not valid JSON"},
    {"with_a_byte_order_mark", [](std::string& text) { text.insert(0, "\xef\xbb\xbf"); },
     "is not valid JSON"},
    {"of_nul_bytes", [](std::string& text) { text.assign(100, '\0'); }, "is not valid JSON"},
    {"with_a_comment", member("/* hello */ \"a\": 1"), "is not valid JSON"},
    {"with_a_comma_too_many", member("\"a\": [1,]"), "is not valid JSON"},
    {"not_in_utf_8", member("\"a\": \"\xff\""), "is not valid JSON"},
    {"with_utf_8_that_is_too_long", member("\"a\": \"\xc0\xaf\""), "is not valid JSON"},
    {"with_half_a_character", member("\"a\": \"\\ud800\""), "is not valid JSON"},
    {"that_is_a_list", all("[]"), "is JSON, but not an object"},
    {"that_is_a_number", all("7"), "is JSON, but not an object"},
    {"with_a_member_twice", member("\"a\": 1, \"a\": 1"), "the member \"a\" twice"},
    {"with_a_member_twice_by_an_escape", member("\"a\": 1, \"\\u0061\": 1"),
     "the member \"a\" twice"},
    {"with_a_member_twice_deep_down", member("\"x\": [{\"y\": {\"b\": 1, \"b\": 2}}]"),
     "the member \"b\" twice"},
    {"with_a_fraction", member("\"a\": 1.5"), "the number \"1.5\", but only integers"},
    {"with_a_whole_fraction", member("\"a\": 1.0"), "only integers"},
    {"with_an_exponent", member("\"a\": 1e3"), "the number \"1e3\", but only integers"},
    {"with_a_number_beyond_64_bits", member("\"a\": 99999999999999999999"), "only integers"},
    {"with_an_enormous_exponent", member("\"a\": 1e999999999"), "only integers"},
    {"with_not_a_number", member("\"a\": NaN"), "is not valid JSON"},
    {"nested_too_deeply",
     [](std::string& text) { replace(text, "{", "{\"a\":" + nested(16) + ","); },
     "nested more than 16 levels"},
    {"nested_very_deeply", [](std::string& text) { text = std::string(200'000, '['); },
     "nested more than 16 levels"},
    {"longer_than_any", [](std::string& text) { text.append(k_metadata_bytes, ' '); },
     "but at most 262144 are allowed"},
    // ---- members
    {"of_another_type", instead("\"release\"", "\"root\""),
     "\"_type\": it is \"root\", but must be \"release\""},
    {"without_a_type", instead("_type", "type"), "\"_type\": it is missing"},
    {"of_a_later_format", instead("\"spec\": 1", "\"spec\": 2"),
     "\"spec\": it must be an integer from 1 to 1"},
    {"whose_format_is_text", instead("\"spec\": 1", "\"spec\": \"1\""), "\"spec\""},
    {"of_a_bundle_with_a_path", instead("\"acme\"", "\"../acme\""),
     "\"bundle\": it is \"../acme\", but must be 1 to 32 of a-z"},
    {"of_version_0", instead("\"version\": 5", "\"version\": 0"),
     "\"version\": it must be an integer from 1 to 9007199254740991"},
    {"of_a_negative_version", instead("\"version\": 5", "\"version\": -5"), "\"version\""},
    {"of_a_version_that_not_all_can_read",
     instead("\"version\": 5", "\"version\": 9007199254740992"), "\"version\""},
    {"of_a_version_in_words", instead("\"version\": 5", "\"version\": \"5\""), "\"version\""},
    {"with_a_time_without_a_zone", instead("2027-05-01T00:00:00Z", "2027-05-01T00:00:00"),
     "must be a time in UTC such as 2026-11-22T10:00:00Z"},
    {"with_a_time_of_another_zone", instead("2027-05-01T00:00:00Z", "2027-05-01T00:00:00+01:00"),
     "\"expires\""},
    {"with_a_day_that_never_was", instead("2027-05-01", "2027-02-29"), "\"expires\""},
    {"with_a_leap_second", instead("2027-05-01T00:00:00Z", "2027-05-01T23:59:60Z"), "\"expires\""},
    {"with_a_time_before_all_boxes", instead("2027-05-01", "1969-12-31"), "\"expires\""},
    {"that_expires_before_it_was_issued", instead("2027-05-01", "2026-10-01"),
     "\"expires\": it is not after \"issued\""},
    {"without_a_root_version", instead("\"root_version\"", "\"route_version\""),
     "\"root_version\": it is missing"},
    {"for_a_host_of_a_strange_version", member("\"min_host\": \"new\""), "\"min_host\""},
    {"without_plug_ins", instead("\"drivers\"", "\"driver\""), "\"drivers\": it is missing"},
    {"whose_plug_ins_are_no_list", all(R"({"_type":"release","spec":1,"bundle":"acme","version":1,
       "issued":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z","root_version":1,"drivers":{}})"),
     "\"drivers\": it must be a list of at most 256"},
    {"whose_plug_in_is_no_object", all(R"({"_type":"release","spec":1,"bundle":"acme","version":1,
       "issued":"2026-01-01T00:00:00Z","expires":"2027-01-01T00:00:00Z","root_version":1,"drivers":[7]})"),
     "\"drivers\": it must be a list of objects"},
    {"with_a_plug_in_of_a_strange_kind", instead("\"driver\"", "\"virus\""),
     "\"drivers[0].kind\": it is \"virus\", but must be \"driver\" or \"interface\""},
    {"with_a_plug_in_of_a_strange_name", instead("\"acme_scale\"", "\"Acme Scale\""),
     "\"drivers[0].name\""},
    {"with_a_plug_in_of_a_strange_id", instead("com.example.acme_scale", "..x"),
     "\"drivers[0].id\""},
    {"with_a_plug_in_of_a_strange_version", instead("\"1.1.0\"", "\"1.1\""),
     "\"drivers[0].version\""},
    {"with_a_strange_floor", instead("\"abi\"", "\"floor\": \"x\", \"abi\""),
     "\"drivers[0].floor\""},
    {"with_a_strange_abi", instead("\"backplane\": \"1.0\"", "\"backplane\": \"1\""),
     "\"drivers[0].abi.backplane\""},
    {"with_an_abi_of_many_digits",
     instead("\"backplane\": \"1.0\"", "\"backplane\": \"1.4294967296\""),
     "\"drivers[0].abi.backplane\""},
    {"with_a_permission_that_nobody_knows", instead("\"serial\"", "\"telepathy\""),
     "\"drivers[0].caps\": it has an entry \"telepathy\", but each must be a permission that this "
     "box knows"},
    {"with_a_permission_twice", instead("\"serial\"", "\"serial\", \"serial\""),
     "has the entry \"serial\" twice"},
    {"with_too_much_patience", instead("\"ready_ms\": 5000", "\"ready_ms\": 60001"),
     "\"drivers[0].health.ready_ms\""},
    {"with_a_path_of_another_plug_in", instead("drivers/acme_scale", "drivers/other_scale"),
     ".path\""},
    {"with_a_path_that_climbs_out", instead("drivers/acme_scale", "../drivers/acme_scale"),
     ".path\""},
    {"with_an_empty_build", instead("\"length\": ", "\"length\": 0, \"was\": "), ".length\""},
    {"with_a_build_larger_than_any", instead("\"length\": ", "\"length\": 33554433, \"was\": "),
     ".length\""},
    {"with_half_a_hash", instead("\"sha256\": \"", "\"sha256\": \"00\", \"was\": \""),
     "64 lower-case hex digits"},
    {"with_a_strange_c_library", instead("\"needed\"", "\"glibc\": \"new\", \"needed\""),
     ".glibc\""},
    {"with_two_entries_of_one_version",
     [](std::string& text) {
         Release release = Publisher{}.release.manifest;
         release.plugins.push_back(release.plugins.front());
         text = write_release(release);
     },
     "\"drivers[1].version\": it is that of another entry with the same name"},
    {"with_one_name_for_two_plug_ins",
     [](std::string& text) {
         Publisher publisher;
         publisher.add_plugin({.id = "com.example.another", .version = "1.2.0"});
         text = write_release(publisher.release.manifest);
     },
     "\"drivers[1].id\""},
    {"with_a_reason_that_a_terminal_would_obey",
     instead("\"withdrawn\": []",
             "\"withdrawn\": [{\"sha256\": "
             "\"0000000000000000000000000000000000000000000000000000000000000000\", "
             "\"reason\": \"\\u001b[2J\"}]"),
     "\"withdrawn[0].reason\""},
};

INSTANTIATE_TEST_SUITE_P(Wrong, AReleaseManifest, ::testing::ValuesIn(k_wrong),
                         [](const auto& each) { return std::string{each.param.name}; });

TEST(TheReleaseManifest, may_be_nested_as_deeply_as_the_limit) {
    std::string text = good_release();
    replace(text, "{", "{\"a\":" + nested(15) + ",");
    EXPECT_EQ(release_error(text).text, "it was accepted");
}

TEST(TheReleaseManifest, never_repeats_control_characters_of_a_stranger) {
    std::string text = good_release();
    replace(text, "\"acme\"", "\"a\\u001b[31m\\u202e\"");
    const auto error = release_error(text);
    EXPECT_EQ(error.text.find('\x1b'), std::string::npos);
    EXPECT_EQ(error.text.find("\u202e"), std::string::npos);
    EXPECT_THAT(error.text, HasSubstr("\\x1b"));
}

TEST(TheReleaseManifest, comes_back_as_it_was_written) {
    Publisher publisher;
    Release& release = publisher.release.manifest;
    release.min_host = "0.1.0";
    release.withdrawn.push_back({std::string(64, 'a'), "it burns"});
    ManifestPlugin& plugin = release.plugins.front();
    plugin.floor = "1.0.0";
    plugin.state_version = 3;
    plugin.accepts_state = {1, 2};
    plugin.health = {std::chrono::milliseconds{1'500}, std::chrono::milliseconds{2'500},
                     std::chrono::seconds{42}, 7};
    plugin.notes = {{"de", "Schneller"}, {"en", "Faster\nand smaller"}};
    const auto parsed = parse_release(bytes_of(write_release(release)));
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(parsed->bundle, "acme");
    EXPECT_EQ(parsed->vendor, "");
    EXPECT_EQ(parsed->version, 5u);
    EXPECT_EQ(parsed->root_version, 1u);
    EXPECT_EQ(parsed->issued, release.issued);
    EXPECT_EQ(parsed->expires, release.expires);
    EXPECT_EQ(parsed->min_host, "0.1.0");
    ASSERT_EQ(parsed->withdrawn.size(), 1u);
    EXPECT_EQ(parsed->withdrawn[0].reason, "it burns");
    ASSERT_EQ(parsed->plugins.size(), 1u);
    const ManifestPlugin& found = parsed->plugins[0];
    EXPECT_EQ(found.name, "acme_scale");
    EXPECT_EQ(found.id, "com.example.acme_scale");
    EXPECT_EQ(found.kind, "driver");
    EXPECT_EQ(found.version, "1.1.0");
    EXPECT_EQ(found.floor, "1.0.0");
    EXPECT_EQ(found.abi_major, 1u);
    EXPECT_EQ(found.abi_minor, 0u);
    EXPECT_THAT(found.caps, ElementsAre("serial"));
    EXPECT_EQ(found.state_version, 3u);
    EXPECT_THAT(found.accepts_state, ElementsAre(1u, 2u));
    EXPECT_EQ(found.health.ready, std::chrono::milliseconds{1'500});
    EXPECT_EQ(found.health.open, std::chrono::milliseconds{2'500});
    EXPECT_EQ(found.health.probation, std::chrono::seconds{42});
    EXPECT_EQ(found.health.actions, 7u);
    EXPECT_EQ(found.notes, plugin.notes);
    ASSERT_EQ(found.files.size(), 1u);
    const PluginFile& file = found.files.begin()->second;
    const PluginFile& written = plugin.files.begin()->second;
    EXPECT_EQ(file.path, written.path);
    EXPECT_EQ(file.length, written.length);
    EXPECT_EQ(file.sha256, written.sha256);
    EXPECT_EQ(file.glibc, written.glibc);
    EXPECT_EQ(file.needed, written.needed);
    EXPECT_EQ(write_release(*parsed), write_release(release));
}

TEST(TheReleaseManifest, leaves_out_what_has_a_default) {
    std::string text = good_release();
    for (const char* name :
         {"\"health\"", "\"state_version\"", "\"accepts_state\"", "\"withdrawn\""})
        replace(text, name, "\"unknown_" + std::string{name + 1});
    const auto release = parse_release(bytes_of(text));
    ASSERT_TRUE(release) << release.error().text;
    EXPECT_EQ(release->plugins[0].health.ready, std::chrono::seconds{5});
    EXPECT_EQ(release->plugins[0].health.probation, std::chrono::minutes{10});
    EXPECT_EQ(release->plugins[0].state_version, 0u);
    EXPECT_EQ(release->min_host, "");
}

TEST(TheVendorManifest, must_name_its_vendor) {
    std::string text = good_release();
    replace(text, "\"release\"", "\"vendor\"");
    const auto nameless = parse_vendor(bytes_of(text));
    ASSERT_FALSE(nameless);
    EXPECT_THAT(nameless.error().text,
                HasSubstr("the vendor manifest has a wrong member \"vendor\": "
                          "it is missing"));
    replace(text, "\"bundle\"", "\"vendor\": \"blue\", \"bundle\"");
    const auto vendor = parse_vendor(bytes_of(text));
    ASSERT_TRUE(vendor) << vendor.error().text;
    EXPECT_EQ(vendor->vendor, "blue");
    EXPECT_FALSE(parse_release(bytes_of(text)));
}

// ---- root ----------------------------------------------------------------------------------------------------------

TEST(ARootDocument, comes_back_as_it_was_written) {
    const Root root = Publisher{}.roots.front().root;
    const auto parsed = parse_root(bytes_of(write_root(root)));
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(parsed->bundle, root.bundle);
    EXPECT_EQ(parsed->version, root.version);
    EXPECT_EQ(parsed->version_floor, root.version_floor);
    EXPECT_EQ(parsed->issued, root.issued);
    EXPECT_EQ(parsed->expires, root.expires);
    EXPECT_EQ(parsed->keys, root.keys);
    EXPECT_EQ(parsed->root.key_ids, root.root.key_ids);
    EXPECT_EQ(parsed->root.threshold, 2u);
    EXPECT_EQ(parsed->release.key_ids, root.release.key_ids);
    ASSERT_EQ(parsed->delegations.size(), 1u);
    EXPECT_EQ(parsed->delegations[0].id, "blue");
    EXPECT_EQ(parsed->delegations[0].prefix, "blue_");
    EXPECT_EQ(parsed->delegations[0].role.key_ids, root.delegations[0].role.key_ids);
    EXPECT_THAT(parsed->delegations[0].caps, ElementsAre("serial"));
    EXPECT_EQ(write_root(*parsed), write_root(root));
}

struct WrongRoot {
    const char* name;
    std::function<void(std::string&)> edit;
    const char* code;
    const char* reason;
};
void PrintTo(const WrongRoot& wrong, std::ostream* out) {
    *out << wrong.name;
}

class ARoot : public ::testing::TestWithParam<WrongRoot> {};

TEST_P(ARoot, is_refused) {
    std::string text = good_root();
    GetParam().edit(text);
    const auto error = root_error(text);
    EXPECT_EQ(error.code, GetParam().code);
    EXPECT_THAT(error.text, AllOf(StartsWith("the root "), HasSubstr(GetParam().reason),
                                  HasSubstr(": ask its publisher")));
}

template <typename Change>
auto changed(Change change) {
    return [change](std::string& text) {
        Root root = Publisher{}.roots.front().root;
        change(root);
        text = write_root(root);
    };
}

const WrongRoot k_wrong_roots[] = {
    {"of_another_type", instead("\"root\"", "\"release\""), "E_TYPE", "\"_type\""},
    {"with_a_fraction_as_its_version", instead("\"version\": 1", "\"version\": 1.0"), "E_TYPE",
     "only integers"},
    {"without_keys", instead("\"keys\"", "\"locks\""), "E_TYPE", "\"keys\": it is missing"},
    {"without_roles", instead("\"roles\"", "\"rolls\""), "E_TYPE", "\"roles\": it is missing"},
    {"without_the_role_of_release", instead("\"release\"", "\"relief\""), "E_TYPE",
     "\"roles.release\": it is missing"},
    {"without_key_ids", instead("\"keyids\"", "\"keyholes\""), "E_TYPE",
     ".keyids\": it is missing"},
    {"with_a_key_of_a_strange_kind", instead("ed25519", "rsa"), "E_TYPE",
     "must be \"ed25519\", the only kind of key"},
    {"with_a_strange_scheme", instead("minisign", "pgp"), "E_TYPE", "must be \"minisign\""},
    {"with_a_key_that_is_none", instead("\"public\": \"RW", "\"public\": \"??"), "E_TYPE",
     "cannot be read"},
    {"with_an_id_that_is_not_that_of_the_key",
     [](std::string& text) {
         const auto id = key(15).public_key().id();
         replace(text, "\"" + id + "\": {", "\"" + std::string(32, '0') + "\": {");
     },
     "E_ROOT", "calls a key \"00000000000000000000000000000000\""},
    {"with_more_signatures_wanted_than_keys",
     changed([](Root& root) { root.release.threshold = 4; }), "E_ROOT",
     "wants 4 signatures for the role of release, which has only 3 keys"},
    {"with_a_role_without_keys", changed([](Root& root) { root.root.key_ids.clear(); }), "E_ROOT",
     "for the role of root, which has only 0 keys"},
    {"with_a_vendor_of_an_unlisted_key",
     changed([](Root& root) { root.delegations[0].role = role_of({22}, 1); }), "E_ROOT",
     "gives the role of a vendor to the key"},
    {"with_two_vendors_of_one_id", changed([](Root& root) {
         root.delegations.push_back(root.delegations[0]);
         root.delegations[1].prefix = "red_";
     }),
     "E_ROOT", "two delegations with the id \"blue\""},
    {"with_overlapping_prefixes", changed([](Root& root) {
         root.delegations.push_back(root.delegations[0]);
         root.delegations[1].id = "bl";
         root.delegations[1].prefix = "bl";
     }),
     "E_ROOT", "gives names that begin with \"bl\" to \"bl\""},
    {"with_a_ceiling_that_nobody_knows",
     changed([](Root& root) { root.delegations[0].caps = {"everything"}; }), "E_TYPE",
     "\"delegations[0].caps\""},
    {"that_expires_when_it_was_issued", changed([](Root& root) { root.expires = root.issued; }),
     "E_ROOT", "expires before it was issued"},
};

INSTANTIATE_TEST_SUITE_P(Wrong, ARoot, ::testing::ValuesIn(k_wrong_roots),
                         [](const auto& each) { return std::string{each.param.name}; });

// ---- names and versions --------------------------------------------------------------------------------------------

TEST(NamesInABundle, are_what_the_format_says) {
    EXPECT_EQ(root_name("acme", 12), "drivers/backplane.acme.root.12.json");
    EXPECT_EQ(release_name("acme"), "drivers/backplane.acme.release.json");
    EXPECT_EQ(vendor_name("acme", "blue"), "drivers/backplane.acme.vendor.blue.json");
    PublicKey key;
    key.hint = {0xab, 0xcd, 0, 0, 0, 0, 0, 0xef};
    const auto name = signature_name("a.json", key);
    EXPECT_EQ(
        name, "a.json." + [&] {
            std::string hint = key.hint_text();
            for (char& c : hint) c = static_cast<char>(std::tolower(c));
            return hint;
        }() + ".minisig");
    EXPECT_EQ(plugin_file_name("driver", "acme_scale", "aarch64-linux-gnu", "1.2.3"),
              "drivers/acme_scale.aarch64-linux-gnu.so.1.2.3");
    EXPECT_EQ(plugin_file_name("interface", "usb", "x86_64-linux-gnu", "1.0.0-rc.1"),
              "interfaces/usb.x86_64-linux-gnu.so.1.0.0-rc.1");
    const std::string longest(32, 'a');
    EXPECT_TRUE(
        is_bundle_name(signature_name(vendor_name(std::string(8, 'a'), std::string(8, 'b')), key)));
    EXPECT_TRUE(is_plain_id(longest));
    EXPECT_FALSE(is_plain_id(longest + "a"));
    for (const char* wrong : {"", "1a", "_a", "A", "a.b", "a/b", "a b", "\xc3\xa4"})
        EXPECT_FALSE(is_plain_id(wrong)) << wrong;
}

TEST(Versions, have_the_order_of_semantic_versioning) {
    const char* ascending[] = {"0.0.0",
                               "0.0.1-0",
                               "0.0.1",
                               "0.9.0",
                               "0.10.0",
                               "1.0.0-1",
                               "1.0.0-2",
                               "1.0.0-10",
                               "1.0.0-alpha",
                               "1.0.0-alpha.1",
                               "1.0.0-alpha.beta",
                               "1.0.0-beta",
                               "1.0.0-beta.2",
                               "1.0.0-beta.11",
                               "1.0.0-rc.1",
                               "1.0.0",
                               "1.0.1",
                               "2.0.0",
                               "999999999.0.0"};
    for (std::size_t i = 0; i < std::size(ascending); ++i) {
        for (std::size_t k = 0; k < std::size(ascending); ++k) {
            const auto order = compare_versions(ascending[i], ascending[k]);
            ASSERT_TRUE(order) << ascending[i] << " and " << ascending[k];
            EXPECT_EQ(*order < 0, i < k) << ascending[i] << " and " << ascending[k];
            EXPECT_EQ(*order > 0, i > k) << ascending[i] << " and " << ascending[k];
        }
    }
    EXPECT_EQ(compare_versions("1.0.0+a", "1.0.0+b"), 0);
    EXPECT_EQ(compare_versions("1.0.0-rc.1+5", "1.0.0-rc.1"), 0);
}

TEST(Versions, are_not_guessed) {
    for (const char* wrong : {"",
                              "1",
                              "1.2",
                              "1.2.",
                              "1.2.3.",
                              "1.2.3.4",
                              "v1.2.3",
                              "1.2.x",
                              "01.2.3",
                              "1.02.3",
                              "1.2.3-",
                              "1.2.3-a..b",
                              "1.2.3-01",
                              "1.2.3+",
                              " 1.2.3",
                              "1.2.3 ",
                              "-1.2.3",
                              "1..3",
                              ".1.2",
                              "1.2.3-a_b",
                              "1.2.1234567890",
                              "\xd9\xa1.2.3"}) {
        EXPECT_FALSE(compare_versions(wrong, "1.0.0")) << wrong;
        EXPECT_FALSE(compare_versions("1.0.0", wrong)) << wrong;
    }
    EXPECT_FALSE(compare_versions("1.0.0-" + std::string(70, 'a'), "1.0.0"));
}

}  // namespace
}  // namespace backplane::core::bundle::testing
