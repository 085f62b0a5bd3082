/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.log/1: lines for the box's log. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_LOG "backplane.log/1"

#define BP_LOG_ERROR 1   /* something was lost */
#define BP_LOG_WARNING 2 /* handled, but somebody should look at it */
#define BP_LOG_INFO 3    /* of use to the operator */
#define BP_LOG_DEBUG 4   /* of use to the author */

typedef struct bp_host_log {
    uint32_t struct_size;
    int32_t
        level; /* the highest level that is written now; lines above it may be left out by the caller */

    /* One line of at most 4096 bytes (the rest is cut), at most 1000 lines a second (the rest is counted).
     * [any-thread] */
    void (*write)(const bp_host* host, int32_t level, bp_str text);
} bp_host_log;

BP_STATIC_ASSERT(sizeof(bp_host_log) == 8 + BP_P, "bp_host_log 1.0");

#ifdef __cplusplus
}
#endif
