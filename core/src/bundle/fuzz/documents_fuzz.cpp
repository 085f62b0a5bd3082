// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: the documents of a bundle. They are parsed only under a good signature, except by a box in development
// mode; but a signature says who wrote something, not that it is well-formed. The first byte chooses the document.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "bundle/archive.hpp"
#include "bundle/metadata.hpp"
#include "bundle/publish.hpp"
#include "bundle/verify.hpp"

using namespace backplane::core;
using namespace backplane::core::bundle;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span{text});
}

/// What ends up in logs and pages.
void check(const Error& error) {
    require(error.code == "E_TYPE" || error.code == "E_ROOT");
    require(error.text.size() > 20 && error.text.size() < 2'000);
    for (const char c : error.text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

/// What was understood is written and understood in the same way.
template <typename Parse, typename Write>
void round_trip(std::span<const std::byte> bytes, Parse parse, Write write) {
    const auto document = parse(bytes);
    if (!document) return check(document.error());
    const std::string text = write(*document);
    if (text.size() > k_metadata_bytes) return;  // spaces make it longer than what came
    const auto again = parse(bytes_of(text));
    require(again.has_value());
    require(write(*again) == text);
}

void check_release(std::span<const std::byte> bytes) {
    const auto release = parse_release(bytes);
    if (!release) return;
    require(is_plain_id(release->bundle) && release->version > 0);
    for (const auto& plugin : release->plugins) {
        require(compare_versions(plugin.version, plugin.version) == 0);
        for (const auto& [arch, file] : plugin.files) {
            require(is_bundle_name(file.path) && file.sha256.size() == 64 && file.length > 0);
            require(file.path == plugin_file_name(plugin.kind, plugin.name, arch, plugin.version));
        }
        for (const auto& cap : plugin.caps) require(cap_covered(cap, plugin.caps));
    }
}

void check_words(std::span<const std::byte> bytes) {
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    const auto middle = text.size() / 2;
    const auto a = text.substr(0, middle), b = text.substr(middle);
    const auto there = compare_versions(a, b), back = compare_versions(b, a);
    require(there.has_value() == back.has_value());
    if (there) require((*there < 0) == (*back > 0) && (*there == 0) == (*back == 0));
    if (cap_covered(a, {std::string{b}})) require(is_known_cap(a) && is_known_cap(b));
    if (is_plain_id(text)) require(is_bundle_name(release_name(text)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const auto bytes = std::as_bytes(std::span{data + 1, size - 1});
    switch (data[0] % 4) {
        case 0:
            round_trip(bytes, parse_root, write_root);
            break;
        case 1:
            round_trip(bytes, parse_release, write_release);
            check_release(bytes);
            break;
        case 2:
            round_trip(bytes, parse_vendor, write_vendor);
            break;
        default:
            check_words(bytes);
            break;
    }
    return 0;
}
