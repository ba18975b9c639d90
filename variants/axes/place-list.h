/* SPDX-License-Identifier: MIT
 * place = list: free lists over page runs: split on allocation, coalesce on free; the fit is a knob. */
#ifdef AXIS_PLACE_NAME
#error "two choices for the place axis: force in exactly one variants/axes/place-*.h"
#endif
#define AXIS_PLACE_NAME   "list"
#define AXIS_PLACE_manual "place/list.c"
#define AXIS_PLACE_traced "place/list_marked.c"
/* What a thread keeps of it, and how small requests are served. */
#define AXIS_CACHE_manual "alloc/pool.c"
#define AXIS_CACHE_traced "alloc/mcache_runs.c"
#define AXIS_MALLOC       "alloc/malloc_runs.c"
#define AXIS_TYPED        "alloc/typed_runs.c"
