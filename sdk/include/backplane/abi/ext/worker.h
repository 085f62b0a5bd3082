/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.worker/1: work that blocks, away from the driver's thread.
 * Plug-in extension backplane.interrupt/1: how such work is broken off. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_WORKER "backplane.worker/1"
#define BP_EXT_INTERRUPT "backplane.interrupt/1"

/* [worker-thread] */
typedef void (*bp_work_fn)(void* user);
/* Called exactly once, after work has returned, at the latest before destroy().
 * [driver-thread] */
typedef void (*bp_work_done_fn)(void* user);

typedef struct bp_host_worker {
    uint32_t struct_size;
    uint32_t reserved;

    /* At most 16 pieces of work wait or run for an instance (BP_E_NO_SPACE).
     * [driver-thread] */
    bp_status (*submit)(const bp_host* host, bp_work_fn work, bp_work_done_fn done, void* user);
} bp_host_worker;

typedef struct bp_plugin_interrupt {
    uint32_t struct_size;
    uint32_t reserved;

    /* Make blocking work return soon. Callable at any time, also when nothing blocks. The host calls it before stop().
     * [any-thread] */
    void (*interrupt)(bp_instance* self);
} bp_plugin_interrupt;

BP_STATIC_ASSERT(sizeof(bp_host_worker) == 8 + BP_P, "bp_host_worker 1.0");
BP_STATIC_ASSERT(sizeof(bp_plugin_interrupt) == 8 + BP_P, "bp_plugin_interrupt 1.0");

#ifdef __cplusplus
}
#endif
