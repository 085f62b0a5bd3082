// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A plug-in's settings against the schema of its note. Both come from outside: the settings from a
// user, who gets file, line and advice; the schema from a plug-in, whose vendor gets the blame.
// Neither may cost more than a bounded time.
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <regex>

#include "backplane/core/config.hpp"
#include "config/config_node.hpp"
#include "config/suggestion.hpp"
#include "util/utf8.hpp"

namespace backplane::core {
namespace {

namespace json = boost::json;

constexpr std::size_t k_pattern_bytes = 256;
constexpr std::size_t k_pattern_text_bytes = 256;
constexpr std::size_t k_pattern_states = 4096;

/// A mistake of the user (bad value) or of the plug-in (bad schema); caught in check_settings().
struct Mistake {
    Unexpected<Error> error;
};

class Checker {
public:
    Checker(const PluginSettings& settings, std::string subject)
        : settings_(settings), subject_(std::move(subject)) {}

    json::object check_top(const json::object& schema) {
        // A plug-in without settings has an empty schema, or none.
        static const json::object k_no_settings{{"type", "object"}};
        const json::object& used = schema.empty() ? k_no_settings : schema;
        if (const json::value* type = used.if_contains("type");
            type == nullptr || *type != "object") {
            bad_schema("", "its type must be \"object\"");
        }
        json::value checked = check(used, settings_.values, "", 0);
        return std::move(checked.get_object());
    }

private:
    // --- messages ---

    [[noreturn]] void bad_value(const char* code, const std::string& path,
                                const std::string& what) const {
        ConfigOrigin origin = settings_.origin;
        const std::string top = path.substr(0, path.find_first_of(".["));
        if (const auto it = settings_.origins.find(top); it != settings_.origins.end())
            origin = it->second;
        std::string subject = subject_;
        if (!path.empty()) subject += ": " + to_printable(path, 200);
        throw Mistake{config_failure(code, in_defaults_ ? ConfigOrigin{} : origin, subject, what)};
    }

    [[noreturn]] void bad_schema(const std::string& path, const std::string& what) const {
        throw Mistake{
            failure("plugin.bad_schema",
                    subject_ + ": the settings schema in its note is wrong" +
                        (path.empty() ? std::string{} : " at \"" + to_printable(path, 200) + '"') +
                        ": " + what +
                        ": this cannot be mended by configuration, ask its vendor for a corrected "
                        "plug-in")};
    }

    // --- reading the schema ---

    const json::object& object_of(const json::value& schema, const std::string& path) const {
        if (!schema.is_object()) bad_schema(path, "a schema must be an object");
        return schema.get_object();
    }

    std::size_t count_keyword(const json::object& schema, const char* keyword,
                              std::size_t otherwise, const std::string& path) const {
        const json::value* value = schema.if_contains(keyword);
        if (value == nullptr) return otherwise;
        if (value->is_uint64()) return static_cast<std::size_t>(value->get_uint64());
        if (!value->is_int64() || value->get_int64() < 0) {
            bad_schema(path, '"' + std::string{keyword} + "\" must be a whole number from 0 on");
        }
        return static_cast<std::size_t>(value->get_int64());
    }

    static bool is_number(const json::value& value) noexcept {
        return value.is_int64() || value.is_uint64() || value.is_double();
    }
    static long double as_number(const json::value& value) noexcept {
        if (value.is_int64()) return static_cast<long double>(value.get_int64());
        if (value.is_uint64()) return static_cast<long double>(value.get_uint64());
        return static_cast<long double>(value.get_double());
    }
    static bool same(const json::value& a, const json::value& b) {
        if (is_number(a) && is_number(b)) return as_number(a) == as_number(b);
        return a == b;
    }

    // --- checking ---

    json::value check(const json::object& schema, const json::value& value, const std::string& path,
                      std::size_t depth) {
        if (depth > k_config_depth) bad_schema(path, "it is nested too deeply");
        const json::value* type = schema.if_contains("type");
        if (type == nullptr || !type->is_string())
            bad_schema(path, "\"type\" is missing or not text");
        const std::string name{type->get_string().c_str()};

        json::value checked = value;
        if (name == "string") {
            check_string(schema, value, path);
        } else if (name == "integer" || name == "number") {
            checked = check_number(schema, value, path, name == "integer");
        } else if (name == "boolean") {
            if (!value.is_bool()) {
                bad_value("config.wrong_type", path,
                          describe(value) +
                              " is neither true nor false: write one of these two, without quotes");
            }
        } else if (name == "array") {
            checked = check_array(schema, value, path, depth);
        } else if (name == "object") {
            checked = check_object(schema, value, path, depth);
        } else {
            bad_schema(path, "\"" + to_printable(name, 40) +
                                 "\" is not a type: these are string, integer, number, boolean, "
                                 "array and object");
        }
        check_enum(schema, checked, path);
        return checked;
    }

    void check_enum(const json::object& schema, const json::value& value,
                    const std::string& path) const {
        const json::value* choices = schema.if_contains("enum");
        if (choices == nullptr) return;
        if (!choices->is_array() || choices->get_array().empty())
            bad_schema(path, "\"enum\" must be a list with entries");
        const json::array& list = choices->get_array();
        if (std::any_of(list.begin(), list.end(),
                        [&](const json::value& choice) { return same(choice, value); }))
            return;
        std::vector<std::string> names;
        for (const json::value& choice : list) {
            names.push_back(choice.is_string() ? std::string{choice.get_string().c_str()}
                                               : describe(choice));
        }
        const std::string typed =
            value.is_string() ? std::string{value.get_string().c_str()} : describe(value);
        bad_value("config.out_of_range", path,
                  describe(value) + " is not possible" + suggestion_for(typed, names));
    }

    void check_string(const json::object& schema, const json::value& value,
                      const std::string& path) const {
        if (!value.is_string()) {
            const bool scalar = value.is_bool() || is_number(value);
            bad_value("config.wrong_type", path,
                      describe(value) + (scalar ? " is not text: put it in quotes"
                                                : " stands here, text is needed"));
        }
        const json::string& kept = value.get_string();
        const std::string_view text{kept.data(), kept.size()};
        const std::size_t length = utf8_length(text);
        const std::size_t least = count_keyword(schema, "minLength", 0, path);
        const std::size_t most = count_keyword(schema, "maxLength", SIZE_MAX, path);
        if (length < least) {
            bad_value("config.out_of_range", path,
                      describe(value) + " is too short: give at least " + std::to_string(least) +
                          " characters");
        }
        if (length > most) {
            bad_value("config.out_of_range", path,
                      describe(value) + " is too long: give at most " + std::to_string(most) +
                          " characters");
        }
        if (const json::value* pattern = schema.if_contains("pattern"))
            check_pattern(*pattern, text, value, path);
    }

    void check_pattern(const json::value& pattern, std::string_view text, const json::value& value,
                       const std::string& path) const {
        if (!pattern.is_string() || pattern.get_string().size() > k_pattern_bytes) {
            bad_schema(path, "\"pattern\" must be text of at most " +
                                 std::to_string(k_pattern_bytes) + " bytes");
        }
        const std::string source{pattern.get_string().data(), pattern.get_string().size()};
        check_pattern_cost(source, path);
        if (text.size() > k_pattern_text_bytes) {
            bad_value(
                "config.out_of_range", path,
                "is too long: give at most " + std::to_string(k_pattern_text_bytes) + " bytes");
        }
        try {
            // The default engine takes exponential time and unbounded stack on patterns such as
            // (a+)+$. This one of libstdc++ does not, and refuses back-references instead.
            const std::regex expression{
                source, std::regex::ECMAScript | std::regex_constants::__polynomial};
            if (std::regex_search(text.begin(), text.end(), expression)) return;
        } catch (const std::regex_error&) {
            bad_schema(path,
                       "\"pattern\" is not a regular expression that can be used here (no "
                       "back-references)");
        }
        bad_value("config.out_of_range", path,
                  describe(value) + " does not have the right form: it must match " +
                      to_printable(source, 200));
    }

    /// Counted repeats are unrolled when a pattern is compiled: bound what they multiply to.
    void check_pattern_cost(const std::string& source, const std::string& path) const {
        std::size_t cost = std::max<std::size_t>(1, source.size());
        for (std::size_t at = source.find('{'); at != std::string::npos;
             at = source.find('{', at + 1)) {
            std::size_t largest = 1, number = 0;
            for (std::size_t i = at + 1; i < source.size() && source[i] != '}'; ++i) {
                const char c = source[i];
                if (c >= '0' && c <= '9')
                    number = std::min<std::size_t>(number * 10 + static_cast<std::size_t>(c - '0'),
                                                   k_pattern_states);
                else
                    number = 0;
                largest = std::max(largest, number);
            }
            cost *= largest;
            if (cost > k_pattern_states) bad_schema(path, "\"pattern\" repeats too much");
        }
    }

    json::value check_number(const json::object& schema, const json::value& value,
                             const std::string& path, bool whole) const {
        const char* const needed = whole ? "a whole number" : "a number";
        if (value.is_string()) {
            bad_value(
                "config.wrong_type", path,
                describe(value) + " is text, " + needed + " is needed: write it without quotes");
        }
        if (!is_number(value))
            bad_value("config.wrong_type", path,
                      describe(value) + " stands here, " + needed + " is needed");
        json::value checked = value;
        if (whole && value.is_double()) {
            // 2^53: up to here every whole number is exact in a double.
            const double number = value.get_double();
            if (number != std::trunc(number) || std::abs(number) > 9007199254740992.0) {
                bad_value("config.wrong_type", path,
                          describe(value) + " is not a whole number: leave out the fraction");
            }
            checked = static_cast<std::int64_t>(number);
        }
        const json::value* least = schema.if_contains("minimum");
        const json::value* most = schema.if_contains("maximum");
        if ((least != nullptr && !is_number(*least)) || (most != nullptr && !is_number(*most))) {
            bad_schema(path, "\"minimum\" and \"maximum\" must be numbers");
        }
        const bool below = least != nullptr && as_number(checked) < as_number(*least);
        const bool above = most != nullptr && as_number(checked) > as_number(*most);
        if (below || above) {
            std::string range = least != nullptr && most != nullptr
                                    ? "from " + describe(*least) + " to " + describe(*most)
                                : least != nullptr ? "from " + describe(*least) + " on"
                                                   : "up to " + describe(*most);
            bad_value("config.out_of_range", path,
                      describe(value) + (below ? " is too small" : " is too large") + ": give " +
                          needed + " " + range);
        }
        return checked;
    }

    json::value check_array(const json::object& schema, const json::value& value,
                            const std::string& path, std::size_t depth) {
        if (!value.is_array()) {
            bad_value("config.wrong_type", path,
                      describe(value) + " stands here, a list such as [a, b] is needed");
        }
        const json::array& list = value.get_array();
        const std::size_t least = count_keyword(schema, "minItems", 0, path);
        const std::size_t most = count_keyword(schema, "maxItems", SIZE_MAX, path);
        if (list.size() < least)
            bad_value("config.out_of_range", path,
                      "has too few entries: give at least " + std::to_string(least));
        if (list.size() > most)
            bad_value("config.out_of_range", path,
                      "has too many entries: give at most " + std::to_string(most));
        const json::value* items = schema.if_contains("items");
        if (items == nullptr) return value;
        const json::object& item_schema = object_of(*items, path);
        json::array checked;
        for (std::size_t i = 0; i < list.size(); ++i) {
            checked.push_back(
                check(item_schema, list[i], path + "[" + std::to_string(i) + "]", depth + 1));
        }
        return checked;
    }

    json::value check_object(const json::object& schema, const json::value& value,
                             const std::string& path, std::size_t depth) {
        if (!value.is_object()) {
            bad_value("config.wrong_type", path,
                      describe(value) + " stands here, keys with values are needed");
        }
        static const json::object k_no_properties;
        const json::value* declared = schema.if_contains("properties");
        if (declared != nullptr && !declared->is_object())
            bad_schema(path, "\"properties\" must be an object");
        const json::object& properties =
            declared != nullptr ? declared->get_object() : k_no_properties;
        const json::value* additional = schema.if_contains("additionalProperties");
        if (additional != nullptr && !additional->is_bool() && !additional->is_object()) {
            bad_schema(path, "\"additionalProperties\" must be true, false or a schema");
        }

        json::object checked;
        for (const auto& [key, member] : value.get_object()) {
            const std::string below = join(path, key);
            if (const json::value* property = properties.if_contains(key)) {
                checked.emplace(key, check(object_of(*property, below), member, below, depth + 1));
            } else if (additional != nullptr && additional->is_object()) {
                checked.emplace(key, check(additional->get_object(), member, below, depth + 1));
            } else if (additional != nullptr && additional->is_bool() && additional->get_bool()) {
                checked.emplace(key, member);
            } else {
                std::vector<std::string> names;
                for (const auto& known : properties) names.emplace_back(known.key());
                bad_value("config.unknown_key", below,
                          names.empty() ? std::string{"unknown setting: there are none here"}
                                        : "unknown setting" +
                                              suggestion_for(
                                                  std::string_view{key.data(), key.size()}, names));
            }
        }
        for (const auto& [key, property] : properties) {
            const std::string below = join(path, key);
            if (!checked.contains(key))
                fill_in_default(checked, key, object_of(property, below), below, depth);
        }
        check_required(schema, checked, path);
        return checked;
    }

    void fill_in_default(json::object& into, json::string_view key, const json::object& schema,
                         const std::string& path, std::size_t depth) {
        const bool outer = std::exchange(in_defaults_, true);
        try {
            if (const json::value* value = schema.if_contains("default")) {
                into.emplace(key, check(schema, *value, path, depth + 1));
            } else if (const json::value* type = schema.if_contains("type");
                       type != nullptr && *type == "object") {
                // A group that was left out altogether still has the defaults of its members,
                // unless it needs more.
                json::value group = check(schema, json::object{}, path, depth + 1);
                if (!group.get_object().empty()) into.emplace(key, std::move(group));
            }
        } catch (Mistake& mistake) {
            const Error error = std::move(mistake.error).take();
            if (error.code == "plugin.bad_schema") throw Mistake{Unexpected<Error>{error}};
            if (schema.contains("default"))
                bad_schema(path, "its default does not fit: " + error.text);
        }
        in_defaults_ = outer;
    }

    void check_required(const json::object& schema, const json::object& value,
                        const std::string& path) const {
        const json::value* required = schema.if_contains("required");
        if (required == nullptr) return;
        if (!required->is_array()) bad_schema(path, "\"required\" must be a list");
        for (const json::value& name : required->get_array()) {
            if (!name.is_string()) bad_schema(path, "\"required\" must be a list of names");
            if (value.contains(name.get_string())) continue;
            bad_value("config.missing_key", path,
                      "the setting " + describe(name) + " is missing: add it");
        }
    }

    static std::string join(const std::string& path, json::string_view key) {
        return (path.empty() ? "" : path + ".") + std::string{key.data(), key.size()};
    }

    const PluginSettings& settings_;
    const std::string subject_;
    bool in_defaults_ =
        false;  ///< what is checked was not written by the user, so no line of a file is to blame
};

}  // namespace

Result<boost::json::object> check_settings(const boost::json::object& schema,
                                           const PluginSettings& settings,
                                           const std::string& subject) {
    try {
        return Checker{settings, subject}.check_top(schema);
    } catch (Mistake& mistake) {
        return std::move(mistake.error);
    }
}

}  // namespace backplane::core
