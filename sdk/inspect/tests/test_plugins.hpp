// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The plug-ins that the build has made for these tests.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "backplane/inspect/inspect.hpp"

namespace backplane::sdk::testing {

inline std::vector<std::byte> read_plugin(const std::string& name) {
    std::ifstream file(std::string(BP_TEST_PLUGINS) + "/" + name + ".so",
                       std::ios::binary | std::ios::ate);
    EXPECT_TRUE(file.is_open()) << name << ".so was not built";
    if (!file) return {};
    std::vector<std::byte> bytes(static_cast<std::size_t>(file.tellg()));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    EXPECT_TRUE(file.good()) << name << ".so could not be read";
    return bytes;
}

inline std::string codes(const Inspection& inspection) {
    std::string out;
    for (const auto& finding : inspection.findings) out += (out.empty() ? "" : " ") + finding.code;
    return out;
}

}  // namespace backplane::sdk::testing
