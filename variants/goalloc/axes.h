/* SPDX-License-Identifier: MIT
 *
 * axes.h: refuses a build whose point on the axes is not fully chosen, and states the point by name. The choices are
 * forced in by the build (-include variants/axes/…); the code reads their constants with ordinary `if`.
 */
#ifndef GOALLOC_AXES_H
#define GOALLOC_AXES_H

#ifndef AXIS_GC_NAME
#error "no choice for the gc axis: compile with -include variants/axes/gc-….h"
#endif
#ifndef AXIS_TINY_NAME
#error "no choice for the tiny axis: compile with -include variants/axes/tiny-….h"
#endif
#ifndef AXIS_PLACE_NAME
#error "no choice for the place axis: compile with -include variants/axes/place-….h"
#endif

/* The two flavours, and what differs between them besides the axes: the front, how spans change hands, what of that is
 * checked. A gc choice names its flavour; a place choice says which files serve it in each. */
#define AXIS_PASTE_(a, b) a##b
#define AXIS_PASTE(a, b)  AXIS_PASTE_(a, b)
#define AXIS_FLAVOURED(a) AXIS_PASTE(a, AXIS_FLAVOUR)

#define AXIS_TRACED_manual   0
#define AXIS_FRONT_manual    "alloc/malloc_abi.c"
#define AXIS_HANDOVER_manual "alloc/remote.c"
#define AXIS_CHECK_manual    "observe/check_lists.c"
#define AXIS_TRACED_traced   1
#define AXIS_FRONT_traced    "alloc/typed.c"
#define AXIS_HANDOVER_traced "alloc/mcentral.c"
#define AXIS_CHECK_traced    "observe/check_sets.c"

enum { AXIS_TRACED = AXIS_FLAVOURED(AXIS_TRACED_) };
#define AXIS_FRONT    AXIS_FLAVOURED(AXIS_FRONT_)
#define AXIS_HANDOVER AXIS_FLAVOURED(AXIS_HANDOVER_)
#define AXIS_CHECK    AXIS_FLAVOURED(AXIS_CHECK_)
#define AXIS_PLACE    AXIS_FLAVOURED(AXIS_PLACE_)
#define AXIS_CACHE    AXIS_FLAVOURED(AXIS_CACHE_)

#define GOALLOC_AXES AXIS_GC_NAME "-" AXIS_TINY_NAME "-" AXIS_PLACE_NAME

#define GOALLOC_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GOALLOC_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Functions of the layers are static; a build whose front does not use one must not fail over it. */
#define GOALLOC_INTERNAL static __attribute__((unused))

#endif
