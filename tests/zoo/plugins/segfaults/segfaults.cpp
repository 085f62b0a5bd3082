// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Writes where it has no memory.
#include <csignal>
#include <cstdint>

#include "animal.hpp"

namespace {

struct Segfaults : zoo::Animal<Segfaults> {
    using Animal::Animal;
    void misbehave() {
        // Whatever a sanitizer does on this signal is not the point.
        std::signal(SIGSEGV, SIG_DFL);
        // NOLINTNEXTLINE(performance-no-int-to-ptr): an address where nothing is, is the point.
        *reinterpret_cast<volatile int*>(std::uintptr_t{16}) = 1;
    }
};

}  // namespace

KIT_PLUGIN(Segfaults);
