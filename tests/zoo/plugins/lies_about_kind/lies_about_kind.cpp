// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Its note says that it is a driver, its code is an interface.
#include "backplane/interface.hpp"

namespace {

class LiesAboutKind : public backplane::sdk::Interface {
public:
    using Interface::Interface;
    void start() override { settled(); }
};

}  // namespace

BACKPLANE_INTERFACE(LiesAboutKind)
