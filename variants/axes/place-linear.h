/* SPDX-License-Identifier: MIT
 * place = linear: a bump pointer in page runs; a run serves again when all of it is dead, or line by line. */
#ifdef AXIS_PLACE_NAME
#error "two choices for the place axis: force in exactly one variants/axes/place-*.h"
#endif
#define AXIS_PLACE_NAME   "linear"
#define AXIS_PLACE_manual "place/linear.c"
#define AXIS_PLACE_traced "place/linear_marked.c"
/* What a thread keeps of it, and how small requests are served. */
#define AXIS_CACHE_manual "alloc/bump.c"
#define AXIS_CACHE_traced "alloc/mcache_runs.c"
#define AXIS_MALLOC       "alloc/malloc_runs.c"
#define AXIS_TYPED        "alloc/typed_runs.c"
