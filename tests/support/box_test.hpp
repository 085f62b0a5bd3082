// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What tests of a running box begin with and end with: a folder, a box, and a check that it ended
// cleanly.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/box_process.hpp"

namespace backplane::tests {

class BoxTest : public testing::Test {
protected:
    BoxProcess& start(BoxProcess::Options options) {
        box_ = std::make_unique<BoxProcess>(std::move(options));
        return *box_;
    }
    BoxProcess& start_demo() {
        BoxProcess::Options options;
        options.demo = true;
        BoxProcess& box = start(std::move(options));
        box.wait_for_state("scale", "ready");
        return box;
    }
    /// Serial ports of these names in the test's folder, and none of the machine's own; "hidden" is
    /// on the ignore list.
    BoxProcess& start_serial(const std::vector<std::string>& names,
                             const std::string& of_serial = "", const std::string& more = "") {
        BoxProcess::Options options;
        options.config = serial_config(names, of_serial) + more;
        options.state_dir = folder_ / "state";
        return start(std::move(options));
    }
    std::string serial_config(const std::vector<std::string>& names,
                              const std::string& of_serial = "") const {
        std::string ports;
        for (const std::string& name : names) ports += (ports.empty() ? "" : ", ") + port(name);
        return "interfaces:\n  serial:\n    extra_ports: [" + ports +
               "]\n    ignore: [\"/dev/tty*\", " + port("hidden") + "]\n" +
               (of_serial.empty() ? "" : "    " + of_serial + "\n");
    }
    std::string port(const std::string& name) const { return (folder_ / name).string(); }
    BoxProcess& box() { return *box_; }

    void TearDown() override {
        if (!box_) return;
        EXPECT_EQ(box_->stop(), 0) << box_->log();
        if (HasFailure()) std::fprintf(stderr, "the log of the box:\n%s\n", box_->log().c_str());
    }

    TemporaryFolder folder_;
    std::unique_ptr<BoxProcess> box_;
};

}  // namespace backplane::tests
