// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What a reader of files says of those that it cannot give: the same, whether it inflates them itself or has them inflated
// by another process.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "backplane/core/result.hpp"
#include "bundle/archive.hpp"
#include "util/utf8.hpp"

namespace backplane::core::bundle::file_errors {

inline std::string quoted(std::string_view name) {
    constexpr std::size_t k_shown_name_bytes = 80;
    return "\"" + to_printable(name, k_shown_name_bytes) + "\"";
}

inline Unexpected<Error> archive_too_large(std::size_t size) {
    return failure("E_SIZE", "expected an archive of at most " + std::to_string(k_archive_bytes) +
                                 " bytes, found " + std::to_string(size) +
                                 ": ask its publisher for a smaller one");
}

inline Unexpected<Error> no_such_file(std::string_view name) {
    return failure("E_NAME", "expected the file " + quoted(name) +
                                 " in the archive, found none: ask its publisher for a complete "
                                 "one");
}

inline Unexpected<Error> too_long(std::string_view name, std::size_t most, std::size_t size) {
    return failure("E_LEN", "expected at most " + std::to_string(most) + " bytes in " +
                                quoted(name) + ", found " + std::to_string(size) +
                                ": ask its publisher for a correct archive");
}

}  // namespace backplane::core::bundle::file_errors
