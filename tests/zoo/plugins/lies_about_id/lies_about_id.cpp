// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Its code answers to another id than its note gives.
#undef BACKPLANE_PLUGIN_ID
#define BACKPLANE_PLUGIN_ID "org.backplane.zoo.somebody_else"
#include "backplane/driver.hpp"

namespace {

class LiesAboutId : public backplane::sdk::Driver {
public:
    using Driver::Driver;
    void start() override { report_ready(); }
    void action(backplane::sdk::Action action) override { action.succeed(); }
};

}  // namespace

BACKPLANE_DRIVER(LiesAboutId)
