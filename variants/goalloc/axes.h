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

#define GOALLOC_AXES AXIS_GC_NAME "-" AXIS_TINY_NAME "-" AXIS_PLACE_NAME

#define GOALLOC_LIKELY(x)   __builtin_expect(!!(x), 1)
#define GOALLOC_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Functions of the layers are static; a build whose front does not use one must not fail over it. */
#define GOALLOC_INTERNAL static __attribute__((unused))

#endif
