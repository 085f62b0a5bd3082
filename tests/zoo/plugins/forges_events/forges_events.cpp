// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// Sends well-formed events in the name of instances that are not its own.
#include <cstdint>
#include <cstring>
#include <string>

#include "animal.hpp"

namespace {

struct ForgesEvents : zoo::Animal<ForgesEvents> {
    using Animal::Animal;
    void misbehave() {
        for (std::uint64_t instance = 1; instance < 16; ++instance) send_event(instance);
    }

private:
    static void send_event(std::uint64_t instance) {
        const std::string body =
            R"({"kind":"weight","data":{"weight":66.6,"unit":"kg","condition":"ok"},"transient":true})";
        struct Header {
            char magic[4] = {'B', 'P', 'H', 1};
            std::uint8_t type = 71, flags = 0;
            std::uint16_t zero = 0;
            std::uint32_t json_bytes = 0, payload_bytes = 0;
            std::uint64_t instance = 0, request = 0;
        } header;
        static_assert(sizeof(header) == 32);
        header.json_bytes = static_cast<std::uint32_t>(body.size());
        header.instance = instance;
        std::string packet(sizeof(header), '\0');
        std::memcpy(packet.data(), &header, sizeof(header));
        packet += body;
        (void)::send(zoo::host_socket(), packet.data(), packet.size(), 0);
    }
};

}  // namespace

KIT_PLUGIN(ForgesEvents);
