/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* The whole core of the boundary: the entry of a plug-in, the host it runs in, and one instance of it.
 * Everything else is an extension, asked for by its id, in both directions. */
#pragma once

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The host as one instance sees it. Each instance gets a bp_host of its own.
 * OWNERSHIP: the host's, valid from create() until destroy() returns. */
typedef struct bp_host {
    uint32_t struct_size;
    uint32_t abi_minor; /* of the host; its major version equals the plug-in's */
    void* host_data;    /* the host's own; a plug-in does not touch it */

    /* An extension of the host such as "backplane.log/1", or null when this host has none of that id. The answer is
     * constant for the life of the instance and may be asked for inside create().
     * [any-thread] */
    const void* (*get_extension)(const struct bp_host* host, const char* id);

    /* The reason, for people, of the failure that the running call is about to return. The host copies it.
     * [driver-thread] */
    void (*set_error)(const struct bp_host* host, bp_status code, bp_str text);
} bp_host;

/* One instance. Of a driver: it serves one device. Of an interface: it watches one kind of bus.
 * OWNERSHIP: the plug-in's, valid from create() until destroy() returns. */
typedef struct bp_instance {
    uint32_t struct_size;
    uint32_t reserved; /* zero */
    void* plugin_data; /* the plug-in's own; the host does not touch it */

    /* Begin to work: a driver talks to its device, an interface looks for devices. Returns without waiting for
     * either. On failure the instance stays stopped.
     * [driver-thread & stopped] */
    bp_status (*start)(struct bp_instance* self);

    /* End the work: when it returns, no timer, fd watch or action of this instance is left, and the device's file
     * descriptor is no longer used. The budget is 2 s, afterwards the process is ended.
     * [driver-thread & started] */
    void (*stop)(struct bp_instance* self);

    /* [driver-thread & stopped] */
    void (*destroy)(struct bp_instance* self);

    /* An extension of the plug-in such as "backplane.actions/1", or null. The answer is constant.
     * [any-thread] */
    const void* (*get_extension)(struct bp_instance* self, const char* id);
} bp_instance;

/* The one exported symbol of a plug-in, in the version node BP_PLUGIN_1. Who the plug-in is and what it serves stands in
 * its ELF note (docs/reference/plugin-note.md), so that it can be read without running it. */
typedef struct bp_entry {
    uint32_t struct_size;
    uint32_t abi_major; /* BP_ABI_MAJOR of the SDK it was built with */
    uint32_t abi_minor; /* BP_TARGET_ABI_MINOR */
    uint32_t reserved;  /* zero */

    /* Make one instance of the plug-in `id` (the id of its note; any other gets BP_E_INVALID). Does not touch the
     * device and starts nothing. On success *out is set.
     * [driver-thread] */
    bp_status (*create)(const bp_host* host, const char* id, bp_instance** out);
} bp_entry;

extern BP_EXPORT const bp_entry bp_plugin_entry;

BP_STATIC_ASSERT(offsetof(bp_host, host_data) == 8, "bp_host: header of 8 bytes");
BP_STATIC_ASSERT(offsetof(bp_host, get_extension) == 8 + BP_P, "bp_host: slot 1");
BP_STATIC_ASSERT(offsetof(bp_host, set_error) == 8 + 2 * BP_P, "bp_host: slot 2");
BP_STATIC_ASSERT(sizeof(bp_host) == 8 + 3 * BP_P, "bp_host 1.0");
BP_STATIC_ASSERT(offsetof(bp_instance, plugin_data) == 8, "bp_instance: header of 8 bytes");
BP_STATIC_ASSERT(offsetof(bp_instance, start) == 8 + BP_P, "bp_instance: slot 1");
BP_STATIC_ASSERT(offsetof(bp_instance, get_extension) == 8 + 4 * BP_P, "bp_instance: slot 4");
BP_STATIC_ASSERT(sizeof(bp_instance) == 8 + 5 * BP_P, "bp_instance 1.0");
BP_STATIC_ASSERT(offsetof(bp_entry, create) == 16, "bp_entry: header of 16 bytes");
BP_STATIC_ASSERT(sizeof(bp_entry) == 16 + BP_P, "bp_entry 1.0");

#ifdef __cplusplus
}
#endif
