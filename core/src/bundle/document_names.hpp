// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Which bundles an archive has documents of, by the names of its files alone.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "bundle/archive.hpp"

namespace backplane::core::bundle {

struct DocumentNames {
    std::set<std::uint64_t> roots;  ///< versions
    std::set<std::string> vendors;  ///< ids
    bool release = false;
    std::set<std::string> ambiguous;  ///< documents and signatures that are there more than once
};

/// By bundle id. Signatures alone are no bundle.
std::map<std::string, DocumentNames> documents_by_bundle(const FileSource& files);

}  // namespace backplane::core::bundle
