// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// No archive, however made, gets a reader to take other bytes for the wanted ones, to touch the
// file system, or to use more than 64 MiB and two seconds. The archives are in hostile_*.cpp.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>

#include "bundle/archive.hpp"
#include "bundle/tests/guarded_child.hpp"
#include "bundle/tests/hostile_zips.hpp"

namespace backplane::core::bundle::tests {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int k_patience = 5;            // they are slow, and have more for each piece of memory
constexpr long k_kept_kib = 256l << 10;  // of what was freed (ASan's quarantine_size_mb)
#else
constexpr int k_patience = 1;
constexpr long k_kept_kib = 0;
#endif
constexpr long k_most_kib = 64l << 10;
constexpr std::chrono::milliseconds k_most_time{2000};

/// "" when the wanted file was read and is `honest`; otherwise the code of the refusal, or "other
/// content".
std::string outcome(const std::string& zip, const std::string& wanted, std::size_t most,
                    const std::string& honest) {
    const auto archive = Archive::open(bytes_of(zip));
    if (!archive) return archive.error().code;
    const auto content = archive->read(wanted, most);
    if (!content) return content.error().code;
    const auto expected = bytes_of(honest);
    return std::equal(content->begin(), content->end(), expected.begin(), expected.end())
               ? ""
               : "other content";
}

std::vector<HostileZip> all_hostile_zips() {
    std::vector<HostileZip> out;
    for (auto part : {hostile_names(), hostile_headers(), hostile_layouts(), hostile_sizes()}) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

class AHostileArchive : public ::testing::Test {
protected:
    static void expect_all_end_as_they_should(const std::vector<HostileZip>& zips) {
        long most_grown_kib = 0;
        std::chrono::milliseconds longest{};
        for (const HostileZip& hostile : zips) {
            const std::string zip = hostile.make();
            const ChildReport report = run_guarded(
                [&] { return outcome(zip, hostile.wanted, hostile.most, hostile.content); });
            EXPECT_FALSE(report.died) << hostile.what << ": " << report.said;
            EXPECT_EQ(report.said, hostile.code) << hostile.what;
            EXPECT_LE(report.grown_kib, k_most_kib * k_patience + k_kept_kib) << hostile.what;
            EXPECT_LE(report.took, k_most_time * k_patience) << hostile.what;
            most_grown_kib = std::max(most_grown_kib, report.grown_kib);
            longest = std::max(longest, report.took);
        }
        std::printf("%zu archives: at most %ld KiB more memory, at most %lld ms each\n",
                    zips.size(), most_grown_kib, static_cast<long long>(longest.count()));
    }
};

TEST_F(AHostileArchive, is_one_of_at_least_150_different_ones) {
    std::set<std::string> different;
    std::size_t refused = 0;
    for (const HostileZip& hostile : all_hostile_zips()) {
        EXPECT_TRUE(different.insert(hostile.what).second) << hostile.what << " twice";
        if (!hostile.code.empty()) ++refused;
    }
    EXPECT_GE(refused, 150u);
    std::printf("%zu archives, %zu of them refused\n", different.size(), refused);
}

TEST_F(AHostileArchive, is_measured_by_a_guard_that_bites) {
    EXPECT_TRUE(run_guarded([] {
                    std::FILE* file = std::fopen("/dev/null", "r");
                    return std::string{file ? "opened" : "not opened"};
                }).died)
        << "a child that opens a file has to die";
    const ChildReport hungry = run_guarded([] {
        std::vector<char> memory(std::size_t{80} << 20, 'x');
        return std::string{memory.back()};
    });
    EXPECT_GT(hungry.grown_kib, k_most_kib) << "80 MiB have to be seen";
    const ChildReport honest = run_guarded([] {
        return outcome(make_zip(honest_files()), k_wanted, k_metadata_bytes, honest_content());
    });
    EXPECT_EQ(honest.said, "") << "the honest archive itself is read";
    EXPECT_FALSE(honest.died) << honest.said;
    EXPECT_EQ(outcome(make_zip(honest_files()), k_wanted, k_metadata_bytes, "x"), "other content");
}

TEST_F(AHostileArchive, with_bad_names_is_refused) {
    expect_all_end_as_they_should(hostile_names());
}

TEST_F(AHostileArchive, with_contradicting_headers_is_refused) {
    expect_all_end_as_they_should(hostile_headers());
}

TEST_F(AHostileArchive, with_a_false_layout_is_refused) {
    expect_all_end_as_they_should(hostile_layouts());
}

TEST_F(AHostileArchive, with_untrue_sizes_or_bombs_is_refused) {
    expect_all_end_as_they_should(hostile_sizes());
}

/// The small archives that are damaged below: deflated, stored, with descriptors, with a comment.
std::vector<std::string> honest_zips() {
    auto described = honest_files();
    described[0].descriptor = descriptor_of(described[0], true);
    described[1].descriptor = descriptor_of(described[1], false);
    auto stored = honest_files();
    stored[0].deflated = false;
    ZipLies comment;
    comment.comment = "a comment";
    return {make_zip(honest_files()), make_zip(stored), make_zip(described),
            make_zip(honest_files(), comment)};
}

TEST_F(AHostileArchive, that_is_cut_off_at_any_byte_at_either_end_is_refused) {
    const ChildReport report = run_guarded([] {
        std::size_t tried = 0;
        for (const std::string& zip : honest_zips()) {
            for (std::size_t length = 0; length < zip.size(); ++length, tried += 2) {
                for (const std::string& part :
                     {zip.substr(0, length), zip.substr(zip.size() - length)}) {
                    const auto got = outcome(part, k_wanted, k_metadata_bytes, honest_content());
                    if (got != "E_ZIP") return std::to_string(length) + ": \"" + got + "\"";
                }
            }
        }
        return tried > 4000 ? std::string{"all refused"} : std::to_string(tried);
    });
    EXPECT_EQ(report.said, "all refused");
}

/// One to four random changes.
std::string mutated(std::string zip, const std::string& other, std::mt19937& random) {
    const auto pick = [&random](std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{0, most}(random);
    };
    for (std::size_t changes = pick(3) + 1; changes > 0; --changes) {
        if (zip.empty()) return zip;
        const std::size_t at = pick(zip.size() - 1);
        const std::size_t length = std::min(pick(64) + 1, zip.size() - at);
        switch (pick(8)) {
            case 0:
                zip[at] = static_cast<char>(pick(255));
                break;
            case 1:
                zip[at] = static_cast<char>(zip[at] ^ (1 << pick(7)));
                break;
            case 2:
                zip.erase(at, length);
                break;
            case 3:
                zip.insert(at, length, static_cast<char>(pick(255)));
                break;
            case 4:
                zip.replace(at, length, zip.substr(pick(zip.size() - 1), length));
                break;
            case 5:  // from an archive of the same shape with other content
                zip.replace(at, length, other.substr(std::min(at, other.size()), length));
                break;
            case 6: {  // a whole number to an extreme
                constexpr const char* k_extremes[] = {"\xff\xff\xff\xff", "\xff\xff\xff\x7f",
                                                      "\0\0\0\0", "\1\0\0\0"};
                const std::string extreme(k_extremes[pick(3)], 4);
                zip.replace(at, std::min<std::size_t>(4, zip.size() - at), extreme);
                break;
            }
            case 7: {  // the end record, where the counts are
                const std::size_t back = std::min<std::size_t>(pick(21) + 1, zip.size());
                zip[zip.size() - back] = static_cast<char>(pick(255));
                break;
            }
            default:
                zip.resize(at);
                break;
        }
    }
    return zip;
}

TEST_F(AHostileArchive, that_came_about_by_chance_gives_honest_content_or_none) {
    constexpr int k_each = 10'000;
    constexpr std::uint32_t k_seed =
        20240611;  // the same every time, so that a failure can be repeated
    std::printf("seed %u, %d mutations of each of %zu archives\n", k_seed, k_each,
                honest_zips().size());
    std::fflush(stdout);
    const ChildReport report = run_guarded([] {
        std::mt19937 random{k_seed};
        auto evil_files = honest_files();
        for (char& c : evil_files[0].content) c = c == '1' ? '2' : c;
        const std::string evil = make_zip(evil_files);
        std::size_t honest = 0, refused = 0;
        for (const std::string& zip : honest_zips()) {
            for (int i = 0; i < k_each; ++i) {
                const auto start = std::chrono::steady_clock::now();
                const std::string got = outcome(mutated(zip, evil, random), k_wanted,
                                                k_metadata_bytes, honest_content());
                if (got == "other content") return "mutation " + std::to_string(i) + ": " + got;
                if (std::chrono::steady_clock::now() - start > k_most_time * k_patience) {
                    return "mutation " + std::to_string(i) + ": too slow";
                }
                ++(got.empty() ? honest : refused);
            }
        }
        std::printf("%zu refused, %zu read with honest content\n", refused, honest);
        std::fflush(stdout);
        // Most damage is found; some is in dates and attributes, where nobody looks.
        return std::string{refused > 20'000 && honest > 100 ? "as it should"
                                                            : "suspicious numbers"};
    });
    EXPECT_EQ(report.said, "as it should");
    EXPECT_LE(report.grown_kib, k_most_kib * k_patience + k_kept_kib);
}

}  // namespace
}  // namespace backplane::core::bundle::tests
