// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs something in a child that dies when it touches the file system, and measures it.
#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace backplane::core::bundle::tests {

struct ChildReport {
    std::string said;  ///< what `work` returned; of a child that died: how
    bool died = false;
    long grown_kib = 0;                ///< of its highest resident memory over that at its start
    std::chrono::milliseconds took{};  ///< of the processor: a busy machine makes nobody guilty
};

/// The kernel kills the child at the first call that opens, makes, renames or removes a file.
ChildReport run_guarded(const std::function<std::string()>& work);

}  // namespace backplane::core::bundle::tests
