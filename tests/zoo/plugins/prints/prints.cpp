// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Prints to stdout and stderr without end.
#include <unistd.h>
#include <thread>

#include "animal.hpp"

namespace {

struct Prints : zoo::Animal<Prints> {
    using Animal::Animal;
    void misbehave() {
        std::thread{[] {
            const std::string line = std::string(500, 'x') + "\n";
            for (;;) {
                (void)!::write(STDOUT_FILENO, line.data(), line.size());
                (void)!::write(STDERR_FILENO, line.data(), line.size());
            }
        }}.detach();
    }
};

}  // namespace

KIT_PLUGIN(Prints);
