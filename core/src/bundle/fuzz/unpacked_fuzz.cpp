// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: a container from a program that was taken over by what it has read.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "bundle/unpacked.hpp"

using namespace backplane::core::bundle;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto files = Unpacked::parse(std::as_bytes(std::span{data, size}));
    if (!files) {
        require(files.error().code.starts_with("E_") && !files.error().text.empty());
        return 0;
    }
    const auto& names = files->names();
    require(names.size() + files->foreign_files() <= k_archive_entries);
    require(std::is_sorted(names.begin(), names.end()) &&
            std::adjacent_find(names.begin(), names.end()) == names.end());
    std::size_t read = 0;
    for (const auto& name : names) {
        require(is_bundle_name(name));
        const auto content = files->read(name, k_build_bytes);
        if (content) {
            require(!files->is_ambiguous(name) && content->size() <= k_build_bytes);
            // One byte less than there is can never be enough.
            require(content->empty() || !files->read(name, content->size() - 1));
            read += content->size();
        } else {
            require(content.error().code.starts_with("E_") && !content.error().text.empty());
        }
    }
    require(read <= size);
    return 0;
}
