// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Sees every name of every object in a JSON text. boost::json::parse() keeps the last of two members with one name, so
// two readers of the same text could believe different things.
//
// Purpose: the handler of a boost::json::basic_parser, before the text is parsed for its values; who wants to see more
// derives from it. Include <boost/json/basic_parser_impl.hpp> where it is used.
#pragma once

#include <boost/json/error.hpp>
#include <boost/json/string_view.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace backplane::sdk {

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

    std::optional<std::string> repeated;  ///< the name that ended it

private:
    std::vector<std::set<std::string>> names_;
    std::string name_;
};

}  // namespace backplane::sdk
