// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Is the schema of a plug-in's settings one that the box can check? The subset:
// docs/reference/plugin-note.md.
#pragma once

#include <boost/json/object.hpp>

#include <string>

#include "problems.hpp"

namespace backplane::sdk {

/// `where` is "settings" or "device_settings".
void check_schema(const boost::json::object& schema, const std::string& where, Problems& problems);

}  // namespace backplane::sdk
