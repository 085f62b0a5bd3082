// SPDX-License-Identifier: Apache-2.0
// Copyright The Backplane authors.
//
// An interface with a printer, a payment terminal and a camera that all write a ledger. Nothing is opened for them.
#include <backplane/abi/abi.h>

#include <cstdio>
#include <cstring>
#include <initializer_list>

namespace {

struct Bus {
    bp_instance face{};
    const bp_host* host = nullptr;
};

Bus& of(bp_instance* face) {
    return *static_cast<Bus*>(face->plugin_data);
}

bp_status start(bp_instance* face) {
    const bp_host* host = of(face).host;
    const auto* bus = static_cast<const bp_host_bus*>(host->get_extension(host, BP_EXT_BUS));
    for (const char* name : {"printer", "payment", "camera"}) {
        char text[256];
        std::snprintf(
            text, sizeof text,
            "{\"key\":\"%s\",\"bus\":\"serial\",\"address\":\"ledger:%s\","
            "\"identifier\":\"ledger_%s\",\"stable_id\":\"ledger-%s\",\"name\":\"Ledger %s\","
            "\"properties\":{\"ledger\":\"%s\"},\"open\":{\"kind\":\"none\"}}",
            name, name, name, name, name, name);
        bus->added(host, {text, std::strlen(text)}, -1);
    }
    return bus->settled(host);
}

void stop(bp_instance*) {}
void destroy(bp_instance* face) {
    delete &of(face);
}
const void* extension(bp_instance*, const char*) {
    return nullptr;
}

bp_status create(const bp_host* host, const char* id, bp_instance** out) {
    if (std::strcmp(id, BACKPLANE_PLUGIN_ID) != 0) return BP_E_INVALID;
    auto* bus = new Bus;
    bus->host = host;
    bus->face = {sizeof(bp_instance), 0, bus, start, stop, destroy, extension};
    *out = &bus->face;
    return BP_OK;
}

}  // namespace

extern "C" const bp_entry bp_plugin_entry = {sizeof(bp_entry), BP_ABI_MAJOR, BP_TARGET_ABI_MINOR, 0,
                                             create};
