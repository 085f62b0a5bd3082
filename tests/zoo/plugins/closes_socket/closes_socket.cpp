// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Closes the connection of its host and goes on living.
#include <unistd.h>

#include "animal.hpp"

namespace {

struct ClosesSocket : zoo::Animal<ClosesSocket> {
    using Animal::Animal;
    void misbehave() { ::close(zoo::host_socket()); }
};

}  // namespace

KIT_PLUGIN(ClosesSocket);
