/* SPDX-License-Identifier: Apache-2.0
 * Copyright The Backplane authors. */
/* What every other ABI header needs: version, status codes, views, the size rule.
 *
 * These headers are C11, valid C++20, and frozen (sdk/abi/): a struct grows only at its end, a slot never changes its
 * meaning. The contract in words, with numbers: docs/reference/driver-contract.md.
 *
 * THREAD TAGS. Every function pointer carries one:
 *   [driver-thread]  one and the same OS thread from create() to destroy(), on which the host's loop runs
 *   [any-thread]     may be called from any thread, also concurrently
 *   [worker-thread]  a thread of the host's worker pool
 * with a state where it matters: [driver-thread & stopped], [driver-thread & started].
 *
 * OWNERSHIP. Nobody frees the other side's memory. What a call receives is borrowed until the call returns, unless the
 * line "OWNERSHIP:" says otherwise; whoever wants to keep something copies it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define BP_STATIC_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define BP_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* The major version must be equal on both sides; a higher minor version only adds. */
#define BP_ABI_MAJOR 1
#define BP_ABI_MINOR 0

/* The lowest minor version that a plug-in wants to run on. A newer SDK hides what came later, so using a newer slot is
 * a compile error and the binary also loads in older boxes. */
#ifndef BP_TARGET_ABI_MINOR
#define BP_TARGET_ABI_MINOR BP_ABI_MINOR
#endif

#if defined(__GNUC__) || defined(__clang__)
#define BP_EXPORT __attribute__((visibility("default")))
#else
#define BP_EXPORT
#endif

/* Result of a call across the boundary. 0 and the small negative numbers belong to the contract; numbers from -100 down
 * say that the other side could not be reached at all. Unknown negative numbers are failures too. */
typedef int32_t bp_status;
#define BP_OK 0
#define BP_E_UNSUPPORTED (-1) /* the callee does not know this operation */
#define BP_E_INTERNAL (-2)    /* a bug: an exception reached the boundary, an invariant broke */
#define BP_E_INVALID (-3)     /* an argument is wrong; nothing was done */
#define BP_E_BAD_STATE (-4)   /* not callable in this state; nothing was done */
#define BP_E_BUSY (-5)        /* try again later */
#define BP_E_TIMEOUT (-6)     /* the deadline passed; what was asked may or may not have happened */
#define BP_E_NO_DEVICE (-7)   /* the device is gone, switched off or does not answer */
#define BP_E_IO (-8)          /* the device answered, but not in a way that can be used */
#define BP_E_CANCELLED (-9)   /* given up because the caller asked for it */
#define BP_E_NO_SPACE (-10)   /* a queue or a table is full */
#define BP_E_DENIED \
    (-11) /* not allowed: a missing permission in the note, a refusal of the device */
#define BP_E_TRANSPORT_GONE (-100)    /* the process on the other side has ended */
#define BP_E_TRANSPORT_TIMEOUT (-101) /* the process on the other side does not answer */

/* UTF-8 text that belongs to somebody else. `data` may be null when `size` is 0; there is no terminating zero. */
typedef struct bp_str {
    const char* data;
    size_t size;
} bp_str;

/* Bytes that belong to somebody else. */
typedef struct bp_bytes {
    const uint8_t* data;
    size_t size;
} bp_bytes;

/* A struct that crosses the boundary begins with `uint32_t struct_size`, the sizeof() its writer was compiled with. A
 * reader asks before it touches a member, so that old and new mix in both directions. */
#ifdef __cplusplus
#define BP_SIZE_OF_FIELD(type, field) sizeof(type::field)
#else
#define BP_SIZE_OF_FIELD(type, field) sizeof(((type*)0)->field)
#endif
#define BP_HAS_FIELD(pointer, type, field) \
    ((pointer)->struct_size >= offsetof(type, field) + BP_SIZE_OF_FIELD(type, field))

/* Layout rules that hold on amd64, arm64 and armhf alike; P is the size of a pointer. */
#define BP_P sizeof(void*)
BP_STATIC_ASSERT(sizeof(bp_status) == 4, "bp_status is 32 bits wide");
BP_STATIC_ASSERT(sizeof(bp_str) == 2 * BP_P, "bp_str is a pointer and a size");
BP_STATIC_ASSERT(sizeof(bp_bytes) == 2 * BP_P, "bp_bytes is a pointer and a size");
BP_STATIC_ASSERT(offsetof(bp_str, size) == BP_P, "the size follows the pointer");

#ifdef __cplusplus
}
#endif
