// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// `backplane bundle create`: plug-ins and the manifest that lists them, as they lie in the iot_handlers folder of a
// server's module.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bundle_root.hpp"

namespace backplane::cli {

struct CreateOptions {
    RootOptions root;  ///< folder, bundle, copies, keys for a first root, dates, secret keys
    std::string root_expires;  ///< of a first root
    std::string vendor;        ///< empty: the release itself
    std::optional<std::uint64_t> version;
    std::string min_host;
    std::vector<std::string> plugins;
    Named floors;      ///< NAME=VERSION
    Named probations;  ///< NAME=SECONDS
    Named actions;     ///< NAME=COUNT
    Named notes;       ///< NAME=LANGUAGE:TEXT
    Named withdrawn;   ///< SHA256=REASON
    std::string zip;
};

ExitCode create_release(const CreateOptions& options);

}  // namespace backplane::cli
