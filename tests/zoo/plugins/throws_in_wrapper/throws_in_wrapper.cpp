// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Throws in an action, but is written with the wrapper of the SDK, as drivers are.
#include <stdexcept>

#include "backplane/driver.hpp"

namespace {

class ThrowsInWrapper : public backplane::sdk::Driver {
public:
    using Driver::Driver;
    void start() override { report_ready(); }
    void action(backplane::sdk::Action action) override {
        if (action.name() == "throw")
            throw std::runtime_error("the drawer is stuck: open it by hand");
        action.succeed();
    }
};

}  // namespace

BACKPLANE_DRIVER(ThrowsInWrapper)
