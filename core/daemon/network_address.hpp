// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The address and the hardware address by which others reach this box: of the interface with the default route, else of
// the first that is up. IPv4, since that is what a database is told.
#pragma once

#include <string>

namespace backplane::daemon {

struct NetworkAddress {
    std::string ip;   ///< empty without a network
    std::string mac;  ///< "dc:a6:32:00:00:01"
};
NetworkAddress network_address();

}  // namespace backplane::daemon
