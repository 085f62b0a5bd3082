// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "browser/guarded.hpp"

#include "backplane/core/log.hpp"

namespace backplane::sync {

void report_exception(const char* what, const char* text) noexcept {
    try {
        core::log_error("browser", "callback.failed", {{"what", what}, {"error", text}});
    } catch (...) {  // NOLINT(bugprone-empty-catch): out of memory while reporting; there is
                     // nothing left to do
    }
}

}  // namespace backplane::sync
