// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The plug-ins as lists show them: what the process does, and where its build comes from.
#pragma once

#include <boost/json/array.hpp>

#include "backplane/core/update.hpp"
#include "registry/registry.hpp"

namespace backplane::core {

/// Those of the registry in its order, then those that were delivered but may not run. `updates` may be null.
boost::json::array plugin_list(const Registry& registry, const Updates* updates);

}  // namespace backplane::core
