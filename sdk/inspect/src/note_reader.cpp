// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "note_reader.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "settings_schema.hpp"
#include "text.hpp"

namespace backplane::sdk {
namespace {

namespace json = boost::json;

constexpr std::size_t k_max_rules = 128;
constexpr std::size_t k_max_globs = 256;
constexpr std::size_t k_max_actions = 128;
constexpr std::size_t k_max_states = 64;
constexpr std::int64_t k_max_state_version = 0xffff'ffff;

using Test = std::function<bool(std::string_view)>;

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/// 1 to `limit` bytes that are all `allowed`.
template <typename Allowed>
bool consists_of(std::string_view text, std::size_t limit, Allowed allowed) {
    return !text.empty() && text.size() <= limit && std::all_of(text.begin(), text.end(), allowed);
}

bool is_name(std::string_view text) {
    return consists_of(text, 32, [](char c) { return is_lower(c) || is_digit(c) || c == '_'; });
}

bool is_dotted(std::string_view text, std::size_t limit) {
    if (!consists_of(text, limit, [](char c) {
            return is_lower(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
        })) {
        return false;
    }
    return text.find('.') != std::string_view::npos && text.find("..") == std::string_view::npos &&
           text.front() != '.' && text.back() != '.';
}
bool is_plugin_id(std::string_view text) {
    return is_dotted(text, 128);
}

/// "backplane.fd/1"
bool is_extension_id(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || !is_dotted(text.substr(0, slash), 96)) return false;
    return consists_of(text.substr(slash + 1), 4, is_digit);
}

bool is_permission(std::string_view text) {
    const auto colon = text.find(':');
    const auto kind = text.substr(0, colon);
    if (!consists_of(kind, 32,
                     [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '_'; }))
        return false;
    if (colon == std::string_view::npos) return true;
    return consists_of(text.substr(colon + 1), 128, [](char c) { return c > ' ' && c <= '~'; });
}

/// Semantic versioning 2.0.0, in at most 64 bytes.
bool is_version(std::string_view text) {
    if (text.empty() || text.size() > 64) return false;
    const auto identifiers = [](std::string_view list, bool numbers_are_plain) {
        while (true) {
            const auto dot = list.find('.');
            const auto one = list.substr(0, dot);
            if (!consists_of(one, 64,
                             [](char c) { return is_letter(c) || is_digit(c) || c == '-'; }))
                return false;
            if (numbers_are_plain && one.size() > 1 && one.front() == '0' &&
                std::all_of(one.begin(), one.end(), is_digit)) {
                return false;
            }
            if (dot == std::string_view::npos) return true;
            list.remove_prefix(dot + 1);
        }
    };
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        if (!identifiers(text.substr(plus + 1), false)) return false;
        text = text.substr(0, plus);
    }
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        if (!identifiers(text.substr(dash + 1), true)) return false;
        text = text.substr(0, dash);
    }
    for (int part = 0; part < 3; ++part) {
        const auto dot = text.find('.');
        const auto one = text.substr(0, dot);
        if (!consists_of(one, 9, is_digit) || (one.size() > 1 && one.front() == '0')) return false;
        if (part == 2) return dot == std::string_view::npos;
        if (dot == std::string_view::npos) return false;
        text.remove_prefix(dot + 1);
    }
    return false;
}

/// Text for people: UTF-8 (the parser has seen to that) without control characters.
Test words(std::size_t limit) {
    return [limit](std::string_view text) {
        return consists_of(
            text, limit, [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
    };
}

/// The members of one object, each with its own rule; problems carry the path.
class Members {
public:
    Members(const json::object& object, std::string where, Problems& problems)
        : object_(object), where_(std::move(where)), problems_(problems) {}

    std::string path(std::string_view name) const {
        return where_.empty() ? std::string(name) : where_ + "." + std::string(name);
    }
    const json::value* find(std::string_view name) const {
        return object_.if_contains(json::string_view(name.data(), name.size()));
    }
    void problem(std::string_view name, const std::string& what) const {
        problems_.add(path(name), what);
    }

    /// `must` goes on after "must be".
    std::string text(std::string_view name, const Test& valid, const std::string& must) const {
        const auto* value = find(name);
        if (value == nullptr) {
            problem(name, "is missing: it must be " + must);
            return {};
        }
        if (!value->is_string()) {
            problem(name, "is no text: it must be " + must);
            return {};
        }
        std::string text(value->get_string().data(), value->get_string().size());
        if (!valid(text)) {
            problem(name, "is " + quoted(text) + ", but must be " + must);
            return {};
        }
        return text;
    }

    std::string text_or(std::string_view name, std::string fallback, const Test& valid,
                        const std::string& must) const {
        return find(name) == nullptr ? std::move(fallback) : text(name, valid, must);
    }

    std::int64_t integer(std::string_view name, std::int64_t low, std::int64_t high) const {
        const auto must =
            "must be an integer from " + std::to_string(low) + " to " + std::to_string(high);
        const auto* value = find(name);
        if (value == nullptr) {
            problem(name, "is missing: it " + must);
            return low;
        }
        if (!value->is_int64() || value->get_int64() < low || value->get_int64() > high) {
            problem(name, must);
            return low;
        }
        return value->get_int64();
    }
    std::int64_t integer_or(std::string_view name, std::int64_t fallback, std::int64_t low,
                            std::int64_t high) const {
        return find(name) == nullptr ? fallback : integer(name, low, high);
    }

    bool boolean_or(std::string_view name, bool fallback) const {
        const auto* value = find(name);
        if (value == nullptr) return fallback;
        if (!value->is_bool()) {
            problem(name, "must be true or false");
            return fallback;
        }
        return value->get_bool();
    }

    /// A list of different texts; an absent one is empty.
    std::vector<std::string> texts(std::string_view name, std::size_t limit, const Test& valid,
                                   const std::string& must) const {
        std::vector<std::string> out;
        const auto* value = find(name);
        if (value == nullptr) return out;
        if (!value->is_array() || value->get_array().size() > limit) {
            problem(name, "must be a list of at most " + std::to_string(limit) + " texts");
            return out;
        }
        std::set<std::string> seen;
        for (const auto& item : value->get_array()) {
            if (!item.is_string()) {
                problem(name, "must hold texts only");
                return out;
            }
            std::string text(item.get_string().data(), item.get_string().size());
            if (!valid(text)) {
                problem(name, "has the entry " + quoted(text) + ", but each must be " + must);
            } else if (!seen.insert(text).second) {
                problem(name, "has the entry " + quoted(text) + " twice");
            } else {
                out.push_back(std::move(text));
            }
        }
        return out;
    }

    /// An object, or null when it is absent or something else (a problem then).
    const json::object* object(std::string_view name) const {
        const auto* value = find(name);
        if (value == nullptr) return nullptr;
        if (!value->is_object()) {
            problem(name, "must be an object");
            return nullptr;
        }
        return &value->get_object();
    }

private:
    const json::object& object_;
    std::string where_;
    Problems& problems_;
};

Test one_of(std::vector<std::string_view> choices) {
    return [choices = std::move(choices)](std::string_view text) {
        return std::find(choices.begin(), choices.end(), text) != choices.end();
    };
}

bool is_glob(std::string_view text) {
    return words(256)(text);
}

MatchProperty read_property(std::string_view name, const json::value& value, const Members& rule) {
    MatchProperty property{std::string(name), {}};
    const auto where = "properties." + std::string(name);
    if (!consists_of(name, 64, [](char c) {
            return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
        })) {
        rule.problem("properties", "has the member " + quoted(name) +
                                       ": names are 1 to 64 letters, digits, _, - and .");
        return property;
    }
    const auto add = [&](const json::value& glob) {
        if (glob.is_string() && is_glob({glob.get_string().data(), glob.get_string().size()})) {
            property.globs.emplace_back(glob.get_string().data(), glob.get_string().size());
        } else {
            rule.problem(where, "must be a pattern of 1 to 256 bytes or a list of such");
        }
    };
    if (!value.is_array()) {
        add(value);
    } else if (value.get_array().empty() || value.get_array().size() > k_max_globs) {
        rule.problem(where, "must have 1 to 256 patterns");
    } else {
        for (const auto& glob : value.get_array()) add(glob);
    }
    return property;
}

MatchRule read_rule(const json::object& object, const std::string& where, Problems& problems) {
    const Members members(object, where, problems);
    MatchRule rule;
    rule.bus = members.text("bus", is_name, "1 to 32 of a-z, 0-9 and _");
    if (const auto* properties = members.object("properties")) {
        if (properties->size() > 32) members.problem("properties", "has more than 32 members");
        for (const auto& member : *properties) {
            rule.properties.push_back(
                read_property({member.key().data(), member.key().size()}, member.value(), members));
        }
    }
    rule.priority = static_cast<int>(members.integer_or("priority", 0, -1'000, 1'000));
    const auto probe = members.text_or("probe", "none", one_of({"none", "passive", "active"}),
                                       "none, passive or active");
    rule.probe = probe == "active"    ? ProbeMode::active
                 : probe == "passive" ? ProbeMode::passive
                                      : ProbeMode::none;
    rule.probe_limit = std::chrono::milliseconds(members.integer_or("probe_ms", 1'000, 10, 10'000));
    return rule;
}

void read_driver_members(const Members& members, PluginNote& note, Problems& problems) {
    note.device_types = members.texts("device_types", 16, is_name, "1 to 32 of a-z, 0-9 and _");
    const auto* types = members.find("device_types");
    if (types == nullptr || (types->is_array() && types->get_array().empty())) {
        members.problem("device_types",
                        "is missing: a driver says at least one type, such as \"scale\"");
    }
    const auto* rules = members.find("match");
    if (rules == nullptr) {
        members.problem(
            "match",
            "is missing: a driver says which devices it serves; [] means only those that the user "
            "assigns to it");
        return;
    }
    if (!rules->is_array() || rules->get_array().size() > k_max_rules) {
        members.problem("match", "must be a list of at most 128 rules");
        return;
    }
    std::size_t index = 0;
    for (const auto& rule : rules->get_array()) {
        const auto where = "match[" + std::to_string(index++) + "]";
        if (rule.is_object()) {
            note.matches.push_back(read_rule(rule.get_object(), where, problems));
        } else {
            problems.add(where, "must be an object");
        }
    }
}

std::vector<std::uint32_t> read_state_versions(const Members& members) {
    std::vector<std::uint32_t> out;
    const auto* value = members.find("accepts_state");
    if (value == nullptr) return out;
    const auto wrong = [&](const char* what) {
        members.problem("accepts_state", what);
        return std::vector<std::uint32_t>{};
    };
    if (!value->is_array() || value->get_array().size() > k_max_states)
        return wrong("must be a list of at most 64 integers");
    for (const auto& item : value->get_array()) {
        if (!item.is_int64() || item.get_int64() < 1 || item.get_int64() > k_max_state_version)
            return wrong("must hold integers from 1 to 4294967295 only");
        const auto version = static_cast<std::uint32_t>(item.get_int64());
        if (std::find(out.begin(), out.end(), version) != out.end())
            return wrong("has an entry twice");
        out.push_back(version);
    }
    return out;
}

void read_actions(const Members& members, PluginNote& note, Problems& problems) {
    const auto* actions = members.object("actions");
    if (actions == nullptr) return;
    if (actions->size() > k_max_actions) {
        members.problem("actions", "has more than 128 members");
        return;
    }
    for (const auto& member : *actions) {
        const std::string name(member.key().data(), member.key().size());
        // A name may be empty: some clients send nothing but data.
        if (!name.empty() &&
            !consists_of(name, 64, [](char c) { return c > ' ' && c <= '~' && c != '"'; })) {
            members.problem("actions", "has the member " + quoted(name) +
                                           ": names are up to 64 visible ASCII characters");
            continue;
        }
        if (!member.value().is_object()) {
            members.problem("actions." + name, "must be an object");
            continue;
        }
        const Members one(member.value().get_object(), "actions." + name, problems);
        NoteAction action;
        action.description =
            one.text_or("description", "", words(500), "a text of at most 500 bytes");
        const auto repeat = one.text_or("repeat", "once", one_of({"once", "safe"}), "once or safe");
        action.repeat = repeat == "safe" ? Repeat::safe : Repeat::once;
        note.actions.emplace(name, std::move(action));
    }
}

}  // namespace

std::string_view to_string(PluginKind kind) noexcept {
    return kind == PluginKind::driver ? "driver" : "interface";
}

std::string_view to_string(ProbeMode mode) noexcept {
    switch (mode) {
        case ProbeMode::passive:
            return "passive";
        case ProbeMode::active:
            return "active";
        case ProbeMode::none:
            break;
    }
    return "none";
}

std::string_view to_string(Repeat repeat) noexcept {
    return repeat == Repeat::safe ? "safe" : "once";
}

PluginNote read_note(const json::object& json, Problems& problems) {
    const Members members(json, "", problems);
    PluginNote note;
    const auto kind = members.text("kind", one_of({"driver", "interface"}), "driver or interface");
    note.kind = kind == "interface" ? PluginKind::interface : PluginKind::driver;
    note.id = members.text("id", is_plugin_id,
                           "a reversed domain name such as com.example.scale, at most 128 bytes");
    note.name = members.text("name", is_name, "1 to 32 of a-z, 0-9 and _");
    note.title = members.text("title", words(120), "a text of 1 to 120 bytes");
    note.version = members.text("version", is_version, "a semantic version such as 1.2.3");
    note.vendor = members.text("vendor", words(120), "a text of 1 to 120 bytes");
    note.license =
        members.text("license", words(64), "an SPDX licence expression of 1 to 64 bytes");
    note.sdk = members.text("sdk", is_version, "the SDK's version such as 1.0.0");
    note.arch = members.text(
        "arch",
        [](std::string_view text) {
            return consists_of(text, 64, [](char c) {
                return is_lower(c) || is_digit(c) || c == '_' || c == '-';
            });
        },
        "a machine such as x86_64-linux-gnu");
    if (const auto* abi = members.object("abi")) {
        const Members numbers(*abi, "abi", problems);
        note.abi_major = static_cast<std::uint32_t>(numbers.integer("major", 0, 65'535));
        note.abi_minor = static_cast<std::uint32_t>(numbers.integer("minor", 0, 65'535));
    } else if (members.find("abi") == nullptr) {
        members.problem("abi", "is missing: it must be an object with major and minor");
    }

    if (kind == "driver") {
        read_driver_members(members, note, problems);
    } else {
        for (const char* name : {"device_types", "match"}) {
            if (members.find(name) != nullptr)
                members.problem(name, "belongs to drivers, and this is an interface");
        }
    }

    if (const auto* extensions = members.object("extensions")) {
        const Members lists(*extensions, "extensions", problems);
        const std::string must = "an id such as backplane.timer/1";
        note.required_extensions = lists.texts("required", 64, is_extension_id, must);
        note.optional_extensions = lists.texts("optional", 64, is_extension_id, must);
    }
    note.permissions = members.texts("permissions", 64, is_permission,
                                     "a word, or a word, a colon and what it allows");
    note.state_version =
        static_cast<std::uint32_t>(members.integer_or("state_version", 0, 1, k_max_state_version));
    note.accepts_state = read_state_versions(members);
    note.concurrent_actions = members.boolean_or("concurrent_actions", false);
    if (const auto* schema = members.object("settings")) {
        check_schema(*schema, "settings", problems);
        note.settings = *schema;
    }
    if (const auto* schema = members.object("device_settings")) {
        check_schema(*schema, "device_settings", problems);
        note.device_settings = *schema;
    }
    read_actions(members, note, problems);
    return note;
}

}  // namespace backplane::sdk
