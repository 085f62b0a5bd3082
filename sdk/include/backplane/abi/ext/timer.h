/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.timer/1: monotonic time, and calls at a later time. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_TIMER "backplane.timer/1"

/* [driver-thread] */
typedef void (*bp_timer_fn)(void* user, uint64_t timer_id);

typedef struct bp_host_timer {
    uint32_t struct_size;
    uint32_t reserved;

    /* Monotonic time in nanoseconds; its zero has no meaning. In a test it is the test's clock.
     * [any-thread] */
    uint64_t (*now)(const bp_host* host);

    /* Call fn(user, id) once after delay_ns, or, when period_ns is not 0, first after delay_ns and then every period_ns.
     * A late call is not made up for. At most 64 timers for an instance (BP_E_NO_SPACE).
     * [driver-thread] */
    bp_status (*start)(const bp_host* host, uint64_t delay_ns, uint64_t period_ns, bp_timer_fn fn,
                       void* user, uint64_t* out_id);

    /* After it returns, fn is not called any more. An id that has ended is BP_E_INVALID and harmless.
     * [driver-thread] */
    bp_status (*cancel)(const bp_host* host, uint64_t timer_id);
} bp_host_timer;

BP_STATIC_ASSERT(sizeof(bp_host_timer) == 8 + 3 * BP_P, "bp_host_timer 1.0");

#ifdef __cplusplus
}
#endif
