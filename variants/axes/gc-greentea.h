/* SPDX-License-Identifier: MIT
 * gc = greentea: a concurrent mark-sweep collector whose small objects' marks lie in their pages, which are what is queued. */
#ifdef AXIS_GC_NAME
#error "two choices for the gc axis: force in exactly one variants/axes/gc-*.h"
#endif
#define AXIS_GC_NAME "greentea"
/* What stands on top of the allocation paths: the typed interface. */
#define AXIS_FLAVOUR traced
enum { AXIS_COLLECTS = 1, AXIS_INLINE_MARKS = 1 };
#define AXIS_GC "gc/greentea.c"
