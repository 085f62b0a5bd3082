// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// No exception leaves a callback: guarded(what, f) is f, with whatever it throws logged under
// `what`.
#pragma once

#include <exception>
#include <utility>

namespace backplane::sync {

void report_exception(const char* what, const char* text) noexcept;

template <typename F>
auto guarded(const char* what, F f) {
    return [what, f = std::move(f)](auto&&... args) mutable noexcept {
        try {
            f(std::forward<decltype(args)>(args)...);
        } catch (const std::exception& error) {
            report_exception(what, error.what());
        } catch (...) {
            report_exception(what, "an exception of unknown type");
        }
    };
}

}  // namespace backplane::sync
