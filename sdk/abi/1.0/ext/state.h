/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* backplane.state/1: what an instance leaves to the one that takes over its device, mostly of another version of the
 * plug-in: bytes that belong to half a message, a counter, what was said last. A device's own settings do not belong
 * here, and nothing that the successor could not do without: the state may be lost, and older versions know less. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_STATE "backplane.state/1"

#define BP_STATE_MAX_BYTES 1048576u /* of one state, all put() together */

typedef struct bp_plugin_state {
    uint32_t struct_size;
    uint32_t version; /* of the format that save() writes; at least 1 */

    /* The instance was stopped and somebody else takes over its device: put() what is to survive. Afterwards comes
     * destroy(), or start() when the successor failed. BP_E_UNSUPPORTED: there is nothing to leave this time. After any
     * other failure status what was put is thrown away.
     * [driver-thread & stopped] */
    bp_status (*save)(bp_instance* self);

    /* What a predecessor has put, between create() and start(). BP_E_UNSUPPORTED: this version of the format is not
     * understood. After this and any other failure status the instance starts as if there were no predecessor, so
     * check first, then change the instance.
     * [driver-thread & stopped] */
    bp_status (*restore)(bp_instance* self, uint32_t version, bp_bytes state);
} bp_plugin_state;

typedef struct bp_host_state {
    uint32_t struct_size;
    uint32_t reserved;

    /* Append bytes to the state; only inside save(). The host copies them. BP_E_NO_SPACE: more than
     * BP_STATE_MAX_BYTES, and nothing is left to the successor.
     * [driver-thread & stopped] */
    bp_status (*put)(const bp_host* host, bp_bytes bytes);
} bp_host_state;

BP_STATIC_ASSERT(offsetof(bp_plugin_state, version) == 4, "bp_plugin_state: version");
BP_STATIC_ASSERT(offsetof(bp_plugin_state, save) == 8, "bp_plugin_state: header of 8 bytes");
BP_STATIC_ASSERT(sizeof(bp_plugin_state) == 8 + 2 * BP_P, "bp_plugin_state 1.0");
BP_STATIC_ASSERT(sizeof(bp_host_state) == 8 + BP_P, "bp_host_state 1.0");

#ifdef __cplusplus
}
#endif
