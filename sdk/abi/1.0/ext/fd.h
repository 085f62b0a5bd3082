/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.fd/1: calls when a file descriptor can be read or written. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_FD "backplane.fd/1"

#define BP_FD_READ 1u
#define BP_FD_WRITE 2u
#define BP_FD_HANGUP 4u /* reported always: the other end has gone or the device reports an error */

/* `events` says what holds now. Level-triggered: called again until the condition has gone or the watch has ended.
 * [driver-thread] */
typedef void (*bp_fd_fn)(void* user, uint64_t watch_id, int32_t fd, uint32_t events);

typedef struct bp_host_fd {
    uint32_t struct_size;
    uint32_t reserved;

    /* One watch for a descriptor; at most 64 for an instance. The caller keeps the descriptor open until unwatch().
     * [driver-thread] */
    bp_status (*watch)(const bp_host* host, int32_t fd, uint32_t events, bp_fd_fn fn, void* user,
                       uint64_t* out_id);

    /* Other events for the same watch; 0 pauses it.
     * [driver-thread] */
    bp_status (*modify)(const bp_host* host, uint64_t watch_id, uint32_t events);

    /* After it returns, fn is not called any more.
     * [driver-thread] */
    bp_status (*unwatch)(const bp_host* host, uint64_t watch_id);
} bp_host_fd;

BP_STATIC_ASSERT(sizeof(bp_host_fd) == 8 + 3 * BP_P, "bp_host_fd 1.0");

#ifdef __cplusplus
}
#endif
