/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* Host extension backplane.device/1, for drivers: the device that this instance serves. */
#pragma once

#include "../plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BP_EXT_DEVICE "backplane.device/1"

/* What a driver can say of its device. */
#define BP_DEVICE_READY 1 /* it answers and can be used */
#define BP_DEVICE_UNREACHABLE \
    2 /* it does not answer (switched off, cable); the driver keeps trying by itself */
#define BP_DEVICE_LOST \
    3 /* the descriptor is dead: stop this instance, open the device anew, start again */
#define BP_DEVICE_FAILED 4 /* this driver cannot serve it; trying again would not help */

typedef struct bp_host_device {
    uint32_t struct_size;
    uint32_t reserved;

    /* What the interface said of the device, one JSON object (docs/reference/descriptor.md).
     * OWNERSHIP: the host's, valid until destroy().
     * [driver-thread] */
    bp_str (*descriptor)(const bp_host* host);

    /* The open device: non-blocking, close-on-exec; -1 when its descriptor says that nothing is opened.
     * OWNERSHIP: the host's; usable from create() until stop() or, after a mere probe, destroy() returns. Never close it.
     * [driver-thread] */
    int32_t (*fd)(const bp_host* host);

    /* How the device is (BP_DEVICE_…), with the reason for people. Repeating the same is free.
     * [driver-thread & started] */
    bp_status (*report)(const bp_host* host, int32_t state, bp_str reason);

    /* What the driver has learnt of the device: a JSON object with any of "name", "manufacturer", "model", "serial",
     * "type", "subtype", "firmware". Members replace those of the interface.
     * [driver-thread] */
    bp_status (*describe)(const bp_host* host, bp_str json);
} bp_host_device;

BP_STATIC_ASSERT(sizeof(bp_host_device) == 8 + 4 * BP_P, "bp_host_device 1.0");

#ifdef __cplusplus
}
#endif
