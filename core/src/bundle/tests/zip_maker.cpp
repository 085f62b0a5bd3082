// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "bundle/tests/zip_maker.hpp"

#include <zlib.h>

#include <stdexcept>

namespace backplane::core::bundle::tests {
namespace {

std::string little_endian(std::uint64_t value, unsigned bytes) {
    std::string out;
    for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> 8 * i & 0xff));
    return out;
}

class Deflater {
public:
    Deflater() {
        if (::deflateInit2(&stream_, 6, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
            throw std::runtime_error("deflateInit2");
        }
    }
    ~Deflater() { ::deflateEnd(&stream_); }
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;

    std::string add(const std::string& content, int flush) {
        std::string out(::deflateBound(&stream_, static_cast<uLong>(content.size())) + 64, '\0');
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
        stream_.avail_in = static_cast<uInt>(content.size());
        stream_.next_out = reinterpret_cast<Bytef*>(out.data());
        stream_.avail_out = static_cast<uInt>(out.size());
        ::deflate(&stream_, flush);
        out.resize(out.size() - stream_.avail_out);
        return out;
    }

private:
    z_stream stream_{};
};

std::string packed(const ZipFile& file) {
    if (file.data) return *file.data;
    return file.deflated ? deflated(file.content) : file.content;
}

std::string checks_and_sizes(const ZipFile& file, const HeaderLies& lies, bool empty) {
    const auto truth = [empty](std::uint64_t value) {
        return static_cast<std::uint32_t>(empty ? 0 : value);
    };
    return le32(lies.crc.value_or(truth(crc_of(file.content)))) +
           le32(lies.packed.value_or(truth(packed(file).size()))) +
           le32(lies.size.value_or(truth(file.content.size())));
}

std::uint16_t flags_of(const ZipFile& file) {
    return static_cast<std::uint16_t>(file.flags | (file.descriptor ? 8 : 0));
}

std::uint16_t method_of(const ZipFile& file) {
    return file.deflated ? 8 : 0;
}

std::string local_part(const ZipFile& file) {
    const HeaderLies& lies = file.local;
    const std::string name = lies.name.value_or(file.name);
    return le32(lies.signature.value_or(0x04034b50)) + le16(20) +
           le16(lies.flags.value_or(flags_of(file))) + le16(lies.method.value_or(method_of(file))) +
           le32(0x58210000) + checks_and_sizes(file, lies, file.descriptor.has_value()) +
           le16(lies.name_bytes.value_or(static_cast<std::uint16_t>(name.size()))) +
           le16(lies.extra_bytes.value_or(static_cast<std::uint16_t>(lies.extra.size()))) + name +
           lies.extra + packed(file) + file.descriptor.value_or("");
}

std::string central_part(const ZipFile& file, std::uint64_t local_at) {
    const HeaderLies& lies = file.central;
    const std::string name = lies.name.value_or(file.name);
    return le32(lies.signature.value_or(0x02014b50)) + le16(file.made_by) + le16(20) +
           le16(lies.flags.value_or(flags_of(file))) + le16(lies.method.value_or(method_of(file))) +
           le32(0x58210000) + checks_and_sizes(file, lies, false) +
           le16(lies.name_bytes.value_or(static_cast<std::uint16_t>(name.size()))) +
           le16(lies.extra_bytes.value_or(static_cast<std::uint16_t>(lies.extra.size()))) +
           le16(lies.comment_bytes.value_or(static_cast<std::uint16_t>(lies.comment.size()))) +
           le16(lies.disk.value_or(std::uint16_t{0})) + le16(0) + le32(file.external) +
           le32(lies.local_at.value_or(static_cast<std::uint32_t>(local_at))) + name + lies.extra +
           lies.comment;
}

}  // namespace

std::string le16(std::uint64_t value) {
    return little_endian(value, 2);
}
std::string le32(std::uint64_t value) {
    return little_endian(value, 4);
}
std::string le64(std::uint64_t value) {
    return little_endian(value, 8);
}

std::uint32_t crc_of(const std::string& content) {
    return static_cast<std::uint32_t>(::crc32(0, reinterpret_cast<const Bytef*>(content.data()),
                                              static_cast<uInt>(content.size())));
}

std::string deflated(const std::string& content) {
    return Deflater{}.add(content, Z_FINISH);
}

std::string descriptor_of(const ZipFile& file, bool with_signature) {
    return (with_signature ? le32(0x08074b50) : "") + checks_and_sizes(file, HeaderLies{}, false);
}

std::string make_zip(const std::vector<ZipFile>& files, const ZipLies& lies) {
    std::string out = lies.prefix, directory;
    const std::size_t base = lies.prefix_counts ? 0 : lies.prefix.size();
    std::size_t entries = 0;
    for (const ZipFile& file : files) {
        if (file.in_directory) {
            directory += central_part(file, out.size() - base);
            ++entries;
        }
        if (file.has_local) out += local_part(file) + file.behind;
    }
    out += lies.before_directory;
    const std::size_t directory_at = out.size() - base;
    out += directory + lies.before_end;
    return out + le32(lies.signature.value_or(0x06054b50)) +
           le16(lies.disk.value_or(std::uint16_t{0})) +
           le16(lies.directory_disk.value_or(std::uint16_t{0})) +
           le16(lies.here.value_or(static_cast<std::uint16_t>(entries))) +
           le16(lies.total.value_or(static_cast<std::uint16_t>(entries))) +
           le32(lies.directory_bytes.value_or(static_cast<std::uint32_t>(directory.size()))) +
           le32(lies.directory_at.value_or(static_cast<std::uint32_t>(directory_at))) +
           le16(lies.comment_bytes.value_or(static_cast<std::uint16_t>(lies.comment.size()))) +
           lies.comment + lies.tail;
}

Bomb bomb_of_mebibytes(unsigned power_of_two) {
    constexpr std::uint32_t k_mebibyte = 1u << 20;
    const std::string zeros(k_mebibyte, '\0');
    Deflater deflater;
    // Each part ends at a byte and refers to nothing before it, so that it can be repeated.
    const std::string part = deflater.add(zeros, Z_FULL_FLUSH);
    Bomb bomb{{}, crc_of(zeros), k_mebibyte << power_of_two};
    for (unsigned i = 0; i < 1u << power_of_two; ++i) bomb.data += part;
    bomb.data += deflater.add({}, Z_FINISH);
    for (unsigned i = 0; i < power_of_two; ++i) {
        bomb.crc = static_cast<std::uint32_t>(
            ::crc32_combine(bomb.crc, bomb.crc, static_cast<z_off_t>(k_mebibyte << i)));
    }
    return bomb;
}

}  // namespace backplane::core::bundle::tests
