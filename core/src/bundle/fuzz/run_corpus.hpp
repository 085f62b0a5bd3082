// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs a fuzz target without a fuzzer: good inputs and a fixed number of fixed mutations of them.
// So that the target cannot rot, and the commonest damage is tried on every machine. With clang,
// link the target with -fsanitize=fuzzer instead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace backplane::core::bundle::fuzz {

inline std::string mutated(std::string bytes, const std::vector<std::string>& corpus,
                           std::mt19937& random) {
    const auto pick = [&random](std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{0, most}(random);
    };
    for (std::size_t i = pick(4) + 1; i > 0; --i) {
        if (bytes.empty()) return bytes;
        const std::size_t at = pick(bytes.size() - 1);
        switch (pick(5)) {
            case 0:
                bytes[at] = static_cast<char>(pick(255));
                break;
            case 1:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << pick(7)));
                break;
            case 2:
                bytes.resize(at);
                break;
            case 3:
                bytes.insert(at, pick(64), static_cast<char>(pick(255)));
                break;
            case 4:
                bytes.erase(at, pick(16));
                break;
            default: {  // a piece of another one
                const std::string& other = corpus[pick(corpus.size() - 1)];
                bytes.replace(at, pick(64), other.substr(std::min(at, other.size()), pick(64)));
                break;
            }
        }
    }
    return bytes;
}

inline int run_corpus(const std::vector<std::string>& corpus, int mutations) {
    // NOLINTNEXTLINE: the same every time, so that a failure can be repeated
    std::mt19937 random{20240607};
    const auto run = [](const std::string& input) {
        LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    };
    std::size_t runs = 0;
    for (const std::string& good : corpus) {
        run(good);
        for (int i = 0; i < mutations; ++i, ++runs) run(mutated(good, corpus, random));
    }
    std::printf("%zu inputs\n", runs);
    return 0;
}

}  // namespace backplane::core::bundle::fuzz
