// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Too much, too many, and sizes that are not true: what is meant to exhaust whoever unpacks it.
#include "bundle/tests/hostile_zips.hpp"

namespace backplane::core::bundle::tests {
namespace {

constexpr std::size_t k_plugins = k_extracted_bytes;

ZipFile bomb_file(unsigned power_of_two) {
    Bomb bomb = bomb_of_mebibytes(power_of_two);
    const auto packed = static_cast<std::uint32_t>(bomb.data.size());
    const HeaderLies truth{.crc = bomb.crc, .packed = packed, .size = bomb.size};
    return {.name = k_wanted,
            .deflated = true,
            .data = std::move(bomb.data),
            .local = truth,
            .central = truth};
}

std::string bomb_that_claims(unsigned power_of_two, std::uint32_t size) {
    ZipFile file = bomb_file(power_of_two);
    file.local.size = file.central.size = size;
    return make_zip({file});
}

/// Its wanted file is the archive itself, packed again and again.
std::string nested(std::string inner, int times) {
    for (; times > 0; --times) {
        inner = make_zip({{.name = k_wanted, .content = inner, .deflated = true}});
    }
    return inner;
}

std::string many_files(std::size_t count, const std::function<ZipFile(std::size_t)>& file,
                       const ZipLies& lies = {}) {
    std::vector<ZipFile> files{honest_files().front()};
    files.reserve(count);
    while (files.size() < count) files.push_back(file(files.size()));
    return make_zip(files, lies);
}

ZipFile numbered(std::size_t i) {
    return {.name = "drivers/f" + std::to_string(i)};
}

std::vector<HostileZip> untrue_sizes() {
    std::vector<HostileZip> out;
    const auto size = static_cast<std::uint32_t>(honest_content().size());
    const auto packed = static_cast<std::uint32_t>(deflated(honest_content()).size());
    const auto add = [&out](const std::string& what, std::function<void(ZipFile&)> change) {
        out.push_back({what, [change] { return zip_with_wanted(change); }});
    };
    for (const bool deflate : {true, false}) {
        const std::string how = deflate ? ", deflated" : ", stored";
        const std::uint32_t there = deflate ? packed : size;
        for (const std::uint32_t lie :
             {0u, 1u, size - 1, size + 1, size * 2, 0x7fffffffu, 0xfffffffeu}) {
            add("the size " + std::to_string(lie) + " in both headers" + how, [=](ZipFile& f) {
                f.deflated = deflate;
                f.local.size = f.central.size = lie;
            });
        }
        for (const std::uint32_t lie : {0u, 1u, there - 1, there + 1, 0x7fffffffu, 0xfffffffeu}) {
            add("the packed size " + std::to_string(lie) + " in both headers" + how,
                [=](ZipFile& f) {
                    f.deflated = deflate;
                    f.local.packed = f.central.packed = lie;
                });
        }
        add("another size in the local header" + how, [=](ZipFile& f) {
            f.deflated = deflate;
            f.local.size = size + 1;
        });
        add("another size in the directory" + how, [=](ZipFile& f) {
            f.deflated = deflate;
            f.central.size = size - 1;
        });
    }
    const auto stream = [&add](const char* what, const std::string& data, std::uint32_t claimed) {
        add(what, [=](ZipFile& f) {
            f.data = data;
            f.local.size = f.central.size = claimed;
        });
    };
    const std::string good = deflated(honest_content());
    stream("no packed bytes", "", size);
    stream("no packed bytes of nothing", "", 0);
    stream("a packed stream that is cut off", good.substr(0, good.size() / 2), size);
    stream("a packed stream of an unknown block", std::string(40, '\x07'), size);
    stream("a stored block that lies about its size", std::string{"\x01\xff\xff\xff\xff", 5}, size);
    stream("a packed stream that refers to what is not there",
           std::string{"\x4b\x04\x62\x00", 4} + good, size);
    stream("random packed bytes", "\x9d\x1b\x55\xaa" + std::string(200, '\x6e'), size);
    out.push_back({"bytes behind the end of a packed stream",
                   [=] { return zip_with_wanted([&](ZipFile& f) { f.data = good + "xyz"; }); },
                   ""});
    out.push_back({"a folder with content",
                   [] { return zip_with({.name = "lib/", .content = "x", .external = 0}); }});
    out.push_back({"a wanted file one byte too long",
                   [] {
                       return make_zip({{.name = k_wanted,
                                         .content = std::string(k_metadata_bytes + 1, 'j'),
                                         .deflated = true}});
                   },
                   "E_LEN"});
    return out;
}

std::vector<HostileZip> bombs() {
    const auto one_gibibyte = [] { return make_zip({bomb_file(10)}); };
    std::vector<HostileZip> out{
        {"1 GiB", one_gibibyte, "E_LEN"},
        {"1 GiB where a plug-in is allowed", one_gibibyte, "E_LEN", k_wanted, k_plugins},
        {"2 GiB", [] { return make_zip({bomb_file(11)}); }, "E_LEN", k_wanted, k_plugins},
        {"1 GiB that claims 200 bytes", [] { return bomb_that_claims(10, 200); }, "E_ZIP"},
        {"1 GiB that claims nothing", [] { return bomb_that_claims(10, 0); }, "E_ZIP"},
        {"1 GiB that claims 256 KiB", [] { return bomb_that_claims(10, k_metadata_bytes); },
         "E_ZIP"},
        {"1 GiB that claims 16 MiB", [] { return bomb_that_claims(10, 16u << 20); }, "E_ZIP",
         k_wanted, k_plugins},
        {"1 GiB that claims 64 MiB less a byte",
         [] { return bomb_that_claims(10, (64u << 20) - 1); }, "E_ZIP", k_wanted, k_plugins},
        {"1 GiB that claims 2 GiB", [] { return bomb_that_claims(10, 0x7fffffff); }, "E_ZIP"},
        {"1 MiB that claims 32 MiB", [] { return bomb_that_claims(0, 32u << 20); }, "E_ZIP",
         k_wanted, k_plugins},
        {"16 MiB that claim 15 MiB", [] { return bomb_that_claims(4, 15u << 20); }, "E_ZIP",
         k_wanted, k_plugins},
    };
    // What is inside an archive inside is nobody's business here: its bytes are read, and no more.
    const std::string inner = nested(one_gibibyte(), 1);
    HostileZip once{"1 GiB in an archive in an archive",
                    [inner] { return inner; },
                    "",
                    k_wanted,
                    std::size_t{4} << 20,
                    one_gibibyte()};
    out.push_back(std::move(once));
    const std::string deep = nested(one_gibibyte(), 4), deeper = nested(deep, 1);
    HostileZip often{"1 GiB in five archives",
                     [deeper] { return deeper; },
                     "",
                     k_wanted,
                     std::size_t{4} << 20,
                     deep};
    out.push_back(std::move(often));
    out.push_back({"300 bombs of 1 GiB that share their bytes", [] {
                       std::vector<ZipFile> files{bomb_file(10)};
                       for (int i = 0; i < 300; ++i) {
                           ZipFile again = files.front();
                           again.name = "drivers/f" + std::to_string(i);
                           again.has_local = false;
                           again.central.local_at = 0;
                           files.push_back(again);
                       }
                       return make_zip(files);
                   }});
    out.push_back({"25 bombs of 1 GiB beside the honest file",
                   [] {
                       auto files = honest_files();
                       const ZipFile bomb = bomb_file(10);
                       for (int i = 0; i < 25; ++i) {
                           files.push_back(bomb);
                           files.back().name = "drivers/f" + std::to_string(i);
                       }
                       return make_zip(files);
                   },
                   ""});
    return out;
}

std::vector<HostileZip> crowds() {
    std::vector<HostileZip> out;
    out.push_back({"70,000 files", [] { return many_files(70'000, numbered); }});
    out.push_back({"70,000 files, counted with 64 bits",
                   [] { return many_files(70'000, numbered, {.here = 65535, .total = 65535}); }});
    out.push_back({"70,000 files that claim to be three",
                   [] { return many_files(70'000, numbered, {.here = 3, .total = 3}); }});
    out.push_back({"70,000 files that claim to be 4096",
                   [] { return many_files(70'000, numbered, {.here = 4096, .total = 4096}); }});
    out.push_back({"65,534 files", [] { return many_files(65'534, numbered); }});
    out.push_back({"4,097 files", [] { return many_files(4097, numbered); }});
    out.push_back({"4,096 files", [] { return many_files(4096, numbered); }, ""});
    out.push_back({"4,096 files with the longest names",
                   [] {
                       return many_files(4096, [](std::size_t i) {
                           return ZipFile{
                               .name = "lib/" + std::to_string(i) +
                                       std::string(1024 - 4 - std::to_string(i).size(), 'n')};
                       });
                   },
                   ""});
    out.push_back({"4,096 files with 3 KiB of comment each", [] {
                       return many_files(4096, [](std::size_t i) {
                           ZipFile file = numbered(i);
                           file.central.comment = std::string(3000, 'c');
                           return file;
                       });
                   }});
    out.push_back({"400 files with 60 KiB of extra fields each", [] {
                       return many_files(400, [](std::size_t i) {
                           ZipFile file = numbered(i);
                           file.central.extra =
                               le16(0xcafe) + le16(60'000) + std::string(60'000, 'e');
                           return file;
                       });
                   }});
    out.push_back({"as many bytes as allowed, of a foreign file",
                   [] {
                       auto files = honest_files();
                       files.push_back({.name = "lib/large",
                                        .content = std::string(k_archive_bytes - 4096, 'f')});
                       return make_zip(files);
                   },
                   ""});
    return out;
}

}  // namespace

std::vector<HostileZip> hostile_sizes() {
    std::vector<HostileZip> out;
    for (auto part : {untrue_sizes(), bombs(), crowds()})
        out.insert(out.end(), part.begin(), part.end());
    return out;
}

}  // namespace backplane::core::bundle::tests
