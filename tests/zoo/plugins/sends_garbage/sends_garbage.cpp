// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Writes what is no frame into the connection of its host.
#include "animal.hpp"

namespace {

struct SendsGarbage : zoo::Animal<SendsGarbage> {
    using Animal::Animal;
    void misbehave() {
        (void)::send(zoo::host_socket(), "this is not a frame, not even nearly one", 40, 0);
    }
};

}  // namespace

KIT_PLUGIN(SendsGarbage);
