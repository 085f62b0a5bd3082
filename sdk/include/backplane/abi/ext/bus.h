/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.bus/1, for interfaces: the devices that are on the bus.
 * A descriptor is one JSON object of at most 32 KiB (docs/reference/descriptor.md). */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_BUS "backplane.bus/1"

typedef struct bp_host_bus {
    uint32_t struct_size;
    uint32_t reserved;

    /* A device is there. Its "key" names it among the devices of this interface; adding a key again replaces what was
     * said of it. `fd` is an open descriptor for descriptors that say {"open": {"kind": "fd"}}, else -1; the host
     * duplicates it.
     * [driver-thread & started] */
    bp_status (*added)(const bp_host* host, bp_str descriptor, int32_t fd);

    /* It has gone. An unknown key is BP_E_INVALID and harmless.
     * [driver-thread & started] */
    bp_status (*removed)(const bp_host* host, bp_str key);

    /* All devices that were there at start() have been reported. Once for each start().
     * [driver-thread & started] */
    bp_status (*settled)(const bp_host* host);
} bp_host_bus;

BP_STATIC_ASSERT(sizeof(bp_host_bus) == 8 + 3 * BP_P, "bp_host_bus 1.0");

#ifdef __cplusplus
}
#endif
