// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#pragma once

namespace backplane::cli {

/// What scripts rely on; docs/reference/cli.md has the same list.
enum class ExitCode {
    ok = 0,
    failed = 1,    ///< the box could not be reached, or did not answer as it should
    usage = 2,     ///< the command line is wrong
    degraded = 3,  ///< the box works, but a device or plug-in does not, or it is not paired
};

}  // namespace backplane::cli
