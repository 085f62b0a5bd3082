// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What it costs to verify a bundle, from the bytes of the zip to builds that may be loaded.
#include <benchmark/benchmark.h>

#include <string>

#include "publisher.hpp"

namespace {

namespace bundle = backplane::core::bundle;

/// Plug-ins of 1 MB each, as many as the argument says, in a zip as a server makes it.
void verify_bundle(benchmark::State& state) {
    bundle::testing::Publisher publisher;
    publisher.release.manifest.plugins.clear();
    for (std::int64_t i = 0; i < state.range(0); ++i)
        publisher.add_plugin({.name = "scale" + std::to_string(i), .bytes = std::size_t{1} << 20});
    const auto zip = bundle::zip_files(publisher.files());
    if (!zip) {
        state.SkipWithError(zip.error().text.c_str());
        return;
    }
    for (auto _ : state) {
        const auto found = bundle::verify_archive(*zip, publisher.trust, publisher.policy);
        // One more: that of the vendor.
        if (!found || found->bundles.size() != 1 ||
            found->bundles[0].plugins.size() != static_cast<std::size_t>(state.range(0)) + 1) {
            state.SkipWithError("the bundle was not accepted");
            return;
        }
    }
    state.counters["zip_bytes"] = static_cast<double>(zip->size());
    state.SetBytesProcessed(state.iterations() * state.range(0) << 20);
}
BENCHMARK(verify_bundle)->Arg(1)->Arg(30)->Unit(benchmark::kMillisecond);

/// What a poll costs that brings what is there already: everything but the plug-ins.
void verify_stored_documents(benchmark::State& state) {
    const bundle::testing::Publisher publisher;
    const bundle::testing::MemoryFiles files{publisher.files()};
    const auto& root = *publisher.trust.at("acme").root;
    for (auto _ : state) {
        if (!bundle::verify_stored(files, "acme", root)) {
            state.SkipWithError("the documents were not accepted");
            return;
        }
    }
}
BENCHMARK(verify_stored_documents)->Unit(benchmark::kMicrosecond);

}  // namespace
