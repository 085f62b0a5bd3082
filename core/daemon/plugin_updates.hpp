// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The updater as this box has it: its trust, its folder, its patience, from options and configuration.
#pragma once

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>
#include <vector>

#include "backplane/core/config.hpp"
#include "options.hpp"
#include "registry/plugin_catalogue.hpp"
#include "store/durable_files.hpp"
#include "update/updater.hpp"

namespace backplane::daemon {

/// Whether this box uses an interface: simulated devices appear where somebody asked for them; in a demonstration nothing
/// real is touched unasked.
bool uses_interface(const Options& options, const core::Config& config, const std::string& name);

/// Opens the engine, which blocks on the disk. `files` and `source` outlive the updater. What is wrong with the trusted
/// roots and keys is added to `problems`; what keeps the engine from opening is told by the updater.
std::unique_ptr<core::Updater> make_updater(boost::asio::io_context& loop, const Options& options,
                                            const core::Config& config, core::DurableFiles& files,
                                            core::BundleSource& source,
                                            std::vector<core::CataloguedPlugin> own,
                                            std::vector<std::string>& problems);

}  // namespace backplane::daemon
