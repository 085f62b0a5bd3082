// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Plug-ins that must not get past loading; BP_BAD_* says which one this is.
#include <csignal>
#include <cstdint>

#include <unistd.h>

#include "backplane/abi/abi.h"

namespace {

bp_status create(const bp_host*, const char*, bp_instance**) {
    return BP_E_UNSUPPORTED;
}

#ifdef BP_BAD_CRASHES
[[gnu::constructor]] void crash() {
    std::raise(SIGSEGV);
}
#endif
#ifdef BP_BAD_HANGS
[[gnu::constructor]] void hang() {
    for (;;) ::pause();
}
#endif

}  // namespace

#ifdef BP_BAD_UNRESOLVED
extern "C" int a_function_that_nobody_has();
namespace {
[[gnu::used]] int use() {
    return a_function_that_nobody_has();
}
}  // namespace
#endif

#ifdef BP_BAD_MAJOR
constexpr std::uint32_t k_major = BP_ABI_MAJOR + 1;
#else
constexpr std::uint32_t k_major = BP_ABI_MAJOR;
#endif
#ifdef BP_BAD_MINOR
constexpr std::uint32_t k_minor = BP_ABI_MINOR + 7;
#else
constexpr std::uint32_t k_minor = BP_ABI_MINOR;
#endif
#ifdef BP_BAD_SIZE
constexpr std::uint32_t k_size = 12;
#else
constexpr std::uint32_t k_size = sizeof(bp_entry);
#endif

extern "C" BP_EXPORT const bp_entry bp_plugin_entry{k_size, k_major, k_minor, 0, &create};
