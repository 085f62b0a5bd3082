// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle inspect`: what a folder or a zip says of itself. Nothing of it is believed by anybody.
#pragma once

#include <string>

#include "exit_code.hpp"

namespace backplane::cli {

ExitCode inspect_bundle(const std::string& path, bool json);

}  // namespace backplane::cli
