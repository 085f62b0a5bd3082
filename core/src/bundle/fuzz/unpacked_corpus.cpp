// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Containers of each shape for unpacked_fuzz.cpp, as the program that unpacks archives writes them.
#include <cstdio>
#include <span>

#include <sys/mman.h>

#include "backplane/core/fd.hpp"
#include "bundle/fuzz/run_corpus.hpp"
#include "bundle/tests/zip_maker.hpp"
#include "unpack.hpp"
#include "util/memory_map.hpp"

using namespace backplane::core;
using namespace backplane::core::bundle;

namespace {

std::string container_of(const std::string& zip) {
    const Fd file{::memfd_create("container", MFD_CLOEXEC)};
    if (!unpacker::unpack(tests::bytes_of(zip), "x86_64-linux-gnu", file.get())) std::abort();
    const auto map = MemoryMap::of(file);
    if (!map || map->bytes().empty()) std::abort();
    return {reinterpret_cast<const char*>(map->bytes().data()), map->bytes().size()};
}

}  // namespace

int main() {
    const std::string json = "{\"_type\": \"release\", \"spec\": 1}";
    const tests::ZipFile document{.name = "drivers/a.json", .content = json, .deflated = true};
    const tests::ZipFile build{.name = "drivers/b.x86_64-linux-gnu.so.1.0.0",
                               .content = std::string(300, 'b'),
                               .deflated = true};
    tests::ZipFile damaged = document;
    damaged.name = "drivers/c.json";
    damaged.local.crc = damaged.central.crc = 1;
    const tests::ZipFile none{.name = "interfaces/d.bin", .content = "x"};
    return fuzz::run_corpus(
        {container_of(tests::make_zip({})), container_of("no zip"),
         container_of(tests::make_zip({document})),
         container_of(tests::make_zip({document, build, none, {.name = "lib/x.py"}})),
         container_of(tests::make_zip({build, document, document, damaged}))},
        20'000);
}
