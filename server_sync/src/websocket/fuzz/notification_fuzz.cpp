// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: what comes over the bus, from the server or from whoever answers in its place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "websocket/notification.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace backplane::sync;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto list = notifications_in_answer(text))
        require(list->data() >= text.data() && list->data() + list->size() <= text.data() + size);
    const auto frame = parse_notifications(text);
    if (!frame) {
        require(frame.error().code == "bus.not_a_list" && !frame.error().text.empty());
        return 0;
    }
    require(frame->notifications.size() <= k_frame_notifications);
    require(frame->notifications.size() + frame->odd <= size);
    for (const auto& one : frame->notifications) {
        require(one.id > 0 && one.type.size() <= 64 && !one.history);
        require(!is_for_box(one, ""));
        // A box that nobody has named gets broadcasts only.
        if (text.find("nobody") == text.npos)
            require(!is_for_box(one, "nobody") || one.type == "bundle_changed");
    }
    return 0;
}
