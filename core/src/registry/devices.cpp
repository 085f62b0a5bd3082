// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "backplane/core/devices.hpp"

namespace backplane::core {

std::string_view to_string(DeviceState state) noexcept {
    switch (state) {
        case DeviceState::discovered:
            return "discovered";
        case DeviceState::probing:
            return "probing";
        case DeviceState::opening:
            return "opening";
        case DeviceState::ready:
            return "ready";
        case DeviceState::unreachable:
            return "unreachable";
        case DeviceState::quiescing:
            return "quiescing";
        case DeviceState::gone:
            return "gone";
        case DeviceState::unsupported:
            return "unsupported";
    }
    return "unknown";
}

std::string_view to_string(ActionOutcome::Status status) noexcept {
    switch (status) {
        case ActionOutcome::Status::success:
            return "success";
        case ActionOutcome::Status::error:
            return "error";
        case ActionOutcome::Status::duplicate:
            return "duplicate";
        case ActionOutcome::Status::disconnected:
            return "disconnected";
    }
    return "error";
}

}  // namespace backplane::core
