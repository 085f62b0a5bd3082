// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Takes memory until it gets no more, and uses every page of it.
#include <cstdlib>
#include <cstring>
#include <new>

#include "animal.hpp"

namespace {

struct EatsMemory : zoo::Animal<EatsMemory> {
    using Animal::Animal;
    void misbehave() {
        constexpr std::size_t k_piece = std::size_t{1} << 20;
        while (void* piece = std::malloc(k_piece)) std::memset(piece, 1, k_piece);
        // What the box says to a driver that then needs a byte more is the same as for any exception.
        throw std::bad_alloc{};
    }
};

}  // namespace

KIT_PLUGIN(EatsMemory);
