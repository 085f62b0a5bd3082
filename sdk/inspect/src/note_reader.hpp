// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// From the JSON of a note to typed values. The format: docs/reference/plugin-note.md.
#pragma once

#include <boost/json/object.hpp>

#include "backplane/inspect/plugin_note.hpp"
#include "problems.hpp"

namespace backplane::sdk {

/// Reads what it can; the result is to be trusted only when no problem was added.
PluginNote read_note(const boost::json::object& json, Problems& problems);

}  // namespace backplane::sdk
