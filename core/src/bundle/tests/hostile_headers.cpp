// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Headers that contradict each other, or ask for what an honest archive does not need.
#include "bundle/tests/hostile_zips.hpp"

namespace backplane::core::bundle::tests {
namespace {

using Change = std::function<void(ZipFile&)>;

std::string extra(std::uint16_t id, const std::string& content) {
    return le16(id) + le16(content.size()) + content;
}

/// The alternative name of Info-ZIP, which some readers prefer.
std::string unicode_path(const std::string& header_name, const std::string& name) {
    return extra(0x7075, "\x01" + le32(crc_of(header_name)) + name);
}

std::vector<HostileZip> contradictions() {
    std::vector<HostileZip> out;
    const auto add = [&out](const char* what, Change change, const char* code = "E_ZIP") {
        out.push_back({what, [change] { return zip_with_wanted(change); }, code});
    };
    add("another name in the local header", [](ZipFile& f) { f.local.name = "drivers/x.json"; });
    add("another name of the same length in the local header",
        [](ZipFile& f) { f.local.name = "drivers/backplane.evil.release.json"; });
    add("a name that climbs out in the local header",
        [](ZipFile& f) { f.local.name = "../../../../../../etc/passwd"; });
    add("no name in the local header", [](ZipFile& f) { f.local.name = ""; });
    add("another name in the directory", [](ZipFile& f) { f.central.name = "drivers/x.json"; });
    add("the wanted name only in the directory",
        [](ZipFile& f) { f.local.name = "drivers/other.py"; });
    add("another case in the local header",
        [](ZipFile& f) { f.local.name = "Drivers/backplane.acme.release.json"; });
    add("another method in the local header", [](ZipFile& f) { f.local.method = 0; });
    add("another method in the directory", [](ZipFile& f) { f.central.method = 0; });
    add("encryption in the local header only", [](ZipFile& f) { f.local.flags = 1; });
    add("encryption in the directory only", [](ZipFile& f) { f.central.flags = 1; });
    add("a descriptor announced in the local header only", [](ZipFile& f) { f.local.flags = 8; });
    add("a descriptor announced in the directory only", [](ZipFile& f) { f.central.flags = 8; });
    add("a UTF-8 name in the local header only", [](ZipFile& f) { f.local.flags = 1 << 11; });
    add("another checksum in the local header", [](ZipFile& f) { f.local.crc = 1; });
    add("another checksum in the directory", [](ZipFile& f) { f.central.crc = 1; });
    add("a wrong checksum in both", [](ZipFile& f) { f.local.crc = f.central.crc = 1; });
    add("a wrong checksum in both, stored",
        [](ZipFile& f) { f.deflated = false, f.local.crc = f.central.crc = 1; });
    add("content that was exchanged behind its checksum", [](ZipFile& f) {
        f.data = deflated(std::string(f.content.size(), 'x'));
        f.local.packed = f.central.packed = static_cast<std::uint32_t>(f.data->size());
    });
    add("another local signature", [](ZipFile& f) { f.local.signature = 0x04034b51; });
    add("another directory signature", [](ZipFile& f) { f.central.signature = 0x02014b51; });
    add("a local header that is a directory header",
        [](ZipFile& f) { f.local.signature = 0x02014b50; });
    add("another file's name in the field that some readers prefer",
        [](ZipFile& f) { f.central.extra = unicode_path(f.name, "drivers/evil.json"); });
    add("the wanted name in the field that some readers prefer", [](ZipFile& f) {
        f.name = "drivers/innocent.json";
        f.central.extra = unicode_path(f.name, k_wanted);
    });
    return out;
}

std::vector<HostileZip> refused_features() {
    std::vector<HostileZip> out;
    const auto both = [&out](const std::string& what, Change change) {
        out.push_back({what, [change] { return zip_with_wanted(change); }});
        out.push_back({what + ", of a foreign file", [change] {
                           auto files = honest_files();
                           change(files.back());
                           return make_zip(files);
                       }});
    };
    both("encrypted", [](ZipFile& f) { f.flags = 1; });
    both("strongly encrypted", [](ZipFile& f) { f.flags = 1 | 1 << 6; });
    both("only the flag of strong encryption", [](ZipFile& f) { f.flags = 1 << 6; });
    both("masked headers", [](ZipFile& f) { f.flags = 1 << 13; });
    both("patch data", [](ZipFile& f) { f.flags = 1 << 5; });
    for (const int method : {1, 6, 9, 10, 12, 14, 20, 93, 95, 97, 98, 99, 65535}) {
        both("method " + std::to_string(method), [method](ZipFile& f) {
            f.local.method = f.central.method = static_cast<std::uint16_t>(method);
        });
    }
    return out;
}

std::vector<HostileZip> extensions() {
    std::vector<HostileZip> out;
    const auto add = [&out](const char* what, Change change, const char* code = "E_ZIP") {
        out.push_back({what, [change] { return zip_with_wanted(change); }, code});
    };
    add("a size in 64 bit", [](ZipFile& f) {
        f.central.size = 0xffffffff;
        f.central.extra = extra(1, le64(f.content.size()));
    });
    add("sizes in 64 bit in both headers", [](ZipFile& f) {
        f.local.size = f.local.packed = f.central.size = f.central.packed = 0xffffffff;
        f.local.extra = f.central.extra =
            extra(1, le64(f.content.size()) + le64(deflated(f.content).size()));
    });
    add("a size of 16 EiB", [](ZipFile& f) {
        f.central.size = 0xffffffff;
        f.central.extra = extra(1, le64(~std::uint64_t{0}));
    });
    add("a packed size of 16 EiB", [](ZipFile& f) {
        f.central.packed = 0xffffffff;
        f.central.extra = extra(1, le64(~std::uint64_t{0}));
    });
    add("an offset of 8 EiB", [](ZipFile& f) {
        f.central.local_at = 0xffffffff;
        f.central.extra = extra(1, le64(std::uint64_t{1} << 63));
    });
    add("a 64-bit size that is missing", [](ZipFile& f) { f.central.size = 0xffffffff; });
    add("a 64-bit size that is cut off", [](ZipFile& f) {
        f.central.size = 0xffffffff;
        f.central.extra = extra(1, "abc");
    });
    add(
        "a 64-bit field that nobody needs",
        [](ZipFile& f) { f.central.extra = extra(1, le64(1) + le64(2)); }, "");
    add("an extra field that is longer than its header",
        [](ZipFile& f) { f.central.extra = le16(0x5455) + le16(60000) + "x"; });
    add(
        "an extra field that nobody knows",
        [](ZipFile& f) { f.local.extra = f.central.extra = extra(0xcafe, "anything"); }, "");
    add(
        "a comment of a file", [](ZipFile& f) { f.central.comment = "anything"; }, "");
    add(
        "a name extra of another checksum",
        [](ZipFile& f) { f.central.extra = unicode_path("something else", "drivers/evil.json"); },
        "");
    add("a name longer than the directory", [](ZipFile& f) { f.central.name_bytes = 60000; });
    add("an extra longer than the directory", [](ZipFile& f) { f.central.extra_bytes = 60000; });
    add("a comment longer than the directory", [](ZipFile& f) { f.central.comment_bytes = 65535; });
    add("a name one byte shorter than it is",
        [](ZipFile& f) { f.central.name_bytes = static_cast<std::uint16_t>(f.name.size() - 1); });
    add("a local name longer than the archive", [](ZipFile& f) { f.local.name_bytes = 65535; });
    add("a local extra longer than the archive", [](ZipFile& f) { f.local.extra_bytes = 65535; });
    add("a local extra that reaches into the content", [](ZipFile& f) { f.local.extra_bytes = 4; });
    add("a file in another part", [](ZipFile& f) { f.central.disk = 1; });
    add("a file in part 65535", [](ZipFile& f) { f.central.disk = 65535; });
    return out;
}

std::vector<HostileZip> descriptors() {
    std::vector<HostileZip> out;
    const auto add = [&out](const char* what, Change change, const char* code = "E_ZIP") {
        out.push_back({what, [change] { return zip_with_wanted(change); }, code});
    };
    add(
        "sizes behind the content", [](ZipFile& f) { f.descriptor = descriptor_of(f, true); }, "");
    add(
        "sizes behind the content, without a signature",
        [](ZipFile& f) { f.descriptor = descriptor_of(f, false); }, "");
    add(
        "sizes behind the content and in front of it",
        [](ZipFile& f) {
            f.descriptor = descriptor_of(f, true);
            f.local.crc = crc_of(f.content);
            f.local.size = static_cast<std::uint32_t>(f.content.size());
            f.local.packed = static_cast<std::uint32_t>(deflated(f.content).size());
        },
        "");
    add("no sizes where they were announced", [](ZipFile& f) { f.descriptor = ""; });
    add("other sizes behind the content", [](ZipFile& f) {
        f.descriptor = le32(0x08074b50) + le32(crc_of(f.content)) + le32(1) + le32(1);
    });
    add("another checksum behind the content", [](ZipFile& f) {
        f.descriptor = descriptor_of(f, true);
        (*f.descriptor)[5] = static_cast<char>((*f.descriptor)[5] ^ 1);
    });
    add("sizes of another signature behind the content",
        [](ZipFile& f) { f.descriptor = "PK\7\7" + descriptor_of(f, false); });
    add("half of the sizes behind the content",
        [](ZipFile& f) { f.descriptor = descriptor_of(f, true).substr(0, 8); });
    add("64-bit sizes behind the content", [](ZipFile& f) {
        f.descriptor = le32(0x08074b50) + le32(crc_of(f.content)) +
                       le64(deflated(f.content).size()) + le64(f.content.size());
    });
    add("other sizes in front of announced ones", [](ZipFile& f) {
        f.descriptor = descriptor_of(f, true);
        f.local.size = 7;
    });
    return out;
}

}  // namespace

std::vector<HostileZip> hostile_headers() {
    std::vector<HostileZip> out;
    for (auto part : {contradictions(), refused_features(), extensions(), descriptors()}) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

}  // namespace backplane::core::bundle::tests
