// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Somebody changes the stored build while it is being loaded, again and again: what comes out is what was signed, or
// nothing.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "engine_fixture.hpp"
#include "util/sha256.hpp"

namespace backplane::core::testing {
namespace {

namespace fs = std::filesystem;

constexpr int k_loads = 10'000;

/// What the sealed memory file of a loaded build contains.
bundle::Bytes content_of(const LoadedBuild& loaded) {
    std::ifstream in("/proc/self/fd/" + std::to_string(loaded.bytes.get()), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span{text});
    return {bytes.begin(), bytes.end()};
}

class ARace : public EngineTest {};

TEST_F(ARace, for_the_stored_bytes_is_never_won_by_others_than_the_signed_ones) {
    install("1.0.0");
    const PluginBuild build = *engine->plugin("acme_scale")->active;
    const fs::path blob = fs::path(setup.folder) / "blobs" / build.sha256;
    const bundle::Bytes honest = tests::read_bytes(blob);
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> changes{0};
    std::thread racer([&] {
        const fs::path other = fs::path(setup.folder) / "other";
        for (std::uint64_t i = 0; !over; ++i) {
            bundle::Bytes forged = honest;
            if (i % 3 != 0) forged[(i * 7919) % forged.size()] ^= std::byte{0x40};
            std::ofstream(other, std::ios::binary | std::ios::trunc)
                .write(reinterpret_cast<const char*>(forged.data()),
                       static_cast<std::streamsize>(forged.size()));
            // By turns in one step, and in place while it is read.
            if (i % 2 == 0) {
                fs::rename(other, blob);
            } else {
                std::fstream in_place(blob, std::ios::binary | std::ios::in | std::ios::out);
                in_place.write(reinterpret_cast<const char*>(forged.data()),
                               static_cast<std::streamsize>(forged.size()));
            }
            ++changes;
        }
    });
    int loaded = 0, refused = 0, altered = 0;
    for (int i = 0; i < k_loads; ++i) {
        const auto result = engine->load(build);
        if (!result) {
            ++refused;
            continue;
        }
        ++loaded;
        if (sha256_hex(content_of(*result)) != build.sha256) ++altered;
    }
    over = true;
    racer.join();
    EXPECT_EQ(altered, 0);
    EXPECT_GT(loaded, 0) << "the race was never run";
    EXPECT_GT(refused, 0) << "the race was never run";
    std::printf("%d loads: %d honest, %d refused, %llu changes meanwhile\n", k_loads, loaded,
                refused, static_cast<unsigned long long>(changes));
}

}  // namespace
}  // namespace backplane::core::testing
