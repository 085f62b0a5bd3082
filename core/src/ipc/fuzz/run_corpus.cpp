// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Runs the fuzz target without a fuzzer: a small corpus of good frames and a fixed number of fixed
// mutations of them. So that the target cannot rot, and the commonest damage is tried on every
// machine. With clang, link frame_fuzz.cpp with -fsanitize=fuzzer instead of this file.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "ipc/frame.hpp"

using namespace backplane::core;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes seed(std::uint8_t mode, ipc::FrameType type, std::uint64_t instance, std::uint64_t request,
           const std::string& json, const std::string& payload) {
    Bytes out{mode,
              'B',
              'P',
              'H',
              1,
              static_cast<std::uint8_t>(type),
              static_cast<std::uint8_t>((mode & 2u) != 0 ? 1 : 0),
              0,
              0};
    const auto put = [&out](const auto& value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof(value));
    };
    put(static_cast<std::uint32_t>(json.size()));
    put(static_cast<std::uint32_t>(payload.size()));
    put(instance);
    put(request);
    out.insert(out.end(), json.begin(), json.end());
    out.insert(out.end(), payload.begin(), payload.end());
    return out;
}

std::vector<Bytes> corpus() {
    using Type = ipc::FrameType;
    return {
        seed(0, Type::hello, 0, 0, R"({"abi_major":1,"abi_minor":0})", ""),
        seed(0, Type::event, 7, 0,
             R"({"kind":"weight","data":{"kg":1.25e-3,"list":[1,[2,[3]]]},"transient":true})",
             "raw"),
        seed(2, Type::event, 7, 0,
             R"({"kind":"scan","data":{"text":"\u00e4\ud83d\ude00"},"transient":false})",
             "payload"),
        seed(0, Type::action_ended, 7, 9,
             R"({"success":true,"result":null,"message":"","code":""})", ""),
        seed(0, Type::pong, 0, 3, "", ""),
        seed(0, Type::log, 0, 0, R"({"level":3,"text":"a line"})", ""),
        seed(1, Type::begin, 7, 9, R"({"name":"print","data":{},"deadline_ms":10000})", "receipt"),
        seed(1, Type::probe, 7, 0, R"({"descriptor":{"key":"a"},"settings":{},"limit_ms":500})",
             ""),
    };
}

Bytes mutate(Bytes bytes, std::mt19937& random) {
    const auto pick = [&random](std::size_t most) {
        return std::uniform_int_distribution<std::size_t>{0, most}(random);
    };
    for (std::size_t i = pick(4) + 1; i > 0; --i) {
        const std::size_t at = bytes.empty() ? 0 : pick(bytes.size() - 1);
        switch (pick(4)) {
            case 0:
                if (!bytes.empty()) bytes[at] = static_cast<std::uint8_t>(pick(255));
                break;
            case 1:
                if (!bytes.empty())
                    bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << pick(7)));
                break;
            case 2:
                bytes.resize(at);
                break;
            case 3:
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), pick(64),
                             static_cast<std::uint8_t>(pick(255)));
                break;
            default:  // the sizes in the header, to extremes
                if (bytes.size() > 17) bytes[9 + pick(7)] = pick(1) == 0 ? 0xff : 0x00;
                break;
        }
    }
    return bytes;
}

}  // namespace

int main() {
    constexpr int k_mutations = 4000;
    std::mt19937 random{
        20240607};  // NOLINT: the same every time, so that a failure can be repeated
    std::size_t runs = 0;
    for (const auto& good : corpus()) {
        LLVMFuzzerTestOneInput(good.data(), good.size());
        for (int i = 0; i < k_mutations; ++i, ++runs) {
            const Bytes bad = mutate(good, random);
            LLVMFuzzerTestOneInput(bad.data(), bad.size());
        }
    }
    std::printf("%zu inputs\n", runs);
    return 0;
}
