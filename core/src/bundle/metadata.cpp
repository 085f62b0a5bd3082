// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/metadata.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "backplane/inspect/inspect.hpp"
#include "bundle/archive.hpp"
#include "bundle/strict_json.hpp"
#include "bundle/verify.hpp"
#include "util/utf8.hpp"

namespace backplane::core::bundle {
namespace {

namespace json = boost::json;
using std::string_view;

constexpr std::size_t k_keys = 32;
constexpr std::size_t k_role_keys = 16;
constexpr std::size_t k_delegations = 32;
constexpr std::size_t k_plugins = 256;
constexpr std::size_t k_caps = 64;
constexpr std::size_t k_architectures = 16;
constexpr std::size_t k_needed = 64;
constexpr std::size_t k_states = 64;
constexpr std::size_t k_languages = 64;
constexpr std::size_t k_note_bytes = 4'096;
constexpr std::size_t k_reason_bytes = 500;
constexpr std::size_t k_withdrawn = 2'048;

// --- what single values must look like ---

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

template <typename Allowed>
bool consists_of(string_view text, std::size_t most, Allowed allowed) {
    return !text.empty() && text.size() <= most && std::all_of(text.begin(), text.end(), allowed);
}

bool is_hex(string_view text, std::size_t digits) {
    return text.size() == digits &&
           consists_of(text, digits, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

bool is_version(string_view text) {
    return compare_versions(text, text).has_value();
}

bool is_plugin_id(string_view text) {
    return consists_of(text, 128,
                       [](char c) {
                           return is_lower(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
                       }) &&
           text.find('.') != string_view::npos && text.find("..") == string_view::npos &&
           text.front() != '.' && text.back() != '.';
}

bool is_architecture(string_view text) {
    return consists_of(text, 32,
                       [](char c) { return is_lower(c) || is_digit(c) || c == '_' || c == '-'; });
}

bool is_library(string_view text) {
    return consists_of(text, 256, [](char c) { return c > ' ' && c <= '~'; });
}

bool is_language(string_view text) {
    return consists_of(text, 16, [](char c) {
        return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
    });
}

/// Words for people that a terminal or a page cannot mistake for a command.
bool is_printable(string_view text, std::size_t most) {
    return text.size() <= most && to_printable(text, 8 * text.size() + 8) == text;
}

bool is_lines(string_view text) {
    if (text.size() > k_note_bytes) return false;
    std::string flat{text};
    std::replace(flat.begin(), flat.end(), '\n', ' ');
    return is_printable(flat, k_note_bytes);
}

std::optional<unsigned> digits(string_view text, std::size_t at, std::size_t count) {
    unsigned value = 0;
    for (const char c : text.substr(at, count)) {
        if (!is_digit(c)) return std::nullopt;
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value;
}

/// "2026-11-22T10:00:00Z" and nothing else: no fractions, no zones, no leap seconds.
std::optional<Time> read_time(string_view text) {
    constexpr string_view k_form = "0000-00-00T00:00:00Z";
    if (text.size() != k_form.size()) return std::nullopt;
    for (const std::size_t at : {4u, 7u, 10u, 13u, 16u, 19u}) {
        if (text[at] != k_form[at]) return std::nullopt;
    }
    const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2),
               second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (*year < 1970 || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                           std::chrono::month{*month}, std::chrono::day{*day}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
           std::chrono::seconds{*second};
}

Time take_time(const Members& members, string_view name) {
    const auto text = members.text(
        name, [](string_view value) { return read_time(value).has_value(); },
        "a time in UTC such as 2026-11-22T10:00:00Z");
    return read_time(text).value_or(Time{});
}

std::string take_id(const Members& members, string_view name) {
    return members.text(name, is_plain_id, "1 to 32 of a-z, 0-9, _ and -, with a letter first");
}

std::vector<std::string> take_caps(const Members& members) {
    return members.texts("caps", k_caps, is_known_cap,
                         "a permission that this box knows, such as \"serial\"");
}

// --- what all documents have ---

/// `what`: "root", "release manifest"; the end of the sentence is what helps.
Unexpected<Error> refused(const char* code, const char* what, const std::string& problem) {
    return failure(code, std::string{"the "} + what + " " + problem +
                             ": ask its publisher for a corrected bundle, or update this box if "
                             "the bundle is newer than it");
}

void check_type(const Members& members, string_view type) {
    const auto found = members.text(
        "_type", [](string_view) { return true; }, "a text");
    if (members.failed()) return;
    if (found != type) {
        members.wrong("_type", "is \"" + to_printable(found, 40) + "\", but must be \"" +
                                   std::string{type} + "\"");
    }
    (void)members.integer("spec", 1, 1);
}

// --- root ---

/// What the members say is well-formed, but does not go together.
struct Contradiction {
    std::string text;
    void add(std::string what) {
        if (text.empty()) text = std::move(what);
    }
};

void take_keys(const Members& members, Root& root, Contradiction& contradiction) {
    if (!members.has("keys")) members.wrong("keys", "is missing");
    std::set<std::array<std::uint8_t, 8>> hints;
    members.each_object("keys", k_keys, [&](string_view id, const Members& each) {
        (void)each.text(
            "type", [](string_view value) { return value == "ed25519"; },
            "\"ed25519\", the only kind of key that this box knows");
        (void)each.text(
            "scheme", [](string_view value) { return value == "minisign"; },
            "\"minisign\", the only kind of signature that this box knows");
        const auto text = each.text(
            "public", [](string_view value) { return value.size() < 256; },
            "the base64 line of a minisign public key");
        if (each.failed()) return;
        const auto key = PublicKey::parse(text);
        if (!key) return each.wrong("public", "cannot be read: " + key.error().text);
        if (key->id() != id) {
            return contradiction.add("calls a key \"" + to_printable(id, 40) +
                                     "\", but the id of that key is \"" + key->id() + "\"");
        }
        // The hint is part of the name of the signature: two keys could not both have one.
        if (!hints.insert(key->hint).second) {
            return contradiction.add("has two keys with the minisign id " + key->hint_text() +
                                     ", but each signature file belongs to one key");
        }
        root.keys.emplace(id, *key);
    });
}

Role take_role(const Members& members, const char* whose, const Root& root,
               Contradiction& contradiction) {
    Role role;
    if (!members.has("keyids")) members.wrong("keyids", "is missing");
    for (auto& id : members.texts(
             "keyids", k_role_keys, [](string_view text) { return is_hex(text, 32); },
             "32 lower-case hex digits"))
        role.key_ids.insert(std::move(id));
    role.threshold = static_cast<unsigned>(members.integer("threshold", 1, k_role_keys));
    if (members.failed()) return role;
    for (const auto& id : role.key_ids) {
        if (!root.keys.contains(id)) {
            contradiction.add(std::string{"gives the role of "} + whose + " to the key " + id +
                              ", which is not among its keys");
        }
    }
    if (role.threshold > role.key_ids.size()) {
        contradiction.add(std::string{"wants "} + std::to_string(role.threshold) +
                          " signatures for the role of " + whose + ", which has only " +
                          std::to_string(role.key_ids.size()) + " keys");
    }
    return role;
}

void take_delegations(const Members& members, Root& root, Contradiction& contradiction) {
    members.objects("delegations", k_delegations, [&](const Members& each) {
        Delegation delegation;
        delegation.id = take_id(each, "id");
        delegation.role = take_role(each, "a vendor", root, contradiction);
        delegation.prefix = take_id(each, "prefix");
        delegation.caps = take_caps(each);
        if (each.failed()) return;
        for (const auto& other : root.delegations) {
            if (other.id == delegation.id)
                contradiction.add("has two delegations with the id \"" + other.id + "\"");
            // Who may deliver a name must not depend on who is asked first.
            if (other.prefix.starts_with(delegation.prefix) ||
                delegation.prefix.starts_with(other.prefix)) {
                contradiction.add("gives names that begin with \"" + delegation.prefix +
                                  "\" to \"" + delegation.id +
                                  "\", but some of them already to \"" + other.id + "\"");
            }
        }
        root.delegations.push_back(std::move(delegation));
    });
}

// --- release and vendor ---

void take_abi(const Members& members, ManifestPlugin& plugin) {
    members.object("abi", [&](const Members& abi) {
        const auto text = abi.text(
            "backplane",
            [](string_view value) {
                const auto dot = value.find('.');
                return value.size() <= 11 && dot != string_view::npos &&
                       consists_of(value.substr(0, dot), 5, is_digit) &&
                       consists_of(value.substr(dot + 1), 5, is_digit);
            },
            "two numbers such as \"1.0\"");
        if (abi.failed()) return;
        const auto dot = text.find('.');
        plugin.abi_major = *digits(text, 0, dot);
        plugin.abi_minor = *digits(text, dot + 1, text.size() - dot - 1);
    });
}

void take_health(const Members& members, Health& health) {
    if (!members.has("health")) return;
    members.object("health", [&](const Members& each) {
        using std::chrono::milliseconds;
        using std::chrono::seconds;
        const auto count = [&](const char* name, auto otherwise, std::uint64_t most) {
            return static_cast<std::int64_t>(
                each.integer_or(name, static_cast<std::uint64_t>(otherwise), 0, most));
        };
        health.ready = milliseconds{count("ready_ms", health.ready.count(), 60'000)};
        health.open = milliseconds{count("open_ms", health.open.count(), 60'000)};
        health.probation = seconds{count("probation_s", health.probation.count(), 86'400)};
        health.actions = static_cast<unsigned>(count("actions", health.actions, 1'000));
    });
}

void take_files(const Members& members, ManifestPlugin& plugin) {
    if (!members.has("files")) members.wrong("files", "is missing");
    members.each_object("files", k_architectures, [&](string_view arch, const Members& each) {
        if (!is_architecture(arch))
            return each.wrong("", "is not the name of an architecture such as x86_64-linux-gnu");
        PluginFile file;
        const auto path = plugin_file_name(plugin.kind, plugin.name, arch, plugin.version);
        // Where a build lies follows from what it is, so no two entries can mean one file.
        file.path = each.text(
            "path", [&](string_view text) { return text == path && is_bundle_name(text); },
            "\"" + path + "\" (at most 96 of a-z, 0-9, '.', '_' and '-')");
        file.length = each.integer("length", 1, sdk::k_max_plugin_size);
        file.sha256 = each.text(
            "sha256", [](string_view text) { return is_hex(text, 64); },
            "64 lower-case hex digits");
        file.glibc = each.text_or_empty(
            "glibc",
            [](string_view text) {
                return text.size() <= 32 && sdk::LibraryVersion::parse(text).has_value();
            },
            "a version such as \"2.28\"");
        file.needed = each.texts("needed", k_needed, is_library, "the name of a library");
        plugin.files.emplace(arch, std::move(file));
    });
}

ManifestPlugin take_plugin(const Members& members) {
    ManifestPlugin plugin;
    plugin.name = take_id(members, "name");
    plugin.id =
        members.text("id", is_plugin_id, "a reversed domain name such as \"com.acme.scale\"");
    plugin.kind = members.text(
        "kind", [](string_view text) { return text == "driver" || text == "interface"; },
        "\"driver\" or \"interface\"");
    plugin.version = members.text("version", is_version, "a semantic version such as \"1.2.3\"");
    plugin.floor =
        members.text_or_empty("floor", is_version, "a semantic version such as \"1.2.3\"");
    take_abi(members, plugin);
    plugin.caps = take_caps(members);
    constexpr std::uint64_t k_state = std::numeric_limits<std::uint32_t>::max();
    plugin.state_version =
        static_cast<std::uint32_t>(members.integer_or("state_version", 0, 0, k_state));
    for (const auto version : members.integers("accepts_state", k_states, k_state))
        plugin.accepts_state.push_back(static_cast<std::uint32_t>(version));
    take_health(members, plugin.health);
    if (members.failed()) return plugin;  // the paths below are made of what stands above
    take_files(members, plugin);
    members.each_text("notes", k_languages, is_lines, "text of at most 4,096 bytes",
                      [&](string_view language, std::string text) {
                          if (!is_language(language))
                              return members.wrong("notes", "has a name that is no language");
                          plugin.notes.emplace(language, std::move(text));
                      });
    return plugin;
}

void take_plugins(const Members& members, Release& release) {
    if (!members.has("drivers")) members.wrong("drivers", "is missing");
    members.objects("drivers", k_plugins, [&](const Members& each) {
        auto plugin = take_plugin(each);
        if (each.failed()) return;
        for (const auto& other : release.plugins) {
            if (other.name != plugin.name) continue;
            if (other.version == plugin.version)
                return each.wrong("version", "is that of another entry with the same name");
            if (compare_versions(other.version, plugin.version) == 0)
                return each.wrong("version",
                                  "differs from that of another entry by its build only");
            if (other.kind != plugin.kind || other.id != plugin.id)
                return each.wrong("id", "and kind must be those of the other entry of that name");
        }
        release.plugins.push_back(std::move(plugin));
    });
}

Result<Release> parse_manifest(std::span<const std::byte> bytes, const char* what,
                               string_view type) {
    const auto object = parse_strict(bytes);
    if (!object) return refused("E_TYPE", what, object.error().text);
    std::string problem;
    const Members members{*object, {}, problem};
    Release release;
    check_type(members, type);
    release.bundle = take_id(members, "bundle");
    if (type == "vendor") release.vendor = take_id(members, "vendor");
    release.version = members.integer("version", 1, k_largest_integer);
    release.issued = take_time(members, "issued");
    release.expires = take_time(members, "expires");
    if (!members.failed() && release.expires <= release.issued)
        members.wrong("expires", "is not after \"issued\"");
    release.root_version = members.integer("root_version", 1, k_largest_integer);
    release.min_host =
        members.text_or_empty("min_host", is_version, "a semantic version such as \"1.2.3\"");
    if (!members.failed()) take_plugins(members, release);
    members.objects("withdrawn", k_withdrawn, [&](const Members& each) {
        Withdrawal withdrawal;
        withdrawal.sha256 = each.text(
            "sha256", [](string_view text) { return is_hex(text, 64); },
            "64 lower-case hex digits");
        withdrawal.reason = each.text(
            "reason", [](string_view text) { return is_printable(text, k_reason_bytes); },
            "one line of at most 500 bytes");
        release.withdrawn.push_back(std::move(withdrawal));
    });
    if (!problem.empty()) return refused("E_TYPE", what, problem);
    return release;
}

}  // namespace

Result<Root> parse_root(std::span<const std::byte> bytes) {
    const auto object = parse_strict(bytes);
    if (!object) return refused("E_TYPE", "root", object.error().text);
    std::string problem;
    Contradiction contradiction;
    const Members members{*object, {}, problem};
    Root root;
    check_type(members, "root");
    root.bundle = take_id(members, "bundle");
    root.version = members.integer("version", 1, k_largest_integer);
    root.version_floor = members.integer_or("version_floor", 0, 0, k_largest_integer);
    root.issued = take_time(members, "issued");
    root.expires = take_time(members, "expires");
    take_keys(members, root, contradiction);
    members.object("roles", [&](const Members& roles) {
        roles.object("root", [&](const Members& role) {
            root.root = take_role(role, "root", root, contradiction);
        });
        roles.object("release", [&](const Members& role) {
            root.release = take_role(role, "release", root, contradiction);
        });
    });
    take_delegations(members, root, contradiction);
    if (!problem.empty()) return refused("E_TYPE", "root", problem);
    if (root.expires <= root.issued)
        contradiction.add("expires before it was issued or at that very moment");
    if (!contradiction.text.empty()) return refused("E_ROOT", "root", contradiction.text);
    return root;
}

Result<Release> parse_release(std::span<const std::byte> bytes) {
    return parse_manifest(bytes, "release manifest", "release");
}

Result<Release> parse_vendor(std::span<const std::byte> bytes) {
    return parse_manifest(bytes, "vendor manifest", "vendor");
}

}  // namespace backplane::core::bundle
