// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "json_text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>

#include <set>
#include <vector>

#include "text.hpp"

namespace backplane::sdk {
namespace {

// Settings schemas nest; sixteen levels are four times what the deepest of them needs.
constexpr std::size_t k_max_depth = 16;

/// Sees every name of every object. boost::json::parse() keeps the last of two members with one
/// name, so two readers of the same note could believe different things.
class NameCheck {
public:
    static constexpr std::size_t max_object_size = std::size_t(-1);
    static constexpr std::size_t max_array_size = std::size_t(-1);
    static constexpr std::size_t max_key_size = std::size_t(-1);
    static constexpr std::size_t max_string_size = std::size_t(-1);

    using Code = boost::json::error_code;
    using Text = boost::json::string_view;

    bool on_document_begin(Code&) { return true; }
    bool on_document_end(Code&) { return true; }
    bool on_object_begin(Code&) {
        names_.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t, Code&) {
        names_.pop_back();
        return true;
    }
    bool on_array_begin(Code&) { return true; }
    bool on_array_end(std::size_t, Code&) { return true; }
    bool on_key_part(Text part, std::size_t, Code&) {
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(Text part, std::size_t, Code& code) {
        name_.append(part.data(), part.size());
        if (!names_.back().insert(name_).second) {
            repeated = name_;
            code = boost::json::error::syntax;
            return false;
        }
        name_.clear();
        return true;
    }
    bool on_string_part(Text, std::size_t, Code&) { return true; }
    bool on_string(Text, std::size_t, Code&) { return true; }
    bool on_number_part(Text, Code&) { return true; }
    bool on_int64(std::int64_t, Text, Code&) { return true; }
    bool on_uint64(std::uint64_t, Text, Code&) { return true; }
    bool on_double(double, Text, Code&) { return true; }
    bool on_bool(bool, Code&) { return true; }
    bool on_null(Code&) { return true; }
    bool on_comment_part(Text, Code&) { return true; }
    bool on_comment(Text, Code&) { return true; }

    std::optional<std::string> repeated;

private:
    std::vector<std::set<std::string>> names_;
    std::string name_;
};

}  // namespace

std::optional<boost::json::object> parse_object(std::string_view text, std::string& problem) {
    boost::json::parse_options options;
    options.max_depth = k_max_depth;

    boost::json::error_code code;
    boost::json::basic_parser<NameCheck> names(options);
    const auto end = names.write_some(false, text.data(), text.size(), code);
    if (names.handler().repeated) {
        problem = "the member " + quoted(*names.handler().repeated) + " occurs twice in one object";
        return std::nullopt;
    }
    if (code) {
        problem = code.message() + " at byte " + std::to_string(end);
        return std::nullopt;
    }
    auto value = boost::json::parse({text.data(), text.size()}, code, {}, options);
    if (code) {
        problem = code.message();
        return std::nullopt;
    }
    if (!value.is_object()) {
        problem = "it is not an object";
        return std::nullopt;
    }
    return std::move(value.as_object());
}

}  // namespace backplane::sdk
