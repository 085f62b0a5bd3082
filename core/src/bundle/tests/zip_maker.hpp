// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Writes zips byte by byte, so that each field can lie. What is not said is honest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace backplane::core::bundle::tests {

using Number16 = std::optional<std::uint16_t>;
using Number32 = std::optional<std::uint32_t>;

/// What one header says instead of the truth.
struct HeaderLies {
    std::optional<std::string> name{};
    Number16 flags{}, method{}, name_bytes{}, extra_bytes{}, comment_bytes{}, disk{};
    Number32 signature{}, crc{}, packed{}, size{}, local_at{};
    std::string extra{}, comment{};
};

struct ZipFile {
    std::string name{};
    std::string content{};
    bool deflated = false;
    std::uint16_t flags = 0;  ///< in both headers
    std::uint32_t external = std::uint32_t{0100644} << 16;
    std::uint16_t made_by = 3 << 8 | 20;      ///< Unix
    std::optional<std::string> data{};        ///< instead of the packed content
    std::optional<std::string> descriptor{};  ///< behind the data; zeros in the local header then
    std::string behind{};                     ///< bytes that belong to nobody
    HeaderLies local{}, central{};
    bool in_directory = true;
    bool has_local = true;
};

struct ZipLies {
    Number16 disk{}, directory_disk{}, here{}, total{}, comment_bytes{};
    Number32 signature{}, directory_bytes{}, directory_at{};
    std::string prefix{};        ///< in front of everything
    bool prefix_counts = false;  ///< offsets include it
    std::string before_directory{}, before_end{}, comment{}, tail{};
};

std::string make_zip(const std::vector<ZipFile>& files, const ZipLies& lies = {});

std::string le16(std::uint64_t value);
std::string le32(std::uint64_t value);
std::string le64(std::uint64_t value);
std::uint32_t crc_of(const std::string& content);
/// A raw deflate stream.
std::string deflated(const std::string& content);
/// Sizes behind the data, as a writer adds them that could not know them in advance.
std::string descriptor_of(const ZipFile& file, bool with_signature);

/// Zeros, deflated, without ever having been there.
struct Bomb {
    std::string data;
    std::uint32_t crc = 0;
    std::uint32_t size = 0;
};
Bomb bomb_of_mebibytes(unsigned power_of_two);

inline std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span{text});
}

}  // namespace backplane::core::bundle::tests
