// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "toledo8217.hpp"

#include <cmath>
#include <utility>

namespace backplane::simulator {

namespace json = sdk::json;

namespace {

constexpr char k_stx = '\x02';
constexpr char k_cr = '\r';
constexpr double k_most_kg = 99.999;

// Bits of the status byte.
constexpr unsigned k_in_motion = 0x01;
constexpr unsigned k_over_capacity = 0x02;
constexpr unsigned k_under_zero = 0x04;
constexpr unsigned k_outside_zero_range = 0x08;
constexpr unsigned k_net_weight = 0x20;
constexpr unsigned k_bad_command = 0x40;

std::string status_frame(unsigned status) {
    return {k_stx, '?', static_cast<char>(status), k_cr};
}

}  // namespace

Toledo8217::Toledo8217(sdk::Host& host, std::string name, const json::object& settings)
    : host_(host), name_(std::move(name)) {
    Change change{settings};
    change.read("weight_kg", state_.weight_kg, 0, k_most_kg);
    change.read("baud", baud_, 300, 115'200);
    change.no_others();
    plug();
}

void Toledo8217::plug() {
    echo_ = false;
    line_ = std::make_unique<Line>(host_, static_cast<int>(baud_),
                                   [this](std::uint8_t byte) { received(byte); });
}

std::optional<json::object> Toledo8217::descriptor() const {
    if (!line_) return std::nullopt;
    return json::object{{"bus", "serial"},
                        {"address", line_->path()},
                        {"connection", "serial"},
                        {"name", "Simulated scale " + name_},
                        {"manufacturer", "Backplane"},
                        {"model", "Toledo 8217 simulator"},
                        {"open", {{"kind", "device_node"}, {"path", line_->path()}}},
                        {"properties", {{"simulated", true}, {"kind", "toledo8217"}}}};
}

json::object Toledo8217::state() const {
    json::object out{{"weight_kg", state_.weight_kg},
                     {"motion", state_.motion},
                     {"over_capacity", state_.over_capacity},
                     {"under_zero", state_.under_zero},
                     {"not_zeroed", state_.not_zeroed},
                     {"net", state_.net},
                     {"silent", state_.silent},
                     {"garbage", state_.garbage},
                     {"unplugged", state_.unplugged},
                     {"delay_ms", state_.delay_ms},
                     {"baud", baud_},
                     {"requests", requests_}};
    out["address"] = line_ ? json::value(line_->path()) : json::value(nullptr);
    return out;
}

void Toledo8217::set(const json::object& members) {
    State next = state_;
    Change change{members, "nothing was changed: "};
    change.read("weight_kg", next.weight_kg, 0, k_most_kg, " (below zero: {\"under_zero\": true})");
    change.read("motion", next.motion);
    change.read("over_capacity", next.over_capacity);
    change.read("under_zero", next.under_zero);
    change.read("not_zeroed", next.not_zeroed);
    change.read("net", next.net);
    change.read("silent", next.silent);
    change.read("garbage", next.garbage);
    change.read("unplugged", next.unplugged);
    change.read("delay_ms", next.delay_ms, 0, 60'000);
    change.no_others();

    if (next.unplugged)
        line_.reset();
    else if (!line_)
        plug();
    if (next.silent && !state_.silent) {
        // Switched off: what it was saying breaks off, and it will not remember the echo.
        if (line_) line_->clear();
        echo_ = false;
    }
    state_ = next;
}

std::string Toledo8217::weight_text(double kilograms) {
    // By hand: printf would write the decimal sign of the locale.
    const auto grams = std::llround(kilograms * 1000.0);
    std::string digits = std::to_string(grams);
    if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
    return digits.insert(digits.size() - 3, 1, '.');
}

std::string Toledo8217::weight_answer() const {
    if (state_.garbage) return {k_stx, '\x7f', '\x00', '?', '\x07'};
    unsigned status = 0;
    if (state_.motion) status |= k_in_motion;
    if (state_.over_capacity) status |= k_over_capacity;
    if (state_.under_zero) status |= k_under_zero;
    if (state_.not_zeroed) status |= k_outside_zero_range;
    if (status == 0) return k_stx + weight_text(state_.weight_kg) + (state_.net ? "N" : "") + k_cr;
    if (state_.net) status |= k_net_weight;
    return status_frame(status);
}

void Toledo8217::answer(const std::string& frame) {
    line_->send(frame, std::chrono::milliseconds{state_.delay_ms});
}

void Toledo8217::received(std::uint8_t byte) {
    if (state_.silent) return;
    const char command = static_cast<char>(byte);
    if (echo_ && command != 'F') {
        answer(std::string(1, command));
        return;
    }
    switch (command) {
        case 'W':
            ++requests_;
            answer(weight_answer());
            break;
        case 'E':
            echo_ = true;
            answer({k_stx, 'E', k_cr});
            break;
        case 'F':
            echo_ = false;
            answer({k_stx, 'F', k_cr});
            break;
        case '\r':
        case '\n':
            break;  // some programs end each command with it
        default:
            answer(status_frame(k_bad_command));
            break;
    }
}

}  // namespace backplane::simulator
