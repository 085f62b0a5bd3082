// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// JSON of which two readers cannot believe different things: no member twice in one object, no number that is not an
// integer, at most 16 levels, at most 256 KiB, valid UTF-8. And its members, each with a type and a limit.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"

namespace backplane::core::bundle {

inline constexpr std::size_t k_json_depth = 16;
/// What every reader of JSON can tell apart from its neighbours (2^53 - 1).
inline constexpr std::uint64_t k_largest_integer = 9'007'199'254'740'991;

/// The text of the error goes on after "the release manifest ": "is not valid JSON: …". Code E_TYPE.
Result<boost::json::object> parse_strict(std::span<const std::byte> bytes);

/// Takes the members of an object. The first thing that is wrong is kept in `problem`, with its path; the values taken
/// after that are of no meaning. Unknown members are not looked at.
class Members {
public:
    using Test = std::function<bool(std::string_view)>;

    /// Both outlive this.
    Members(const boost::json::object& object, std::string path, std::string& problem)
        : object_(object), path_(std::move(path)), problem_(problem) {}

    bool has(std::string_view name) const { return object_.contains(name); }
    /// `must` goes on after "must be".
    std::string text(std::string_view name, const Test& valid, std::string_view must) const;
    std::string text_or_empty(std::string_view name, const Test& valid,
                              std::string_view must) const;
    std::uint64_t integer(std::string_view name, std::uint64_t least, std::uint64_t most) const;
    std::uint64_t integer_or(std::string_view name, std::uint64_t otherwise, std::uint64_t least,
                             std::uint64_t most) const;
    std::vector<std::string> texts(std::string_view name, std::size_t most, const Test& valid,
                                   std::string_view must) const;
    std::vector<std::uint64_t> integers(std::string_view name, std::size_t most,
                                        std::uint64_t largest) const;
    /// Calls `take` with the members of the object `name`; a missing one is a problem.
    void object(std::string_view name, const std::function<void(const Members&)>& take) const;
    /// Each object of the list `name`. A missing list is empty.
    void objects(std::string_view name, std::size_t most,
                 const std::function<void(const Members&)>& take) const;
    /// Each member of the object `name`, which must be texts or objects. A missing object is empty.
    void each_text(std::string_view name, std::size_t most, const Test& valid,
                   std::string_view must,
                   const std::function<void(std::string_view, std::string)>& take) const;
    void each_object(std::string_view name, std::size_t most,
                     const std::function<void(std::string_view, const Members&)>& take) const;

    void wrong(std::string_view name, std::string_view what) const;
    bool failed() const { return !problem_.empty(); }

private:
    const boost::json::value* find(std::string_view name, bool required) const;
    const boost::json::array* list(std::string_view name, std::size_t most) const;
    std::string path_of(std::string_view name) const;

    const boost::json::object& object_;
    std::string path_;
    std::string& problem_;
};

}  // namespace backplane::core::bundle
