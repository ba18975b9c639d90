/* SPDX-License-Identifier: MIT
 * gc = classic: a concurrent mark-sweep collector with a mark bit per object beside the heap and a queue of objects. */
#ifdef AXIS_GC_NAME
#error "two choices for the gc axis: force in exactly one variants/axes/gc-*.h"
#endif
#define AXIS_GC_NAME "classic"
/* What stands on top of the allocation paths: the typed interface. */
#define AXIS_FLAVOUR traced
enum { AXIS_COLLECTS = 1, AXIS_INLINE_MARKS = 0 };
#define AXIS_GC "gc/classic.c"
