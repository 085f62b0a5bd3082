// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The plug-ins of a folder: which there are, what their notes say, which may not be loaded and why.
//
// A refused file stays in the list with its reason. Of several versions of one plug-in the highest is used. The bytes
// that were inspected are the bytes that are loaded: they are kept in a sealed memory file.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backplane/core/result.hpp"
#include "backplane/inspect/inspect.hpp"
#include "supervisor/plugin_runner.hpp"

namespace backplane::core {

struct CataloguedPlugin {
    std::string path;
    std::string name;                     ///< from the note if it could be read, else the file's
    std::optional<sdk::PluginNote> note;  ///< absent when refused
    boost::json::object raw_note;
    std::shared_ptr<const PluginImage> image;  ///< absent when refused
    std::string refusal;                       ///< why, for people; empty when usable
};

/// Reads every "*.so" of the folder, in the order of their names. A folder that cannot be read is an error.
Result<std::vector<CataloguedPlugin>> read_plugin_folder(const std::string& folder,
                                                         const sdk::HostFacts& host);

}  // namespace backplane::core
