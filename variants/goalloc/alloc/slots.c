/* SPDX-License-Identifier: MIT
 *
 * slots: a thread's spans of equal slots, by class: the one in use behind a window, those with free slots, those that
 * wait until enough of them is free, those wholly free.
 */
#include "alloc/cache.h"
#include "alloc/tiny.c"

#include <string.h>

static void cache_unlink(struct cache *c, struct span *s) {
    uint8_t spc = s->span_class;
    if (s->list == SPAN_ON_PARTIAL)
        span_list_remove(&c->partial[spc], s);
    else if (s->list == SPAN_ON_FULL)
        span_list_remove(&c->full[spc], s);
    else if (s->list == SPAN_ON_EMPTY) {
        span_list_remove(&c->empty[spc], s);
        c->empty_pages[spc] = (uint16_t)(c->empty_pages[spc] - s->npages);
        c->empty_pages_total -= s->npages;
    }
    s->list = SPAN_ON_NONE;
}

/* Tuned builds keep a few free spans per class: giving one back and taking it again costs two page-heap calls. */
static bool cache_keeps_empty(struct cache *c, struct span *s) {
    return heap.tuned && c->empty_pages[s->span_class] + s->npages <= CACHE_EMPTY_PAGES_PER_CLASS &&
           c->empty_pages_total + s->npages <= CACHE_EMPTY_PAGES;
}

static void cache_file_empty(struct cache *c, struct span *s) {
    if (!cache_keeps_empty(c, s)) {
        heap_span_free(c, s);
        return;
    }
    span_list_push(&c->empty[s->span_class], s);
    c->empty_pages[s->span_class] = (uint16_t)(c->empty_pages[s->span_class] + s->npages);
    c->empty_pages_total += s->npages;
    s->list = SPAN_ON_EMPTY;
    s->frees_until_event = SPAN_NEVER;
}

/* The faithful preset takes a span back at its first free, as Go's sweep does. */
static int32_t cache_full_wait(const struct span *s) {
    return heap.tuned || !PLACE_SLOTS ? place_full_wait(s) : 1;
}

static void cache_park_full(struct cache *c, struct span *s) {
    /* A span of slots that has run out is full, but single granules of a tiny span may be free, and what was bumped
     * through may be dead. */
    unsigned used = PLACE_SLOTS && !tiny_class(s->span_class) ? s->nelems : place_used_slots(s);
    if (used == 0) {
        cache_file_empty(c, s);
        return;
    }
    span_list_push(&c->full[s->span_class], s);
    s->list = SPAN_ON_FULL;
    s->alloc_count = (uint16_t)used;
    s->frees_until_event = cache_full_wait(s);
}

static bool cache_advance(struct place_window *w) {
    return tiny_class(w->span->span_class) ? tiny_window_advance(w) : place_window_advance(w);
}

/* No slot of a parked span is handed out, so its use is known without counting bits: a full one has lost what it waited
 * for (and what a merge brought beyond that); a partial one that has lost all it had is empty. */
static void cache_settle_locked(struct cache *c, struct span *s) {
    /* Of the span in use nothing has to be known: the next refill looks at its bits. */
    if (s->list == SPAN_ON_CURRENT) {
        s->frees_until_event = SPAN_NEVER;
        return;
    }
    int32_t used = s->list == SPAN_ON_FULL ? s->alloc_count - cache_full_wait(s) + s->frees_until_event : 0;
    cache_unlink(c, s);
    if (used == 0) {
        cache_file_empty(c, s);
        return;
    }
    span_list_push(&c->partial[s->span_class], s);
    s->list = SPAN_ON_PARTIAL;
    s->alloc_count = (uint16_t)used;
    s->frees_until_event = used;
}

static void cache_settle(struct cache *c, struct span *s) {
    cache_lock_lists(c);
    cache_settle_locked(c, s);
    cache_unlock_lists(c);
}

/* The owner has learned of n more free slots of s. Lists locked. */
static void cache_account(struct cache *c, struct span *s, unsigned n) {
    if (s->list == SPAN_ON_CURRENT)
        return;
    s->frees_until_event -= (int32_t)n;
    if (s->frees_until_event <= 0)
        cache_settle_locked(c, s);
}

/* Lists locked. No object of such a span is live, so its owner neither frees into it nor, as long as it is parked,
 * allocates from it. The count must agree as well: an owner that has just set the last bit of its own has yet to count
 * it, and must find the span when it does. */
static bool cache_parked_and_freed_by_others(struct span *s) {
    if ((s->list != SPAN_ON_FULL && s->list != SPAN_ON_PARTIAL) || !place_all_free(s))
        return false;
    int32_t used = __atomic_load_n(&s->frees_until_event, __ATOMIC_RELAXED);
    if (used <= 0)
        return false; /* the owner is on its way to settle the span */
    if (s->list == SPAN_ON_FULL)
        used += s->alloc_count - cache_full_wait(s);
    int32_t remote = 0;
    for (unsigned i = 0; i < span_words(s); i++)
        remote += __builtin_popcountll(__atomic_load_n(&span_remote_bits(s)[i], __ATOMIC_RELAXED));
    return used == remote;
}

/* ---- refill: from what the thread has, then from what nobody owns, then from the page heap */

static struct span *cache_new_span(struct cache *c, uint8_t span_class) {
    struct span *s = c->empty[span_class];
    if (s != NULL) {
        heap_expect_span(s, c, span_class, SPAN_ON_EMPTY);
        cache_unlink(c, s);
        return s;
    }
    s = central_adopt(c, span_class);
    if (s != NULL) {
        place_merge_remote(s);
        return s;
    }
    unsigned size_class = span_class_size_class(span_class);
    return heap_span_alloc(c, heap.class_pages[size_class], span_class, GOALLOC_PAGE_BYTES);
}

static struct span *cache_next_span(struct cache *c, uint8_t span_class) {
    struct span *s = c->partial[span_class];
    if (GOALLOC_UNLIKELY(s == NULL))
        return cache_new_span(c, span_class);
    heap_expect_span(s, c, span_class, SPAN_ON_PARTIAL);
    span_list_remove(&c->partial[span_class], s);
    return s;
}

static bool cache_refill_locked(struct cache *c, uint8_t span_class) {
    struct place_window *w = &c->current[span_class];
    /* What others have freed, of the span in use too, is in here. */
    cache_drain_inbox(c);
    if (w->span != NULL) {
        if (cache_advance(w))
            return true;
        cache_park_full(c, w->span);
        place_window_close(w);
    }
    struct span *s;
    while ((s = cache_next_span(c, span_class)) != NULL) {
        s->list = SPAN_ON_CURRENT;
        s->frees_until_event = SPAN_NEVER;
        place_window_open(w, s);
        /* Free granules may be left without making up one block, dead objects without making up one line. */
        if (tiny_class(span_class) ? tiny_window_advance(w) : place_window_usable(w))
            return true;
        cache_park_full(c, s);
        place_window_close(w);
    }
    return false;
}

static bool cache_refill(struct cache *c, uint8_t span_class) {
    cache_lock_lists(c);
    bool ok = cache_refill_locked(c, span_class);
    cache_unlock_lists(c);
    return ok;
}

/* ---- beginning and leaving */

static void cache_open(struct cache *c) {
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        place_window_close(&c->current[i]);
    for (size_t i = 0; i < CACHE_BY_8; i++)
        c->by_8[i] = &c->current[alloc_class_for(i * 8)];
}

static void cache_release_list(struct cache *c, struct span **head) {
    while (*head != NULL) {
        struct span *s = *head;
        cache_unlink(c, s);
        central_release(c, s);
    }
}

static void cache_release_spans(struct cache *c) {
    c->tiny = 0;
    memset(&c->pool, 0, sizeof c->pool); /* a pending half would outlive its run */
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        struct span *s = c->current[i].span;
        place_window_close(&c->current[i]);
        if (s != NULL)
            central_release(c, s);
        cache_release_list(c, &c->partial[i]);
        cache_release_list(c, &c->full[i]);
        cache_release_list(c, &c->empty[i]);
    }
}
