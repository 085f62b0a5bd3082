// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// What all plug-ins of the zoo share: a driver without faults, on the bare C ABI, that calls misbehave() at the place
// that its setting `in` names. The SDK's wrapper would prevent half of what they do.
#pragma once

#include <string>
#include <string_view>

#include <sys/socket.h>

#include "kit.hpp"

namespace zoo {

/// The host's own end of its connection to the box: a plug-in lives in the same process and can find it.
inline int host_socket() {
    for (int fd = 3; fd < 64; ++fd) {
        int type = 0;
        socklen_t size = sizeof(type);
        if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
            return fd;
    }
    return -1;
}

template <typename Self>
class Animal {
public:
    explicit Animal(kit::HostApi host)
        : host_(host), settings_(kit::view(host.settings->get(host.host))) {}

    bp_status created() { return at("create"); }
    bp_status start() {
        if (const bp_status status = at("start"); status != BP_OK) return status;
        host_.device->report(host_.host, BP_DEVICE_READY, kit::str("it behaves for now"));
        if (!is_in("later")) return BP_OK;
        std::uint64_t timer = 0;
        return host_.timer->start(
            host_.host, 100'000'000, 0,
            [](void* self, std::uint64_t) { static_cast<Self*>(self)->misbehave(); }, &self(),
            &timer);
    }
    void stop() { at("stop"); }
    bp_status probe() {
        if (const bp_status status = at("probe"); status != BP_OK) return status;
        return host_.probe->finish(host_.host, BP_PROBE_NO_MATCH,
                                   kit::str("it is nothing for the zoo"));
    }
    void cancel_probe() {}
    void interrupt() {}
    bp_status begin(const bp_action& action) {
        action_ = action.id;
        if (const bp_status status = at("begin"); status != BP_OK) return status;
        return host_.complete(action.id, BP_OK, "\"done\"");
    }
    void cancel(std::uint64_t) {}

    static constexpr std::uint32_t k_state_version = 1;
    bp_status save() {
        if (const bp_status status = at("save"); status != BP_OK) return status;
        constexpr std::string_view k_note = "it behaved";
        return host_.state->put(
            host_.host, {reinterpret_cast<const std::uint8_t*>(k_note.data()), k_note.size()});
    }
    bp_status restore(std::uint32_t, bp_bytes) { return at("restore"); }

protected:
    bool is_in(std::string_view place) const {
        return settings_.find("\"in\":\"" + std::string{place} + "\"") != std::string::npos;
    }
    bp_status at(std::string_view place) {
        if (is_in(place)) self().misbehave();
        return BP_OK;
    }
    /// Calls misbehave() a thousand times a second from now on.
    void keep_on(bp_timer_fn fn) {
        std::uint64_t timer = 0;
        host_.timer->start(host_.host, 0, 1'000'000, fn, &self(), &timer);
    }
    Self& self() { return *static_cast<Self*>(this); }

    kit::HostApi host_;
    std::string settings_;
    std::uint64_t action_ = 0;
};

}  // namespace zoo
