// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "serial_ports.hpp"

BACKPLANE_INTERFACE(backplane::serial::SerialPorts)
