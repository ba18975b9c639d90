/* SPDX-License-Identifier: MIT
 * place = sizeclass: Go's spans of equal slots, 67 classes, bitmap allocation. */
#ifdef AXIS_PLACE_NAME
#error "two choices for the place axis: force in exactly one variants/axes/place-*.h"
#endif
#define AXIS_PLACE_NAME   "sizeclass"
#define AXIS_PLACE_manual "place/sizeclass.c"
#define AXIS_PLACE_traced "place/freeindex.c"
/* What a thread keeps of it, and how small requests are served. */
#define AXIS_CACHE_manual "alloc/slots.c"
#define AXIS_CACHE_traced "alloc/mcache_slots.c"
#define AXIS_MALLOC       "alloc/malloc_slots.c"
#define AXIS_TYPED        "alloc/typed_slots.c"
