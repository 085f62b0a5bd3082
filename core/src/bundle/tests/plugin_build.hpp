// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Builds of plug-ins with any name and version, made of one that the compiler has linked: only the note differs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace backplane::core::bundle::testing {

struct PluginWords {
    std::string name = "acme_scale";
    std::string id = {};  ///< empty: "com.example." and the name
    std::string version = "1.1.0";
    std::string kind = "driver";
    std::string bus = "serial";    ///< that the driver serves
    std::string permissions = {};  ///< JSON inside the list: R"("hid")"
    unsigned abi_major = 1, abi_minor = 0;
    std::string arch = {};  ///< empty: this machine's
    std::size_t bytes = 0;  ///< at least so many; the rest is other code behind the ELF file
};

/// The note has about 380 bytes; words that are longer are a failure of the test.
std::vector<std::byte> plugin_build(const PluginWords& words);

}  // namespace backplane::core::bundle::testing
