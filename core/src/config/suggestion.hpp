// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// "did you mean": the known name that is nearest to what somebody typed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backplane::core {

/// `: did you mean "port"?`, or `: known here are address, port`; empty when nothing is known.
std::string suggestion_for(std::string_view typed, const std::vector<std::string>& known);

}  // namespace backplane::core
