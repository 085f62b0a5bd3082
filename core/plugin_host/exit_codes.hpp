// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// With what status a plug-in host ends (docs/reference/host-protocol.md).
#pragma once

namespace backplane::core::host {

inline constexpr int k_exit_done = 0;
inline constexpr int k_exit_usage = 64;
inline constexpr int k_exit_not_loaded = 65;
inline constexpr int k_exit_broken_frame = 70;
inline constexpr int k_exit_system = 71;
inline constexpr int k_exit_not_read = 75;

}  // namespace backplane::core::host
