/* SPDX-License-Identifier: MIT
 * gc = nogc: the traced interface over a heap that never collects. A bound for cost attribution (lower-bound overhead,
 * arXiv 2112.07880), not one of the 18 variants, so it is built at one point only:
 * combine-with: tiny sizeclass */
#ifdef AXIS_GC_NAME
#error "two choices for the gc axis: force in exactly one variants/axes/gc-*.h"
#endif
#define AXIS_GC_NAME "nogc"
/* What stands on top of the allocation paths: the typed interface. */
#define AXIS_FLAVOUR traced
enum { AXIS_COLLECTS = 0, AXIS_INLINE_MARKS = 0 };
#define AXIS_GC "gc/none.c"
