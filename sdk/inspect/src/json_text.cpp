// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "json_text.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>

#include "backplane/inspect/name_check.hpp"
#include "text.hpp"

namespace backplane::sdk {
namespace {

// Settings schemas nest; sixteen levels are four times what the deepest of them needs.
constexpr std::size_t k_max_depth = 16;

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
