// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which drivers may serve a device, best first.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "backplane/inspect/plugin_note.hpp"
#include "registry/descriptor.hpp"

namespace backplane::core {

struct Candidate {
    std::string driver;  ///< name of the plug-in
    int priority = 0;
    bool probe = false;  ///< the driver has to look at the device before it may claim it
    std::chrono::milliseconds probe_limit{};
};

/// The best matching rule of each driver whose note fits the descriptor; highest priority first, and among equals those
/// that must probe before those that would take anything, then by name.
std::vector<Candidate> find_candidates(const Descriptor& device,
                                       const std::vector<const sdk::PluginNote*>& drivers);

}  // namespace backplane::core
