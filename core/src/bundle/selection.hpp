// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Step 9 of the verification: of each plug-in the newest build that this machine may have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backplane/core/result.hpp"
#include "bundle/metadata.hpp"
#include "bundle/verify.hpp"

namespace backplane::core::bundle {

/// A verified manifest, and what else counts for the plug-ins in it.
struct SelectionSource {
    const Release* manifest = nullptr;
    const std::vector<Withdrawal>* withdrawn_by_release = nullptr;
};

/// The entries of one name that may be used here, newest first. Why the others may not goes to `refused`.
std::vector<const ManifestPlugin*> select(const SelectionSource& source, std::string_view name,
                                          const Policy& policy, std::vector<Refusal>& refused);

/// Names of a manifest's plug-ins, each once, in its order.
std::vector<std::string> plugin_names(const Release& manifest);

/// Null when no build of it is withdrawn.
const Withdrawal* find_withdrawal(const SelectionSource& source, const std::string& sha256);

}  // namespace backplane::core::bundle
