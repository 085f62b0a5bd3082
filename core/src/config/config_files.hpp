// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The configuration's files, read and merged into one tree.
#pragma once

#include <string>

#include "config/config_node.hpp"

namespace backplane::core::config_reading {

/// `file` and `conf.d/*.yaml` beside it in the order of their names; never nothing, at least an empty map. Throws Mistake.
ConfigNode read_files(const std::string& file, bool required);

}  // namespace backplane::core::config_reading
