// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Small archives of each shape, and names, for archive_fuzz.cpp.
#include "bundle/fuzz/run_corpus.hpp"
#include "bundle/tests/zip_maker.hpp"

using namespace backplane::core::bundle;

int main() {
    const std::string json =
        "{\"_type\": \"release\", \"spec\": 1, \"drivers\": [], \"_\": \"aaaaaaaaaaaa\"}";
    const tests::ZipFile stored{.name = "drivers/a.json", .content = json};
    const tests::ZipFile deflated{.name = "interfaces/b.so.1", .content = json, .deflated = true};
    tests::ZipFile described = deflated;
    described.descriptor = tests::descriptor_of(described, true);
    tests::ZipLies comment;
    comment.comment = "a comment";
    return fuzz::run_corpus(
        {tests::make_zip({}), tests::make_zip({stored}), tests::make_zip({deflated, stored}),
         tests::make_zip({described, {.name = "lib/x.py", .content = "x"}}),
         tests::make_zip({stored, stored, {.name = "drivers/"}}, comment),
         "drivers/backplane.acme.release.json", "interfaces/a.aarch64-linux-gnu.so.1.0.0"},
        4000);
}
