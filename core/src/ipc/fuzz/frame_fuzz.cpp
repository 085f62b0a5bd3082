// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Fuzz target: what a hostile plug-in process could send as one packet. The first byte chooses the
// direction and whether the rest is the packet itself, or a packet header followed by the content
// of the memory file that comes with it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "ipc/frame.hpp"
#include "ipc/json_fields.hpp"
#include "util/memory_file.hpp"

using namespace backplane::core;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::uint8_t mode = data[0];
    const auto bytes = std::as_bytes(std::span{data + 1, size - 1});
    const auto direction = (mode & 1u) != 0 ? ipc::Direction::to_host : ipc::Direction::to_core;
    std::vector<Fd> fds;
    auto packet = bytes;
    if ((mode & 2u) != 0 && bytes.size() >= ipc::k_header_bytes) {
        packet = bytes.first(ipc::k_header_bytes);
        auto file = sealed_memory_file("fuzz", bytes.subspan(ipc::k_header_bytes));
        require(file.has_value());
        fds.push_back(std::move(*file));
    }
    auto frame = ipc::decode_frame(packet, std::move(fds), direction);
    if (!frame) {
        require(!frame.error().text.empty());
        return 0;
    }
    require(frame->payload.size() <= ipc::k_payload_bytes);
    require(frame->bytes <= ipc::k_header_bytes + bytes.size());

    // What was understood can be sent again and is understood in the same way.
    auto again = ipc::make_frame(frame->type, frame->instance, frame->request, frame->body);
    again.payload = frame->payload;
    require(ipc::serialized_size(frame->body) == again.json.size());

    ipc::JsonFields fields{frame->body};
    (void)fields.text("text", ipc::k_text_bytes);
    (void)fields.flag("ok");
    (void)fields.number("level", 1, 4);
    (void)fields.object("data");
    (void)fields.value("result");
    return 0;
}
