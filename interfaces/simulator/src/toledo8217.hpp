// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A scale that speaks the protocol Toledo 8217 on a simulated serial line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "device.hpp"
#include "line.hpp"

namespace backplane::simulator {

class Toledo8217 final : public SimulatedDevice {
public:
    /// `settings`: weight_kg, baud. Throws sdk::Failure.
    Toledo8217(sdk::Host& host, std::string name, const sdk::json::object& settings);

    std::optional<sdk::json::object> descriptor() const override;
    sdk::json::object state() const override;
    void set(const sdk::json::object& change) override;

    /// "00.500": six characters with three decimals, as the display of the scale shows them.
    static std::string weight_text(double kilograms);

private:
    struct State {
        double weight_kg = 0;
        bool motion = false;
        bool over_capacity = false;
        bool under_zero = false;
        bool not_zeroed = false;
        bool net = false;
        bool silent = false;   ///< switched off
        bool garbage = false;  ///< answers what is no frame
        bool unplugged = false;
        std::int64_t delay_ms = 0;
    };

    void plug();
    void received(std::uint8_t byte);
    void answer(const std::string& frame);
    std::string weight_answer() const;

    sdk::Host& host_;
    const std::string name_;
    std::int64_t baud_ = 9600;
    State state_;
    bool echo_ = false;
    std::int64_t requests_ = 0;
    std::unique_ptr<Line> line_;  ///< null while unplugged
};

}  // namespace backplane::simulator
