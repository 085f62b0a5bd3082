// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Archives that were made to do harm, through the process: the same verdict as without it.
#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "bundle/tests/hostile_zips.hpp"
#include "bundle/unpacked.hpp"
#include "update/unpack_process.hpp"

namespace backplane::core {
namespace {

using namespace std::chrono_literals;
using namespace bundle::tests;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr auto k_most_time = 10s;
#else
constexpr auto k_most_time = 4s;  // of a machine that others use, too
#endif

std::string verdict(const Result<std::vector<std::byte>>& content, const std::string& honest) {
    if (!content) return content.error().code;
    const auto expected = bytes_of(honest);
    return std::equal(content->begin(), content->end(), expected.begin(), expected.end())
               ? ""
               : "other content";
}

class AHostileArchiveInTheProcess : public ::testing::Test {
protected:
    void expect_same_verdicts(const std::vector<HostileZip>& zips) {
        std::chrono::nanoseconds longest{};
        for (const HostileZip& hostile : zips) {
            const std::string zip = hostile.make();
            const auto start = std::chrono::steady_clock::now();
            const auto files = process.unpack(bytes_of(zip));
            const auto took = std::chrono::steady_clock::now() - start;
            longest = std::max(longest, std::chrono::nanoseconds{took});
            EXPECT_LE(took, k_most_time) << hostile.what;
            const std::string got =
                files ? verdict((*files)->read(hostile.wanted, hostile.most), hostile.content)
                      : files.error().code;
            // As a document nothing that is larger is inflated, whatever the reader would take.
            if (hostile.most > bundle::k_metadata_bytes) {
                EXPECT_THAT(got, ::testing::AnyOf(hostile.code, "E_LEN")) << hostile.what;
            } else {
                EXPECT_EQ(got, hostile.code) << hostile.what;
            }
        }
        std::printf("%zu archives, at most %lld ms each\n", zips.size(),
                    static_cast<long long>(longest / 1ms));
    }

    UnpackProcess process{BP_UNPACK_PROGRAM, "x86_64-linux-gnu", 10s};
};

TEST_F(AHostileArchiveInTheProcess, with_bad_names_gets_the_same_verdict) {
    expect_same_verdicts(hostile_names());
}

TEST_F(AHostileArchiveInTheProcess, with_contradicting_headers_gets_the_same_verdict) {
    expect_same_verdicts(hostile_headers());
}

TEST_F(AHostileArchiveInTheProcess, with_a_false_layout_gets_the_same_verdict) {
    expect_same_verdicts(hostile_layouts());
}

TEST_F(AHostileArchiveInTheProcess, with_untrue_sizes_or_bombs_gets_the_same_verdict) {
    expect_same_verdicts(hostile_sizes());
}

/// A build of so many MiB of zeros that claims another size.
std::string bomb_of_a_build(unsigned power_of_two, std::uint32_t claimed) {
    Bomb bomb = bomb_of_mebibytes(power_of_two);
    const auto packed = static_cast<std::uint32_t>(bomb.data.size());
    const HeaderLies lie{.crc = bomb.crc, .packed = packed, .size = claimed};
    return make_zip({{.name = "drivers/bomb.x86_64-linux-gnu.so.1.0.0",
                      .deflated = true,
                      .data = std::move(bomb.data),
                      .local = lie,
                      .central = lie},
                     {.name = k_wanted, .content = honest_content(), .deflated = true}});
}

TEST_F(AHostileArchiveInTheProcess, with_a_bomb_for_a_build_keeps_its_documents) {
    constexpr std::uint32_t k_mib = 1u << 20;
    struct Case {
        unsigned power_of_two;
        std::uint32_t claimed;
        std::string code;
    };
    for (const auto& [power_of_two, claimed, code] :
         {Case{10, 1024 * k_mib, "E_LEN"}, Case{10, 32 * k_mib + 1, "E_LEN"},
          Case{10, 32 * k_mib, "E_ZIP"}, Case{10, 16 * k_mib, "E_ZIP"},
          Case{5, 31 * k_mib, "E_ZIP"}, Case{4, 16 * k_mib - 1, "E_ZIP"},
          Case{4, 16 * k_mib, "other content"}}) {
        const std::string zip = bomb_of_a_build(power_of_two, claimed);
        const std::string build = "drivers/bomb.x86_64-linux-gnu.so.1.0.0";
        const auto here = bundle::Archive::open(bytes_of(zip));
        const auto there = process.unpack(bytes_of(zip));
        ASSERT_TRUE(there) << claimed << ": " << there.error().text;
        ASSERT_TRUE(here);
        const auto direct = here->read(build, bundle::k_build_bytes);
        const auto through = (*there)->read(build, bundle::k_build_bytes);
        EXPECT_EQ(verdict(through, "x"), code) << claimed;
        EXPECT_EQ(verdict(direct, "x"), code) << claimed;
        if (!direct && !through) {
            EXPECT_EQ(through.error().text, direct.error().text);
        }
        EXPECT_EQ(verdict((*there)->read(k_wanted, bundle::k_metadata_bytes), honest_content()),
                  "");
    }
}

TEST_F(AHostileArchiveInTheProcess, with_bombs_only_keeps_the_process_busy_for_a_moment) {
    std::vector<ZipFile> files;
    Bomb bomb = bomb_of_mebibytes(10);
    const HeaderLies lie{
        .crc = bomb.crc, .packed = static_cast<std::uint32_t>(bomb.data.size()), .size = 32u << 20};
    for (int i = 0; i < 25; ++i) {
        files.push_back({.name = "drivers/b" + std::to_string(i) + ".x86_64-linux-gnu.so.1",
                         .deflated = true,
                         .data = bomb.data,
                         .local = lie,
                         .central = lie});
    }
    const std::string zip = make_zip(files);
    const auto start = std::chrono::steady_clock::now();
    const auto unpacked = process.unpack(bytes_of(zip));
    EXPECT_LE(std::chrono::steady_clock::now() - start, k_most_time);
    ASSERT_TRUE(unpacked) << unpacked.error().text;
    std::size_t tried = 0, left_out = 0;
    for (const auto& name : (*unpacked)->names()) {
        const std::string got = verdict((*unpacked)->read(name, bundle::k_build_bytes), "x");
        ++(got == "E_ZIP" ? tried : left_out);
    }
    EXPECT_EQ(tried, 2u) << "two of 32 MiB are all that is tried";
    EXPECT_EQ(left_out, 23u);
}

}  // namespace
}  // namespace backplane::core
