// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// A device whose every action leaves a line in a file: "printer 17 first" or "printer 17 repeated". What happened, and how
// often, is then known whatever became of the box. Written against the bare ABI.
//
// Action data: "n" names the line; "hold_ms" delays the end of the action (its line is written at its beginning).
#include <backplane/abi/abi.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

bp_str str(const char* text) {
    return {text, std::strlen(text)};
}

template <typename Extension>
const Extension* ask(const bp_host* host, const char* id) {
    return static_cast<const Extension*>(host->get_extension(host, id));
}

struct Ledger {
    bp_instance face{};
    const bp_host* host = nullptr;
    int file = -1;
    std::uint64_t held = 0;  ///< the action whose end is delayed
    std::uint64_t timer = 0;
};

Ledger& of(bp_instance* face) {
    return *static_cast<Ledger*>(face->plugin_data);
}

/// What follows `"name":` in JSON that this test has made itself, up to the next comma or brace; without quotes.
std::string member(bp_str object, const char* name) {
    const std::string text(object.data, object.size);
    const std::string key = std::string("\"") + name + "\":";
    const auto at = text.find(key);
    if (at == std::string::npos) return {};
    std::string value = text.substr(at + key.size());
    value.resize(std::min(value.find_first_of(",}"), value.size()));
    std::erase(value, '"');
    return value;
}

bp_status start(bp_instance* face) {
    Ledger& ledger = of(face);
    const bp_str settings = ask<bp_host_settings>(ledger.host, BP_EXT_SETTINGS)->get(ledger.host);
    ledger.file =
        ::open(member(settings, "file").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (ledger.file < 0) return BP_E_IO;
    return ask<bp_host_device>(ledger.host, BP_EXT_DEVICE)
        ->report(ledger.host, BP_DEVICE_READY, str(""));
}

void end_action(Ledger& ledger, std::uint64_t id) {
    ask<bp_host_actions>(ledger.host, BP_EXT_ACTIONS)
        ->complete(ledger.host, id, BP_OK, str("{\"written\":true}"), str(""));
}

void end_held(void* user, std::uint64_t) {
    Ledger& ledger = *static_cast<Ledger*>(user);
    end_action(ledger, ledger.held);
}

bp_status begin(bp_instance* face, const bp_action* action) {
    Ledger& ledger = of(face);
    const std::string n = member(action->data, "n");
    const bool repeated = member(action->data, "repeated") == "true";
    const std::string line = "" LEDGER_TYPE " " + n + (repeated ? " repeated\n" : " first\n");
    // One write of a short line: whole, or not at all.
    if (::write(ledger.file, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
        return BP_E_IO;
    const std::string hold = member(action->data, "hold_ms");
    if (hold.empty()) {
        end_action(ledger, action->id);
        return BP_OK;
    }
    ledger.held = action->id;
    const std::uint64_t delay_ns = std::strtoull(hold.c_str(), nullptr, 10) * 1'000'000ull;
    return ask<bp_host_timer>(ledger.host, BP_EXT_TIMER)
        ->start(ledger.host, delay_ns, 0, end_held, &ledger, &ledger.timer);
}

void cancel(bp_instance* face, std::uint64_t id) {
    Ledger& ledger = of(face);
    ask<bp_host_timer>(ledger.host, BP_EXT_TIMER)->cancel(ledger.host, ledger.timer);
    ask<bp_host_actions>(ledger.host, BP_EXT_ACTIONS)
        ->complete(ledger.host, id, BP_E_CANCELLED, str(""), str("held for too long"));
}

void stop(bp_instance* face) {
    Ledger& ledger = of(face);
    ask<bp_host_timer>(ledger.host, BP_EXT_TIMER)->cancel(ledger.host, ledger.timer);
    if (ledger.file >= 0) ::close(ledger.file);
    ledger.file = -1;
}

void destroy(bp_instance* face) {
    delete &of(face);
}

const bp_plugin_actions k_actions{sizeof(bp_plugin_actions), 0, begin, cancel};

const void* extension(bp_instance*, const char* id) {
    return std::strcmp(id, BP_EXT_ACTIONS) == 0 ? &k_actions : nullptr;
}

bp_status create(const bp_host* host, const char* id, bp_instance** out) {
    if (std::strcmp(id, BACKPLANE_PLUGIN_ID) != 0) return BP_E_INVALID;
    auto* ledger = new Ledger;
    ledger->host = host;
    ledger->face = {sizeof(bp_instance), 0, ledger, start, stop, destroy, extension};
    *out = &ledger->face;
    return BP_OK;
}

}  // namespace

extern "C" const bp_entry bp_plugin_entry = {sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0,
                                             create};
