/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* backplane.probe/1: does this driver serve this device? Asked only where the match rule in the note says so.
 * The host opens the device, calls create() and start() of the plug-in's extension, and waits for finish() of its own. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_PROBE "backplane.probe/1"

#define BP_PROBE_CLAIM 1    /* yes: the same instance is started next */
#define BP_PROBE_NO_MATCH 2 /* no: the instance is destroyed, the next candidate has its turn */

typedef struct bp_plugin_probe {
    uint32_t struct_size;
    uint32_t reserved;

    /* Begin to find out; writes no more to the device than its note admits. Returns without waiting.
     * [driver-thread & stopped] */
    bp_status (*start)(bp_instance* self);

    /* The deadline has passed: leave no timer and no watch behind; finish() is ignored from here on.
     * [driver-thread & stopped] */
    void (*cancel)(bp_instance* self);
} bp_plugin_probe;

typedef struct bp_host_probe {
    uint32_t struct_size;
    uint32_t reserved;

    /* The answer, with the reason for people; exactly once for each probe. No timer and no watch is left.
     * [driver-thread & stopped] */
    bp_status (*finish)(const bp_host* host, int32_t verdict, bp_str reason);
} bp_host_probe;

BP_STATIC_ASSERT(sizeof(bp_plugin_probe) == 8 + 2 * BP_P, "bp_plugin_probe 1.0");
BP_STATIC_ASSERT(sizeof(bp_host_probe) == 8 + BP_P, "bp_host_probe 1.0");

#ifdef __cplusplus
}
#endif
