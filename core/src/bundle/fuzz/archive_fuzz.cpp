// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: a body that a server, or whoever answers in its place, sends as an archive; and the
// names in it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "bundle/archive.hpp"

using namespace backplane::core::bundle;

namespace {

constexpr std::size_t k_most = std::size_t{64} << 10;

void require(bool holds) {
    if (!holds) std::abort();
}

/// Whatever is a bundle name can be put behind a folder and stays inside it.
void check_name(std::string_view name) {
    if (!is_bundle_name(name)) return;
    require(name.size() <= k_name_bytes);
    require(name.find("/.") == name.npos && name.find('\0') == name.npos);
    require(name.find('/') != name.npos && name.find('/') == name.rfind('/'));
    require(!name.starts_with('/') && !name.ends_with('/'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    check_name({reinterpret_cast<const char*>(data), size});
    const auto archive = Archive::open(std::as_bytes(std::span{data, size}));
    if (!archive) {
        require(!archive.error().code.empty() && !archive.error().text.empty());
        return 0;
    }
    require(archive->names().size() + archive->foreign_files() <= k_archive_entries);
    for (const auto& name : archive->names()) {
        require(is_bundle_name(name));
        check_name(name);
        const auto content = archive->read(name, k_most);
        require(content ? !archive->is_ambiguous(name) && content->size() <= k_most
                        : !content.error().text.empty());
    }
    return 0;
}
