// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "settings_schema.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cmath>
#include <regex>
#include <string_view>

#include "text.hpp"

namespace backplane::sdk {
namespace {

namespace json = boost::json;

constexpr unsigned k_max_depth = 4;  // object in array in object in the settings
constexpr std::size_t k_max_properties = 64;
constexpr std::size_t k_max_enum = 256;
constexpr std::size_t k_max_pattern = 256;

std::string_view view(const json::string& text) {
    return {text.data(), text.size()};
}
std::string_view view(json::string_view text) {
    return {text.data(), text.size()};
}

bool has_type(const json::value& value, std::string_view type) {
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_int64();
    if (type == "number") return value.is_number();
    if (type == "boolean") return value.is_bool();
    if (type == "array") return value.is_array();
    return value.is_object();
}

double number(const json::value& value) {
    return value.to_number<double>();
}

/// Which keywords mean something for which type. Anything else is refused: an author who writes
/// "format" believes that it is checked.
bool is_known(std::string_view keyword, std::string_view type) {
    if (keyword == "type" || keyword == "description" || keyword == "default") return true;
    if (type == "object") {
        return keyword == "properties" || keyword == "required" ||
               keyword == "additionalProperties";
    }
    if (type == "array")
        return keyword == "items" || keyword == "minItems" || keyword == "maxItems";
    if (keyword == "enum") return type != "boolean";
    if (keyword == "minimum" || keyword == "maximum") return type == "integer" || type == "number";
    return type == "string" &&
           (keyword == "pattern" || keyword == "minLength" || keyword == "maxLength");
}

/// What a pattern costs: counted repeats are unrolled when it is compiled, and nested ones
/// multiply.
bool is_affordable(std::string_view pattern) {
    constexpr std::size_t k_limit = 4'096;
    std::size_t cost = std::max<std::size_t>(1, pattern.size());
    for (auto at = pattern.find('{'); at != std::string_view::npos;
         at = pattern.find('{', at + 1)) {
        std::size_t largest = 1;
        std::size_t number = 0;
        for (auto i = at + 1; i < pattern.size() && pattern[i] != '}'; ++i) {
            const bool digit = pattern[i] >= '0' && pattern[i] <= '9';
            number = digit ? std::min(number * 10 + static_cast<std::size_t>(pattern[i] - '0'),
                                      k_limit + 1)
                           : 0;
            largest = std::max(largest, number);
        }
        cost *= largest;
        if (cost > k_limit) return false;
    }
    return true;
}

class Checker {
public:
    explicit Checker(Problems& problems) : problems_(problems) {}

    void check(const json::object& schema, const std::string& where, unsigned depth) {
        if (depth > k_max_depth) {
            problems_.add(where, "lies deeper than " + std::to_string(k_max_depth) + " levels");
            return;
        }
        const auto* type_value = schema.if_contains("type");
        if (type_value == nullptr || !type_value->is_string()) {
            problems_.add(where + ".type", "is missing or no text");
            return;
        }
        const std::string type(view(type_value->get_string()));
        constexpr std::string_view k_types[] = {"string",  "integer", "number",
                                                "boolean", "array",   "object"};
        if (std::find(std::begin(k_types), std::end(k_types), type) == std::end(k_types)) {
            problems_.add(where + ".type",
                          "is " + quoted(type) +
                              ", but must be string, integer, number, boolean, array or object");
            return;
        }
        for (const auto& member : schema) {
            if (!is_known(view(member.key()), type)) {
                problems_.add(where, "has the keyword " + quoted(view(member.key())) +
                                         ", which nobody checks for the type " + type);
            }
        }
        if (const auto* text = schema.if_contains("description");
            text != nullptr && !text->is_string()) {
            problems_.add(where + ".description", "must be a text");
        }
        check_range(schema, where);
        check_pattern(schema, where);
        check_enum(schema, where, type);
        if (type == "array") check_items(schema, where, depth);
        if (type == "object") check_members(schema, where, depth);
        if (const auto* value = schema.if_contains("default"))
            check_default(schema, *value, where, type);
    }

private:
    void check_range(const json::object& schema, const std::string& where) {
        for (const char* name : {"minimum", "maximum"}) {
            const auto* limit = schema.if_contains(name);
            if (limit != nullptr && (!limit->is_number() || !std::isfinite(number(*limit)))) {
                problems_.add(where + "." + name, "must be a number");
                return;
            }
        }
        for (const char* name : {"minLength", "maxLength", "minItems", "maxItems"}) {
            const auto* limit = schema.if_contains(name);
            if (limit != nullptr && (!limit->is_int64() || limit->get_int64() < 0)) {
                problems_.add(where + "." + name, "must be an integer from 0 on");
            }
        }
        const auto* low = schema.if_contains("minimum");
        const auto* high = schema.if_contains("maximum");
        if (low != nullptr && high != nullptr && number(*low) > number(*high)) {
            problems_.add(where + ".minimum", "is above the maximum");
        }
    }

    void check_pattern(const json::object& schema, const std::string& where) {
        const auto* pattern = schema.if_contains("pattern");
        if (pattern == nullptr) return;
        if (!pattern->is_string() || pattern->get_string().size() > k_max_pattern) {
            problems_.add(where + ".pattern", "must be a text of at most 256 bytes");
            return;
        }
        const std::string text(view(pattern->get_string()));
        if (!is_affordable(text)) {
            problems_.add(where + ".pattern",
                          "repeats too much: its counted repeats multiply to more than 4096");
            return;
        }
        try {
            // The engine that is used for checking too: it takes no exponential time, and knows no
            // back-references.
            const std::regex compiled(text,
                                      std::regex::ECMAScript | std::regex_constants::__polynomial);
        } catch (const std::regex_error&) {
            problems_.add(where + ".pattern",
                          "is not a regular expression (ECMAScript without back-references)");
        }
    }

    void check_enum(const json::object& schema, const std::string& where, const std::string& type) {
        const auto* values = schema.if_contains("enum");
        if (values == nullptr) return;
        if (!values->is_array() || values->get_array().empty() ||
            values->get_array().size() > k_max_enum) {
            problems_.add(where + ".enum", "must be a list of 1 to 256 values");
            return;
        }
        for (const auto& value : values->get_array()) {
            if (!has_type(value, type)) {
                problems_.add(where + ".enum", "has a value that is no " + type);
                return;
            }
        }
    }

    void check_items(const json::object& schema, const std::string& where, unsigned depth) {
        const auto* items = schema.if_contains("items");
        if (items == nullptr || !items->is_object()) {
            problems_.add(where + ".items", "is missing: say what the list holds");
            return;
        }
        check(items->get_object(), where + ".items", depth + 1);
    }

    void check_members(const json::object& schema, const std::string& where, unsigned depth) {
        if (const auto* more = schema.if_contains("additionalProperties");
            more != nullptr && !more->is_bool()) {
            problems_.add(where + ".additionalProperties", "must be true or false");
        }
        const auto* properties = schema.if_contains("properties");
        const json::object none;
        if (properties != nullptr && !properties->is_object()) {
            problems_.add(where + ".properties", "must be an object");
            return;
        }
        const auto& members = properties != nullptr ? properties->get_object() : none;
        if (members.size() > k_max_properties) {
            problems_.add(where + ".properties", "has more than 64 members");
            return;
        }
        for (const auto& member : members) {
            const auto name = view(member.key());
            const bool valid = !name.empty() && name.size() <= 64 &&
                               std::all_of(name.begin(), name.end(), [](char c) {
                                   return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                          (c >= '0' && c <= '9') || c == '_' || c == '-';
                               });
            if (!valid) {
                problems_.add(where + ".properties",
                              "has the member " + quoted(name) +
                                  ": names are 1 to 64 letters, digits, _ and -");
                continue;
            }
            const auto path = where + ".properties." + std::string(name);
            if (member.value().is_object()) {
                check(member.value().get_object(), path, depth + 1);
            } else {
                problems_.add(path, "must be an object");
            }
        }
        const auto* required = schema.if_contains("required");
        if (required == nullptr) return;
        if (!required->is_array()) {
            problems_.add(where + ".required", "must be a list of names");
            return;
        }
        for (const auto& name : required->get_array()) {
            if (!name.is_string() || !members.contains(name.get_string())) {
                problems_.add(where + ".required",
                              "names something that is not among the properties");
                return;
            }
        }
    }

    void check_default(const json::object& schema, const json::value& value,
                       const std::string& where, const std::string& type) {
        const auto path = where + ".default";
        if (!has_type(value, type)) {
            problems_.add(path, "is no " + type);
            return;
        }
        if (const auto* values = schema.if_contains("enum");
            values != nullptr && values->is_array()) {
            const auto& list = values->get_array();
            if (std::find(list.begin(), list.end(), value) == list.end())
                problems_.add(path, "is not in the enum");
        }
        if (value.is_number()) {
            const auto* low = schema.if_contains("minimum");
            const auto* high = schema.if_contains("maximum");
            if ((low != nullptr && low->is_number() && number(value) < number(*low)) ||
                (high != nullptr && high->is_number() && number(value) > number(*high))) {
                problems_.add(path, "is outside minimum and maximum");
            }
        }
    }

    Problems& problems_;
};

}  // namespace

void check_schema(const json::object& schema, const std::string& where, Problems& problems) {
    const auto* type = schema.if_contains("type");
    if (type == nullptr || !type->is_string() || type->get_string() != "object") {
        problems.add(where + ".type", "must be \"object\"");
        return;
    }
    Checker(problems).check(schema, where, 0);
}

}  // namespace backplane::sdk
