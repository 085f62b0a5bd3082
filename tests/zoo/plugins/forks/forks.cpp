// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Forks a child, and a grandchild in a session of its own, that would live for ever.
#include <sys/wait.h>
#include <unistd.h>
#include <string>

#include "animal.hpp"

namespace {

struct Forks : zoo::Animal<Forks> {
    using Animal::Animal;
    void misbehave() {
        int ends[2];
        if (::pipe(ends) != 0) return;
        pid_t found[2] = {::fork(), 0};
        if (found[0] == 0) wait_for_ever();
        if (const pid_t middle = ::fork(); middle == 0) {
            ::setsid();
            if (::fork() == 0) {
                const pid_t own = ::getpid();
                (void)!::write(ends[1], &own, sizeof(own));
                wait_for_ever();
            }
            ::_exit(0);
        } else {
            ::waitpid(middle, nullptr, 0);
        }
        (void)!::read(ends[0], &found[1], sizeof(found[1]));
        host_.emit("children", "{\"child\":" + std::to_string(found[0]) +
                                   ",\"grandchild\":" + std::to_string(found[1]) + "}");
    }

private:
    [[noreturn]] static void wait_for_ever() {
        for (;;) ::pause();
    }
};

}  // namespace

KIT_PLUGIN(Forks);
