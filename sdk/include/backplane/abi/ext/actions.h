/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* backplane.actions/1: requests to a device (or to an interface). Begun now, completed exactly once later. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_ACTIONS "backplane.actions/1"

/* OWNERSHIP: the host's, valid until complete() returns. */
typedef struct bp_action {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t id;          /* unique in this process */
    uint64_t deadline_ns; /* on the clock of backplane.timer/1; afterwards cancel() is called */
    bp_str name;          /* such as "read_once"; empty is a name too */
    bp_str data;          /* one JSON object */
    bp_bytes payload;     /* raw bytes such as a picture; empty when there are none */
} bp_action;

typedef struct bp_plugin_actions {
    uint32_t struct_size;
    uint32_t reserved;

    /* Accept the action, or refuse it by a failure status (then complete() is not called). The host gives an instance
     * one action at a time unless its note says "concurrent_actions".
     * [driver-thread & started] */
    bp_status (*begin)(bp_instance* self, const bp_action* action);

    /* The deadline has passed or nobody wants the result: complete it soon, with BP_E_CANCELLED or what it came to.
     * [driver-thread & started] */
    void (*cancel)(bp_instance* self, uint64_t action_id);
} bp_plugin_actions;

typedef struct bp_host_actions {
    uint32_t struct_size;
    uint32_t reserved;

    /* The action has ended. `result` is any JSON value (empty = null); on failure, `message` is for people.
     * A second call for the same id is BP_E_INVALID and reported as a fault of the plug-in.
     * [driver-thread & started] */
    bp_status (*complete)(const bp_host* host, uint64_t action_id, bp_status status, bp_str result,
                          bp_str message);
} bp_host_actions;

BP_STATIC_ASSERT(offsetof(bp_action, id) == 8, "bp_action: header of 8 bytes");
BP_STATIC_ASSERT(offsetof(bp_action, name) == 24, "bp_action: two 64-bit members");
BP_STATIC_ASSERT(sizeof(bp_action) == 24 + 6 * BP_P, "bp_action 1.0");
BP_STATIC_ASSERT(sizeof(bp_plugin_actions) == 8 + 2 * BP_P, "bp_plugin_actions 1.0");
BP_STATIC_ASSERT(sizeof(bp_host_actions) == 8 + BP_P, "bp_host_actions 1.0");

#ifdef __cplusplus
}
#endif
