// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The box's own pages, compiled into the program: they are there as soon as the box answers,
// whatever the disk holds.
#pragma once

#include <span>
#include <string_view>

namespace backplane::core {

/// One file as it is served. All views live as long as the program.
struct StaticFile {
    std::string_view path;          ///< "/" or "/homepage/app.js"
    std::string_view content_type;  ///< with charset where it has one
    std::string_view content;
    std::string_view etag;  ///< strong, with its quotes; changes exactly with the content
};

/// Sorted by path.
std::span<const StaticFile> homepage_files() noexcept;

/// Content-Security-Policy to be sent with each of the files: nothing from elsewhere, nothing
/// inline.
inline constexpr std::string_view k_homepage_csp =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

}  // namespace backplane::core
