/* SPDX-License-Identifier: MIT
 *
 * bump: what a thread keeps under linear placement: the same lists as for slots, of runs; one run to bump in, and one
 * more for requests that are large beside a run.
 */
#include "alloc/slots.c"

enum { RUN_NEEDS_CACHE = 0 }; /* the windows of cache_none are closed, and have no room */

static uint8_t run_class_for(size_t size_bytes) {
    return span_class_make(size_bytes > runs.bytes / 4 ? LINEAR_OVERFLOW_CLASS : RUN_CLASS, true);
}

static inline uintptr_t run_take_fast(struct cache *c, size_t size_bytes) {
    return linear_bump(&c->current[span_class_make(RUN_CLASS, true)], size_bytes);
}

static uintptr_t run_take(struct cache *c, size_t size_bytes, size_t align_bytes) {
    uintptr_t address = linear_bump_aligned(&c->current[span_class_make(RUN_CLASS, true)], size_bytes, align_bytes);
    if (address == 0 && size_bytes > runs.bytes / 4)
        address =
            linear_bump_aligned(&c->current[span_class_make(LINEAR_OVERFLOW_CLASS, true)], size_bytes, align_bytes);
    return address;
}

/* The run that is left takes its pending half along: nothing may refer to it once it may die. */
static void run_refilling(struct cache *c, uint8_t span_class) {
    if (span_class == span_class_make(RUN_CLASS, true))
        c->pool.pending = 0;
}
