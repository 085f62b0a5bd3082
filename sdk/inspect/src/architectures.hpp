// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The machines the box is built for: their name in notes and file names, and how an ELF file names
// them.
#pragma once

#include <elf.h>

#include <cstdint>
#include <string_view>

namespace backplane::sdk {

struct Architecture {
    std::string_view name;
    std::uint16_t machine;
    unsigned bits;
};

#ifndef EM_RISCV
#define EM_RISCV 243
#endif

inline constexpr Architecture k_architectures[] = {
    {"x86_64-linux-gnu", EM_X86_64, 64}, {"aarch64-linux-gnu", EM_AARCH64, 64},
    {"arm-linux-gnueabihf", EM_ARM, 32}, {"i386-linux-gnu", EM_386, 32},
    {"riscv64-linux-gnu", EM_RISCV, 64},
};

/// By what stands in the file; null for a machine that the box does not run on.
inline const Architecture* find_architecture(std::uint16_t machine, unsigned bits) noexcept {
    for (const auto& known : k_architectures) {
        if (known.machine == machine && known.bits == bits) return &known;
    }
    return nullptr;
}

inline constexpr std::string_view k_this_architecture =
#if defined(__x86_64__) && defined(__LP64__)
    "x86_64-linux-gnu";
#elif defined(__aarch64__) && defined(__LP64__)
    "aarch64-linux-gnu";
#elif defined(__arm__) && defined(__ARM_PCS_VFP)
    "arm-linux-gnueabihf";
#elif defined(__i386__)
    "i386-linux-gnu";
#elif defined(__riscv) && __riscv_xlen == 64
    "riscv64-linux-gnu";
#else
#error "Add this machine to k_architectures, here and in BackplanePlugin.cmake"
#endif

}  // namespace backplane::sdk
