// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Frames built byte by byte, so that tests can build those that our own code would never send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "ipc/frame.hpp"

namespace backplane::core::ipc {

struct RawFrame {
    std::string_view magic{"BPH\x01", 4};
    std::uint8_t type = static_cast<std::uint8_t>(FrameType::event);
    std::uint8_t flags = 0;
    std::uint16_t zero = 0;
    std::int64_t json_bytes = -1;  // -1: as many as there are
    std::int64_t payload_bytes = -1;
    std::uint64_t instance = 7;
    std::uint64_t request = 0;
    std::string_view json = R"({"kind":"weight"})";
    std::string_view payload{};

    std::vector<std::byte> bytes() const {
        std::vector<std::byte> out(k_header_bytes);
        const auto put = [&out](std::size_t at, const auto& value) {
            std::memcpy(out.data() + at, &value, sizeof(value));
        };
        std::memcpy(out.data(), magic.data(), 4);
        put(4, type);
        put(5, flags);
        put(6, zero);
        put(8, static_cast<std::uint32_t>(json_bytes < 0 ? static_cast<std::int64_t>(json.size())
                                                         : json_bytes));
        put(12, static_cast<std::uint32_t>(
                    payload_bytes < 0 ? static_cast<std::int64_t>(payload.size()) : payload_bytes));
        put(16, instance);
        put(24, request);
        for (const auto part : {json, payload}) {
            const auto* data = reinterpret_cast<const std::byte*>(part.data());
            out.insert(out.end(), data, data + part.size());
        }
        return out;
    }
};

}  // namespace backplane::core::ipc
