// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "simulator.hpp"

BACKPLANE_INTERFACE(backplane::simulator::Simulator)
