/* SPDX-License-Identifier: MIT
 * place = list: free lists over page runs: split on allocation, coalesce on free; the fit is a knob. */
#ifdef AXIS_PLACE_NAME
#error "two choices for the place axis: force in exactly one variants/axes/place-*.h"
#endif
#define AXIS_PLACE_NAME   "list"
#define AXIS_PLACE_manual "place/list.c"
/* What a thread keeps of it, and how small requests are served. */
#define AXIS_CACHE_manual "alloc/pool.c"
#define AXIS_MALLOC       "alloc/malloc_runs.c"
