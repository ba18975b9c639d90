/* SPDX-License-Identifier: MIT
 *
 * check_sets: where spans of traced builds are: in one thread's cache or in one central set, and what their sweepgen
 * says of it.
 */
#include "alloc/mcentral.h"
#include "observe/check.h"

static void check_cached(struct check *check, const struct cache *c) {
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        const struct span *s = c->alloc[i];
        if (s == NULL || s == &mcache_no_span)
            continue;
        uint32_t sweepgen = mcentral_sweepgen(), cached = c->flush_gen == sweepgen ? sweepgen + 3 : sweepgen + 1;
        check_equal(check, "state of a cached span", s->base, SPAN_IN_USE, span_state_of(s));
        check_equal(check, "span class of a cached span", s->base, i, s->span_class);
        check_equal(check, "sweepgen of a cached span", s->base, cached, s->sweepgen);
        if (s->alloc_count_before_cache > s->alloc_count)
            check_found(check, "use of a cached span before it was cached", s->base, s->alloc_count,
                        s->alloc_count_before_cache);
    }
}

struct check_set {
    struct check *check;
    uint8_t span_class;
    bool full;
};

static void check_swept(void *context, struct span *s) {
    struct check_set *set = context;
    check_equal(set->check, "state of a span in a set", s->base, SPAN_IN_USE, span_state_of(s));
    check_equal(set->check, "span class in a set", s->base, set->span_class, s->span_class);
    check_equal(set->check, "sweepgen of a swept span", s->base, mcentral_sweepgen(), s->sweepgen);
    check_equal(set->check, "set by whether the span is full", s->base, set->full, !place_has_room(s));
}

static void check_lists(struct check *check) {
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all)
        check_cached(check, c);
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        struct check_set partial = {check, (uint8_t)i, false}, full = {check, (uint8_t)i, true};
        spanset_each(mcentral_partial_swept((uint8_t)i, mcentral_sweepgen()), check_swept, &partial);
        spanset_each(mcentral_full_swept((uint8_t)i, mcentral_sweepgen()), check_swept, &full);
    }
}
