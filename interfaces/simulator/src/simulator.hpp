// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// The interface "simulator": reports simulated devices like real ones, and lets a test or a person
// play with them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "backplane/interface.hpp"
#include "device.hpp"

namespace backplane::simulator {

class Simulator final : public sdk::Interface {
public:
    using Interface::Interface;

    void start() override;
    void stop() override;
    /// "set": change a device; "get": the state of one or of all.
    void action(sdk::Action action) override;

private:
    void add(const sdk::json::object& settings);
    SimulatedDevice& device(const std::string& name);
    sdk::json::object set(const sdk::json::object& data);
    sdk::json::object get(const sdk::json::object& data);
    sdk::json::object state_of(const std::string& name);
    void report(const std::string& name);
    std::string names() const;

    std::map<std::string, std::unique_ptr<SimulatedDevice>> devices_;
};

}  // namespace backplane::simulator
