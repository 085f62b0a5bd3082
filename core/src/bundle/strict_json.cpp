// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/strict_json.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>

#include <optional>
#include <set>

#include "backplane/inspect/name_check.hpp"
#include "bundle/archive.hpp"
#include "util/utf8.hpp"

namespace backplane::core::bundle {
namespace {

namespace json = boost::json;

/// How much of a foreign word fits into a sentence of ours.
constexpr std::size_t k_word = 80;

std::string quoted(std::string_view text) {
    return "\"" + to_printable(text, k_word) + "\"";
}

/// Sees what boost::json::parse() forgives: two members with one name, and 1e3 for a number like any other.
class Strictness : public sdk::NameCheck {
public:
    bool on_number_part(Text part, Code&) {
        number_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t, Text, Code&) { return number_ends(); }
    bool on_uint64(std::uint64_t, Text, Code&) { return number_ends(); }
    bool on_double(double, Text text, Code& code) {
        number_.append(text.data(), text.size());
        fraction = number_;
        code = json::error::syntax;
        return false;
    }

    std::optional<std::string> fraction;  ///< the number that ended it

private:
    bool number_ends() {
        number_.clear();
        return true;
    }

    std::string number_;
};

}  // namespace

Result<json::object> parse_strict(std::span<const std::byte> bytes) {
    if (bytes.size() > k_metadata_bytes) {
        return failure("E_TYPE", "has " + std::to_string(bytes.size()) + " bytes, but at most " +
                                     std::to_string(k_metadata_bytes) + " are allowed");
    }
    const json::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    json::parse_options options;
    options.max_depth = k_json_depth;

    json::error_code code;
    json::basic_parser<Strictness> strict(options);
    const std::size_t end = strict.write_some(false, text.data(), text.size(), code);
    const Strictness& seen = strict.handler();
    if (seen.repeated)
        return failure("E_TYPE",
                       "has the member " + quoted(*seen.repeated) + " twice in one object");
    if (seen.fraction)
        return failure("E_TYPE", "has the number " + quoted(*seen.fraction) +
                                     ", but only integers below 2^53 are allowed");
    if (code == json::error::too_deep) {
        return failure("E_TYPE", "is nested more than " + std::to_string(k_json_depth) +
                                     " levels deep, but no valid one is");
    }
    if (code) {
        return failure("E_TYPE",
                       "is not valid JSON: " + code.message() + " at byte " + std::to_string(end));
    }
    // The second pass also refuses what comes after the end.
    auto value = json::parse(text, code, {}, options);
    if (code) return failure("E_TYPE", "is not valid JSON: " + code.message());
    if (!value.is_object()) return failure("E_TYPE", "is JSON, but not an object");
    return std::move(value.as_object());
}

std::string Members::path_of(std::string_view name) const {
    return path_.empty() ? std::string{name} : path_ + "." + std::string{name};
}

void Members::wrong(std::string_view name, std::string_view what) const {
    if (problem_.empty())
        problem_ = "has a wrong member " + quoted(path_of(name)) + ": it " + std::string{what};
}

const json::value* Members::find(std::string_view name, bool required) const {
    const auto* value = object_.if_contains(name);
    if (value == nullptr && required) wrong(name, "is missing");
    return value;
}

std::string Members::text(std::string_view name, const Test& valid, std::string_view must) const {
    const auto* value = find(name, true);
    if (value == nullptr) return {};
    if (!value->is_string()) {
        wrong(name, "is no text, but must be " + std::string{must});
        return {};
    }
    const std::string_view text{value->get_string()};
    if (!valid(text)) {
        wrong(name, "is " + quoted(text) + ", but must be " + std::string{must});
        return {};
    }
    return std::string{text};
}

std::string Members::text_or_empty(std::string_view name, const Test& valid,
                                   std::string_view must) const {
    const auto* value = object_.if_contains(name);
    if (value == nullptr || (value->is_string() && value->get_string().empty())) return {};
    return text(name, valid, must);
}

namespace {

/// Nothing when it is no integer from `least` to `most`.
std::optional<std::uint64_t> integer_in(const json::value& value, std::uint64_t least,
                                        std::uint64_t most) {
    std::uint64_t number = 0;
    if (value.is_uint64()) {
        number = value.get_uint64();
    } else if (value.is_int64() && value.get_int64() >= 0) {
        number = static_cast<std::uint64_t>(value.get_int64());
    } else {
        return std::nullopt;
    }
    if (number < least || number > most) return std::nullopt;
    return number;
}

std::string range(std::uint64_t least, std::uint64_t most) {
    return "must be an integer from " + std::to_string(least) + " to " + std::to_string(most);
}

}  // namespace

std::uint64_t Members::integer(std::string_view name, std::uint64_t least,
                               std::uint64_t most) const {
    const auto* value = find(name, true);
    if (value == nullptr) return least;
    const auto number = integer_in(*value, least, most);
    if (!number) wrong(name, range(least, most));
    return number.value_or(least);
}

std::uint64_t Members::integer_or(std::string_view name, std::uint64_t otherwise,
                                  std::uint64_t least, std::uint64_t most) const {
    return has(name) ? integer(name, least, most) : otherwise;
}

const json::array* Members::list(std::string_view name, std::size_t most) const {
    const auto* value = object_.if_contains(name);
    if (value == nullptr) return nullptr;
    if (!value->is_array() || value->get_array().size() > most) {
        wrong(name, "must be a list of at most " + std::to_string(most));
        return nullptr;
    }
    return &value->get_array();
}

std::vector<std::string> Members::texts(std::string_view name, std::size_t most, const Test& valid,
                                        std::string_view must) const {
    std::vector<std::string> out;
    const auto* values = list(name, most);
    if (values == nullptr) return out;
    std::set<std::string_view> seen;
    for (const auto& value : *values) {
        if (!value.is_string() || !valid(value.get_string())) {
            wrong(name, "has an entry " +
                            (value.is_string() ? quoted(value.get_string()) : "that is no text") +
                            ", but each must be " + std::string{must});
            return out;
        }
        if (!seen.insert(value.get_string()).second) {
            wrong(name, "has the entry " + quoted(value.get_string()) + " twice");
            return out;
        }
        out.emplace_back(value.get_string());
    }
    return out;
}

std::vector<std::uint64_t> Members::integers(std::string_view name, std::size_t most,
                                             std::uint64_t largest) const {
    std::vector<std::uint64_t> out;
    const auto* values = list(name, most);
    if (values == nullptr) return out;
    for (const auto& value : *values) {
        const auto number = integer_in(value, 0, largest);
        if (!number) {
            wrong(name, "has an entry that is no integer from 0 to " + std::to_string(largest));
            return out;
        }
        out.push_back(*number);
    }
    return out;
}

void Members::object(std::string_view name, const std::function<void(const Members&)>& take) const {
    const auto* value = find(name, true);
    if (value == nullptr) return;
    if (!value->is_object()) return wrong(name, "must be an object");
    take(Members{value->get_object(), path_of(name), problem_});
}

void Members::objects(std::string_view name, std::size_t most,
                      const std::function<void(const Members&)>& take) const {
    const auto* values = list(name, most);
    if (values == nullptr) return;
    std::size_t index = 0;
    for (const auto& value : *values) {
        const std::string path = path_of(name) + "[" + std::to_string(index++) + "]";
        if (!value.is_object()) return wrong(name, "must be a list of objects");
        take(Members{value.get_object(), path, problem_});
        if (failed()) return;
    }
}

void Members::each_text(std::string_view name, std::size_t most, const Test& valid,
                        std::string_view must,
                        const std::function<void(std::string_view, std::string)>& take) const {
    const auto* value = object_.if_contains(name);
    if (value == nullptr) return;
    if (!value->is_object() || value->get_object().size() > most)
        return wrong(name, "must be an object of at most " + std::to_string(most) + " members");
    const Members inner{value->get_object(), path_of(name), problem_};
    for (const auto& member : value->get_object()) {
        auto text = inner.text(member.key(), valid, must);
        if (failed()) return;
        take(member.key(), std::move(text));
        if (failed()) return;
    }
}

void Members::each_object(std::string_view name, std::size_t most,
                          const std::function<void(std::string_view, const Members&)>& take) const {
    const auto* value = object_.if_contains(name);
    if (value == nullptr) return;
    if (!value->is_object() || value->get_object().size() > most)
        return wrong(name, "must be an object of at most " + std::to_string(most) + " members");
    const Members inner{value->get_object(), path_of(name), problem_};
    for (const auto& member : value->get_object()) {
        inner.object(member.key(), [&](const Members& each) { take(member.key(), each); });
        if (failed()) return;
    }
}

}  // namespace backplane::core::bundle
