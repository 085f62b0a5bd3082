/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.events/1: what a device says by itself (a weight, a scan, a key). */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_EVENTS "backplane.events/1"

#define BP_EVENT_TRANSIENT 1u /* worth nothing once a newer one exists, such as a live weight */

typedef struct bp_event {
    uint32_t struct_size;
    uint32_t flags;
    bp_str kind;      /* such as "weight", "scan", "key": docs/reference/device-classes.md */
    bp_str data;      /* one JSON object of at most 32 KiB */
    bp_bytes payload; /* raw bytes of at most 32 MiB */
} bp_event;

typedef struct bp_host_events {
    uint32_t struct_size;
    uint32_t reserved;

    /* The host copies the event. At most 2000 a second for an instance over 10 s; who emits more is put aside.
     * [driver-thread & started] */
    bp_status (*emit)(const bp_host* host, const bp_event* event);
} bp_host_events;

BP_STATIC_ASSERT(offsetof(bp_event, kind) == 8, "bp_event: header of 8 bytes");
BP_STATIC_ASSERT(sizeof(bp_event) == 8 + 6 * BP_P, "bp_event 1.0");
BP_STATIC_ASSERT(sizeof(bp_host_events) == 8 + BP_P, "bp_host_events 1.0");

#ifdef __cplusplus
}
#endif
