// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Where things lie: in front, behind, between, on top of each other, in several parts, or not at
// all.
#include "bundle/tests/hostile_zips.hpp"

namespace backplane::core::bundle::tests {

std::string honest_content() {
    std::string out = "{\"_type\": \"release\", \"spec\": 1, \"drivers\": [";
    for (int i = 0; i < 12; ++i)
        out += "{\"name\": \"acme_scale_" + std::to_string(i * i * 7919) + "\"}, ";
    return out + "{}]}\n";
}

std::vector<ZipFile> honest_files() {
    return {{.name = k_wanted, .content = honest_content(), .deflated = true},
            {.name = "drivers/acme_scale.x86_64-linux-gnu.so.1.1.0",
             .content = "\x7f"
                        "ELF" +
                        std::string(60, '\1')},
            {.name = "drivers/other.py", .content = "import os\n"}};
}

std::string zip_with(const ZipFile& file) {
    auto files = honest_files();
    files.push_back(file);
    return make_zip(files);
}

std::string zip_with_wanted(const std::function<void(ZipFile&)>& change) {
    auto files = honest_files();
    change(files.front());
    return make_zip(files);
}

namespace {

std::string honest_zip() {
    return make_zip(honest_files());
}

std::string other_zip() {
    return make_zip({{.name = k_wanted, .content = "evil"}});
}

std::string zip64_end(std::uint64_t entries, std::uint64_t bytes, std::uint64_t at) {
    return le32(0x06064b50) + le64(44) + le16(45) + le16(45) + le32(0) + le32(0) + le64(entries) +
           le64(entries) + le64(bytes) + le64(at);
}

std::string zip64_locator(std::uint64_t at) {
    return le32(0x07064b50) + le32(0) + le64(at) + le32(1);
}

std::uint32_t directory_at(const std::string& zip) {
    const auto byte = [&zip](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(zip[zip.size() - 6 + i]));
    };
    return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

std::vector<HostileZip> no_zips() {
    std::vector<HostileZip> out;
    const std::vector<std::pair<const char*, std::string>> contents = {
        {"nothing", ""},
        {"one byte", "P"},
        {"21 bytes", std::string(21, '\0')},
        {"22 zeros", std::string(22, '\0')},
        {"a page", "<!doctype html><html><body>Internal Server Error</body></html>"},
        {"an empty JSON object", "{}                                  "},
        {"a gzip file", std::string{"\x1f\x8b\x08\0\0\0\0\0\0\3", 10} + std::string(60, 'x')},
        {"an ELF file",
         "\x7f"
         "ELF\2\1\1" +
             std::string(500, '\0')},
        {"a 7z file", std::string{"7z\xbc\xaf\x27\x1c\0\4", 8} + std::string(60, 'x')},
        {"a local header only", honest_zip().substr(0, 60)},
        {"a directory only", honest_zip().substr(directory_at(honest_zip()))}};
    for (const auto& [what, content] : contents) {
        out.push_back({what, [content = content] { return content; }});
    }
    out.push_back({"32 MiB of zeros", [] { return std::string(k_archive_bytes, '\0'); }});
    out.push_back({"32 MiB of ends", [] {
                       std::string text;
                       while (text.size() < k_archive_bytes) text += "PK\5\6";
                       return text;
                   }});
    out.push_back({"one byte more than 32 MiB",
                   [] {
                       ZipLies lies;
                       lies.tail = std::string(k_archive_bytes, 'x');
                       return make_zip(honest_files(), lies);
                   },
                   "E_SIZE"});
    return out;
}

std::vector<HostileZip> bytes_elsewhere() {
    std::vector<HostileZip> out;
    const auto add = [&out](const char* what, ZipLies lies, const char* code = "E_ZIP") {
        out.push_back({what, [lies] { return make_zip(honest_files(), lies); }, code});
    };
    add("a byte in front", {.prefix = "x"});
    add("a byte in front that the offsets know of", {.prefix = "x", .prefix_counts = true});
    add("a script in front", {.prefix = "#!/bin/sh\nrm -rf /\n"});
    add("a program in front", {.prefix = "\x7f"
                                         "ELF" +
                                         std::string(4096, '\0'),
                               .prefix_counts = true});
    add("another archive in front", {.prefix = other_zip()});
    add("another archive in front, with true offsets",
        {.prefix = other_zip(), .prefix_counts = true});
    add("a byte behind", {.tail = "x"});
    add("a zero behind", {.tail = std::string(1, '\0')});
    add("another archive behind", {.tail = other_zip()});
    add("a page behind", {.tail = "<html></html>"});
    add("64 KiB behind", {.tail = std::string(65536, 'x')});
    add("a second end behind", {.tail = std::string{"PK\5\6", 4} + std::string(18, '\0')});
    add("bytes in front of the directory", {.before_directory = "x"});
    add("a signature block in front of the directory",
        {.before_directory = le64(32) + std::string(16, 's') + "APK Sig Block 42"});
    add("bytes behind the directory", {.before_end = "x"});
    add("a digital signature behind the directory", {.before_end = "PK\5\5" + le16(2) + "ab"});
    add("a comment", {.comment = "made by a friendly tool"}, "");
    add("the longest comment", {.comment = std::string(65535, 'c')}, "");
    add("a comment with the end of another archive", {.comment = other_zip()});
    add("a comment with an end that does not fit",
        {.comment = "PK\5\6" + std::string(18, '\xff') + "and more"});
    add("a comment with the letters of an end", {.comment = "look: PK\5\6"});
    add("a comment that is longer than it says", {.comment_bytes = 2, .comment = "abc"});
    add("a comment that is shorter than it says", {.comment_bytes = 4, .comment = "abc"});
    add("no comment where one was announced", {.comment_bytes = 65535});
    out.push_back({"bytes between two files",
                   [] { return zip_with_wanted([](ZipFile& f) { f.behind = "x"; }); }});
    out.push_back({"a whole archive between two files",
                   [] { return zip_with_wanted([](ZipFile& f) { f.behind = other_zip(); }); }});
    out.push_back({"a file that is not in the directory", [] {
                       auto files = honest_files();
                       files.insert(files.begin() + 1,
                                    {.name = k_wanted, .content = "evil", .in_directory = false});
                       return make_zip(files);
                   }});
    out.push_back({"a first file that is not in the directory", [] {
                       auto files = honest_files();
                       files.insert(files.begin(),
                                    {.name = k_wanted, .content = "evil", .in_directory = false});
                       return make_zip(files);
                   }});
    out.push_back({"a last file that is not in the directory", [] {
                       auto files = honest_files();
                       files.push_back(
                           {.name = k_wanted, .content = "evil", .in_directory = false});
                       return make_zip(files);
                   }});
    out.push_back({"a small archive inside, stored",
                   [] { return zip_with({.name = "lib/inner.zip", .content = other_zip()}); }, ""});
    return out;
}

std::vector<HostileZip> false_ends() {
    std::vector<HostileZip> out;
    const auto add = [&out](const char* what, ZipLies lies) {
        out.push_back({what, [lies] { return make_zip(honest_files(), lies); }});
    };
    const std::string honest = honest_zip();
    const std::uint32_t at = directory_at(honest);
    const auto bytes = static_cast<std::uint32_t>(honest.size() - 22 - at);
    add("another end signature", {.signature = 0x06054b51});
    add("part 1", {.disk = 1});
    add("a directory in part 1", {.directory_disk = 1});
    add("part 1 of 2", {.disk = 1, .directory_disk = 1});
    add("part 65535", {.disk = 65535, .directory_disk = 65535});
    add("files in other parts", {.total = 5});
    add("more files here than in all", {.here = 5});
    add("one file more than there are", {.here = 4, .total = 4});
    add("one file fewer than there are", {.here = 2, .total = 2});
    add("no file where there are three", {.here = 0, .total = 0});
    add("4097 files where there are three", {.here = 4097, .total = 4097});
    add("65534 files where there are three", {.here = 65534, .total = 65534});
    add("65535 files where there are three", {.here = 65535, .total = 65535});
    add("a directory one byte shorter", {.directory_bytes = bytes - 1});
    add("a directory one byte longer", {.directory_bytes = bytes + 1});
    add("an empty directory", {.directory_bytes = 0});
    add("a directory of 4 GiB", {.directory_bytes = 0xfffffffe});
    add("a directory of 64-bit size", {.directory_bytes = 0xffffffff});
    add("a directory that begins one byte later", {.directory_at = at + 1});
    add("a directory that begins one byte earlier", {.directory_at = at - 1});
    add("a shorter directory that begins later",
        {.directory_bytes = bytes - 1, .directory_at = at + 1});
    add("a directory at the first byte", {.directory_at = 0});
    add("a directory over everything", {.directory_bytes = at + bytes, .directory_at = 0});
    add("a directory behind the end", {.directory_at = at + bytes + 22});
    add("a directory at 4 GiB", {.directory_at = 0xfffffffe});
    add("a directory at a 64-bit offset", {.directory_at = 0xffffffff});
    add("a directory whose end wraps around",
        {.directory_bytes = 0u - (0xfffffff0u - bytes), .directory_at = 0xfffffff0u});
    add("an empty directory at the end",
        {.here = 0, .total = 0, .directory_bytes = 0, .directory_at = at + bytes});
    const std::string end64 = zip64_end(3, bytes, at);
    add("an honest 64-bit end", {.before_end = end64 + zip64_locator(at + bytes)});
    add("a 64-bit end with other numbers",
        {.before_end = zip64_end(1, 51, 0) + zip64_locator(at + bytes)});
    add("a 64-bit end that is needed", {.here = 65535,
                                        .total = 65535,
                                        .directory_bytes = 0xffffffff,
                                        .directory_at = 0xffffffff,
                                        .before_end = end64 + zip64_locator(at + bytes)});
    add("a 64-bit end of 2^60 files",
        {.here = 65535,
         .total = 65535,
         .before_end = zip64_end(std::uint64_t{1} << 60, bytes, at) + zip64_locator(at + bytes)});
    add("a 64-bit end that is nowhere", {.before_end = zip64_locator(~std::uint64_t{0})});
    add("a 64-bit end that is itself", {.before_end = zip64_locator(at + bytes)});
    add("a 64-bit end without its record", {.before_end = zip64_locator(0)});
    out.push_back({"a 64-bit locator as a comment of the last file", [=] {
                       auto files = honest_files();
                       files.back().central.comment = zip64_locator(0);
                       return make_zip(files);
                   }});
    return out;
}

std::vector<HostileZip> overlaps() {
    std::vector<HostileZip> out;
    const auto local_at = [&out](const char* what, std::uint32_t at) {
        out.push_back({what, [at] {
                           return zip_with_wanted([at](ZipFile& f) { f.central.local_at = at; });
                       }});
    };
    const std::string honest = honest_zip();
    local_at("a file at the second byte", 1);
    local_at("a file on its directory", directory_at(honest));
    local_at("a file on the end", static_cast<std::uint32_t>(honest.size() - 22));
    local_at("a file behind the end", static_cast<std::uint32_t>(honest.size()));
    local_at("a file at the last byte", static_cast<std::uint32_t>(honest.size() - 1));
    local_at("a file at 4 GiB", 0xfffffffe);
    local_at("a file at -22", 0u - 22);
    local_at("a file at 2 GiB", 0x80000000);
    out.push_back({"two names of one content", [] {
                       auto files = honest_files();
                       files.push_back({.name = "drivers/second.json",
                                        .content = honest_content(),
                                        .deflated = true,
                                        .central = {.local_at = 0},
                                        .has_local = false});
                       return make_zip(files);
                   }});
    out.push_back({"one name and content twice in the directory", [] {
                       auto files = honest_files();
                       files.push_back(files.front());
                       files.back().has_local = false;
                       files.back().central.local_at = 0;
                       return make_zip(files);
                   }});
    out.push_back({"a file inside another one", [] {
                       ZipFile inner{.name = "drivers/inner.json", .content = "evil"};
                       const std::string inside = make_zip({inner}).substr(0, 30 + 18 + 4);
                       auto files = honest_files();
                       files.insert(files.begin(), {.name = "lib/outer", .content = inside});
                       inner.has_local = false;
                       inner.central.local_at = 30 + 9;
                       files.push_back(inner);
                       return make_zip(files);
                   }});
    out.push_back({"a file in the extra field of another one", [] {
                       ZipFile inner{.name = "drivers/inner.json", .content = "evil"};
                       const std::string inside = make_zip({inner}).substr(0, 30 + 18 + 4);
                       auto files = honest_files();
                       files.insert(
                           files.begin(),
                           {.name = "lib/outer",
                            .local = {.extra = le16(0xcafe) + le16(inside.size()) + inside}});
                       inner.has_local = false;
                       inner.central.local_at = 30 + 9 + 4;
                       files.push_back(inner);
                       return make_zip(files);
                   }});
    out.push_back({"a directory without files", [] {
                       auto files = honest_files();
                       for (auto& file : files) file.has_local = false;
                       return make_zip(files);
                   }});
    out.push_back({"a directory in another order than its files",
                   [] {
                       auto files = honest_files();
                       auto late = files.front();
                       late.has_local = false;
                       late.central.local_at = 0;
                       files.front().in_directory = false;
                       files.push_back(late);
                       return make_zip(files);
                   },
                   ""});
    return out;
}

}  // namespace

std::vector<HostileZip> hostile_layouts() {
    std::vector<HostileZip> out;
    for (auto part : {no_zips(), bytes_elsewhere(), false_ends(), overlaps()}) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

}  // namespace backplane::core::bundle::tests
