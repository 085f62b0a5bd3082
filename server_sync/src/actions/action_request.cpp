// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
#include "actions/action_request.hpp"

#include <chrono>
#include <string_view>
#include <utility>

#include "browser/base64.hpp"

namespace backplane::sync {

namespace {

// A customer takes his time with a card and a PIN; a printer that is out of paper may be refilled.
constexpr std::chrono::milliseconds k_payment_deadline{300'000};
constexpr std::chrono::milliseconds k_printer_deadline{90'000};

}  // namespace

bool can_act(const core::DeviceInfo& device) noexcept {
    return device.state != core::DeviceState::gone &&
           device.state != core::DeviceState::unsupported && device.type != "unsupported";
}

core::Result<core::ActionRequest> request_for(const core::DeviceInfo& device, std::string name,
                                              std::string unique_id, std::string session,
                                              boost::json::object data) {
    core::ActionRequest request;
    if (device.type == "printer") {
        request.deadline = k_printer_deadline;
        for (const std::string_view member : {"receipt", "document"}) {
            const auto* value = data.if_contains(member);
            const auto* text = value != nullptr ? value->if_string() : nullptr;
            if (text == nullptr) continue;
            auto bytes = base64_decode(*text);
            if (!bytes) return core::failure("action.payload", std::string{member});
            data.erase(member);
            request.payload = *std::move(bytes);
            break;
        }
    } else if (device.type == "payment") {
        request.deadline = k_payment_deadline;
    }
    request.device = device.identifier;
    request.name = std::move(name);
    request.unique_id = std::move(unique_id);
    request.session = std::move(session);
    request.data = std::move(data);
    return request;
}

}  // namespace backplane::sync
