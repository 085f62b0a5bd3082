/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.settings/1: what the user configured for this plug-in and this device.
 * Plug-in extension backplane.settings/1: to hear of changes while running. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_SETTINGS "backplane.settings/1"

typedef struct bp_host_settings {
    uint32_t struct_size;
    uint32_t reserved;

    /* One JSON object, already checked against the schema in the plug-in's note, with the schema's defaults filled in.
     * OWNERSHIP: the host's, valid until destroy() or until changed() of the plug-in is called.
     * [driver-thread] */
    bp_str (*get)(const bp_host* host);
} bp_host_settings;

typedef struct bp_plugin_settings {
    uint32_t struct_size;
    uint32_t reserved;

    /* get() answers something new from now on. A plug-in without this extension is stopped and started anew instead.
     * [driver-thread & started] */
    void (*changed)(bp_instance* self);
} bp_plugin_settings;

BP_STATIC_ASSERT(sizeof(bp_host_settings) == 8 + BP_P, "bp_host_settings 1.0");
BP_STATIC_ASSERT(sizeof(bp_plugin_settings) == 8 + BP_P, "bp_plugin_settings 1.0");

#ifdef __cplusplus
}
#endif
