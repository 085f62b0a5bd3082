// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A scale that counts: every weight has the next number, over all builds, so that a test sees what was lost, doubled or
// came in the wrong order. Written against the bare ABI. SWAP_FAULT says what is wrong with this build.
#include <backplane/abi/abi.h>

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define FAULT_NONE 0
#define FAULT_CRASH_ON_LOAD 1
#define FAULT_WRONG_ABI 2
#define FAULT_DOES_NOT_LOAD 3
#define FAULT_CRASH_AT_OPEN 4
#define FAULT_HANG_AT_OPEN 5
#define FAULT_CRASH_AT_ACTION 6
#define FAULT_CRASH_LATER 7
#define FAULT_LEAK 8
#define FAULT_NEVER_READY 9

#ifndef SWAP_FAULT
#define SWAP_FAULT FAULT_NONE
#endif
#ifndef SWAP_PERIOD_US
#define SWAP_PERIOD_US 1500
#endif

#if SWAP_FAULT == FAULT_DOES_NOT_LOAD
extern "C" int backplane_test_nobody_has_this();
#endif

namespace {

constexpr std::uint64_t k_later_ns = 2'000'000'000;

bp_str str(const char* text) {
    return {text, std::strlen(text)};
}

template <typename Extension>
const Extension* ask(const bp_host* host, const char* id) {
    return static_cast<const Extension*>(host->get_extension(host, id));
}

struct Scale {
    bp_instance face{};
    const bp_host* host = nullptr;
    std::uint64_t next = 1;
    std::uint64_t timer = 0;
};

Scale& of(bp_instance* face) {
    return *static_cast<Scale*>(face->plugin_data);
}

void tick(void* user, std::uint64_t) {
    Scale& scale = *static_cast<Scale*>(user);
    char data[224];
    std::snprintf(data, sizeof data,
                  "{\"weight\":%.3f,\"unit\":\"kg\",\"condition\":\"ok\",\"stable\":true,"
                  "\"net\":false,\"message\":\"\",\"build\":\"" SWAP_VERSION "\",\"n\":%llu}",
                  static_cast<double>(scale.next % 10000) / 1000.0,
                  static_cast<unsigned long long>(scale.next));
    ++scale.next;
    const bp_event event{sizeof(bp_event), 0, str("weight"), str(data), {nullptr, 0}};
    ask<bp_host_events>(scale.host, BP_EXT_EVENTS)->emit(scale.host, &event);
}

[[maybe_unused]] void die(void*, std::uint64_t) {
    std::abort();
}

[[maybe_unused]] void leak(void*, std::uint64_t) {
    constexpr std::size_t k_piece = 32u << 20;
    char* volatile piece = static_cast<char*>(std::malloc(k_piece));
    if (piece == nullptr) std::abort();
    std::memset(piece, 1, k_piece);
}

bp_status start(bp_instance* face) {
    Scale& scale = of(face);
#if SWAP_FAULT == FAULT_CRASH_AT_OPEN
    std::abort();
#elif SWAP_FAULT == FAULT_HANG_AT_OPEN
    for (;;) ::pause();
#endif
    const auto* timers = ask<bp_host_timer>(scale.host, BP_EXT_TIMER);
#if SWAP_FAULT == FAULT_CRASH_LATER
    std::uint64_t later = 0;
    timers->start(scale.host, k_later_ns, 0, die, nullptr, &later);
#elif SWAP_FAULT == FAULT_LEAK
    std::uint64_t often = 0;
    timers->start(scale.host, 0, 50'000'000, leak, nullptr, &often);
#endif
#if SWAP_FAULT != FAULT_NEVER_READY
    ask<bp_host_device>(scale.host, BP_EXT_DEVICE)->report(scale.host, BP_DEVICE_READY, str(""));
#endif
    (void)k_later_ns;
    return timers->start(scale.host, 0, SWAP_PERIOD_US * 1000ull, tick, &scale, &scale.timer);
}

void stop(bp_instance* face) {
    Scale& scale = of(face);
    ask<bp_host_timer>(scale.host, BP_EXT_TIMER)->cancel(scale.host, scale.timer);
}

void destroy(bp_instance* face) {
    delete &of(face);
}

bp_status begin(bp_instance* face, const bp_action* action) {
    Scale& scale = of(face);
#if SWAP_FAULT == FAULT_CRASH_AT_ACTION
    std::abort();
#endif
    char data[64];
    std::snprintf(data, sizeof data, "{\"n\":%llu}", static_cast<unsigned long long>(scale.next));
    return ask<bp_host_actions>(scale.host, BP_EXT_ACTIONS)
        ->complete(scale.host, action->id, BP_OK, str(data), str(""));
}

void cancel(bp_instance*, std::uint64_t) {}

bp_status save(bp_instance* face) {
    Scale& scale = of(face);
    const bp_bytes bytes{reinterpret_cast<const std::uint8_t*>(&scale.next), sizeof scale.next};
    return ask<bp_host_state>(scale.host, BP_EXT_STATE)->put(scale.host, bytes);
}

bp_status restore(bp_instance* face, std::uint32_t version, bp_bytes state) {
    if (version != 1 || state.size != sizeof(std::uint64_t)) return BP_E_UNSUPPORTED;
    std::memcpy(&of(face).next, state.data, state.size);
    return BP_OK;
}

const bp_plugin_actions k_actions{sizeof(bp_plugin_actions), 0, begin, cancel};
const bp_plugin_state k_state{sizeof(bp_plugin_state), 1, save, restore};

const void* extension(bp_instance*, const char* id) {
    if (std::strcmp(id, BP_EXT_ACTIONS) == 0) return &k_actions;
    if (std::strcmp(id, BP_EXT_STATE) == 0) return &k_state;
    return nullptr;
}

bp_status create(const bp_host* host, const char* id, bp_instance** out) {
    if (std::strcmp(id, BACKPLANE_PLUGIN_ID) != 0) return BP_E_INVALID;
#if SWAP_FAULT == FAULT_DOES_NOT_LOAD
    if (backplane_test_nobody_has_this() != 0) return BP_E_INTERNAL;
#endif
    auto* scale = new Scale;
    scale->host = host;
    scale->face = {sizeof(bp_instance), 0, scale, start, stop, destroy, extension};
    *out = &scale->face;
    return BP_OK;
}

#if SWAP_FAULT == FAULT_CRASH_ON_LOAD
__attribute__((constructor)) void crash_on_load() {
    std::abort();
}
#endif

}  // namespace

extern "C" const bp_entry bp_plugin_entry = {sizeof(bp_entry),
                                             SWAP_FAULT == FAULT_WRONG_ABI ? 9 : BP_ABI_MAJOR,
                                             BP_TARGET_ABI_MINOR, 0, create};
