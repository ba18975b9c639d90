/* SPDX-License-Identifier: MIT
 * gc = manual: no collector; the program frees, through the malloc ABI. */
#ifdef AXIS_GC_NAME
#error "two choices for the gc axis: force in exactly one variants/axes/gc-*.h"
#endif
#define AXIS_GC_NAME "manual"
/* What stands on top of the allocation paths: the malloc ABI. */
#define AXIS_FLAVOUR manual
enum { AXIS_COLLECTS = 0, AXIS_INLINE_MARKS = 0 };
