/* SPDX-License-Identifier: MIT */
#include "alloc/cache.h"
#include "alloc/tiny.h"

#include <sched.h>

static struct {
    struct lock lock;
    struct cache *free; /* caches of threads that have left */
    struct cache *all;  /* atomic: every cache there has ever been; records stay */
    pthread_key_t key;
    uint32_t attached; /* atomic: caches in use now */
} caches;

/* Set once the thread's destructor has run: what it still allocates comes from cache_shared, under a lock. */
static __thread bool cache_past_exit;

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

/* How many frees a full span waits for before it serves again. Under random frees a span that is taken at the first one
 * yields one slot, and every request ends in a refill; waiting for an eighth costs at most that share of the span. */
static int32_t cache_full_wait(const struct span *s) {
    return heap.tuned ? (int32_t)(s->nelems / CACHE_FULL_WAIT_SHARE) + 1 : 1;
}

static void cache_park_full(struct cache *c, struct span *s) {
    span_list_push(&c->full[s->span_class], s);
    s->list = SPAN_ON_FULL;
    /* Single granules of a tiny span may be free: at least one of each block is not. */
    unsigned free_slots = tiny_class(s->span_class) ? place_free_slots(s) : 0;
    s->alloc_count = (uint16_t)(s->nelems - free_slots);
    s->frees_until_event = cache_full_wait(s);
}

static bool cache_advance(struct place_window *w) {
    return tiny_class(w->span->span_class) ? tiny_window_advance(w) : place_window_advance(w);
}

static void cache_lock_lists(struct cache *c);
static void cache_unlock_lists(struct cache *c);

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

static void cache_leave_record(struct span *s, enum span_left side);

/* ---- spans without an owner */

/* Files an unowned span by its free slots; true: it is wholly free and off the list, for the caller to give back once
 * the lock is released. Central lock held. */
static bool central_file(struct span *s) {
    struct central *central = &heap.central[s->span_class];
    unsigned free_slots = place_free_slots(s);
    if (free_slots == s->nelems) {
        if (s->list == SPAN_ON_PARTIAL)
            span_list_remove(&central->partial, s);
        s->list = SPAN_ON_NONE;
        /* Out of use before the lock goes: a late notifier must find nothing to do. */
        __atomic_store_n(&s->state, SPAN_DEAD, __ATOMIC_RELEASE);
        return true;
    }
    if (free_slots > 0 && s->list == SPAN_ON_NONE) {
        span_list_push(&central->partial, s);
        s->list = SPAN_ON_PARTIAL;
    }
    return false;
}

static void central_release(struct cache *c, struct span *s) {
    struct lock *lock = heap_central_lock(s->span_class);
    lock_acquire(lock);
    s->list = SPAN_ON_NONE;
    s->frees_until_event = SPAN_NEVER;
    __atomic_store_n(&s->owner, NULL, __ATOMIC_SEQ_CST);
    /* After the store above every freer comes to this lock; before it, the bits are here to be merged. */
    place_merge_remote(s);
    bool dead = central_file(s);
    lock_release(lock);
    if (dead)
        heap_span_free(c, s);
}

static struct span *central_adopt(struct cache *c, uint8_t span_class) {
    struct central *central = &heap.central[span_class];
    if (__atomic_load_n(&central->partial, __ATOMIC_RELAXED) == NULL)
        return NULL;
    lock_acquire(heap_central_lock(span_class));
    struct span *s = central->partial;
    if (s != NULL) {
        span_list_remove(&central->partial, s);
        s->list = SPAN_ON_NONE;
        __atomic_store_n(&s->owner, c, __ATOMIC_SEQ_CST);
    }
    lock_release(heap_central_lock(span_class));
    return s;
}

/* Merges the remote bits of a span that has no owner. False: it has one after all. */
static bool central_merge(struct span *s) {
    struct lock *lock = heap_central_lock(s->span_class);
    lock_acquire(lock);
    if (__atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) != NULL) {
        lock_release(lock);
        return false;
    }
    __atomic_exchange_n(&s->remote_queued, 0, __ATOMIC_SEQ_CST);
    bool dead = false;
    /* A late notice may reach a record that is out of use, or that serves another class or a large object by now. */
    if (span_state_of(s) == SPAN_IN_USE && s->elem_bytes != 0 && heap_central_lock(s->span_class) == lock) {
        place_merge_remote(s);
        dead = central_file(s);
    }
    lock_release(lock);
    if (span_state_of(s) == SPAN_RECLAIMED)
        cache_leave_record(s, SPAN_LEFT_INBOX); /* the notice came too late for an inbox */
    if (dead)
        heap_span_free(cache_self == &cache_none ? NULL : cache_self, s);
    return true;
}

/* ---- who may change a cache's lists: its owner in slow paths, or for a moment somebody who reclaims from it */

static void cache_lock_lists(struct cache *c) {
    while (GOALLOC_UNLIKELY(__atomic_exchange_n(&c->lists_locked, 1, __ATOMIC_ACQUIRE) != 0))
        sched_yield(); /* the other side gives one span back and is done */
    __atomic_store_n(&c->slow_paths, (uint16_t)(c->slow_paths + 1), __ATOMIC_RELAXED);
}

static void cache_unlock_lists(struct cache *c) {
    __atomic_store_n(&c->lists_locked, 0, __ATOMIC_RELEASE);
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

/* The record of a reclaimed span is still in its former owner's inbox, or on its way there, and must not serve another
 * span before it has left it. Both sides say when they are done with it; who completes the two gives it back. */
static void cache_leave_record(struct span *s, enum span_left side) {
    struct lock *lock = heap_central_lock(s->span_class);
    lock_acquire(lock);
    bool last = false;
    if (span_state_of(s) == SPAN_RECLAIMED) {
        s->left = (uint8_t)(s->left | side);
        last = s->left == (SPAN_LEFT_BY_RECLAIMER | SPAN_LEFT_INBOX);
        if (last)
            __atomic_store_n(&s->state, SPAN_DEAD, __ATOMIC_RELEASE);
    }
    lock_release(lock);
    if (last)
        heap_record_give(cache_self == &cache_none ? NULL : cache_self, s);
}

static void cache_reclaim_from_idle(struct span *s) {
    struct cache *owner = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST);
    if (owner == NULL || !heap.tuned ||
        __atomic_load_n(&owner->slow_paths, __ATOMIC_RELAXED) != __atomic_load_n(&s->noticed_at, __ATOMIC_RELAXED))
        return;
    if (__atomic_exchange_n(&owner->lists_locked, 1, __ATOMIC_ACQUIRE) != 0)
        return; /* the owner is here itself */
    bool take = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) == owner && span_state_of(s) == SPAN_IN_USE &&
                cache_parked_and_freed_by_others(s);
    if (take) {
        cache_unlink(owner, s);
        /* Before the lists are anybody's again: the owner must find a span that is not its own. */
        __atomic_store_n(&s->owner, NULL, __ATOMIC_SEQ_CST);
        s->left = 0;
        __atomic_store_n(&s->state, SPAN_RECLAIMED, __ATOMIC_RELEASE);
    }
    cache_unlock_lists(owner);
    if (!take)
        return;
    heap_span_release(s);
    cache_leave_record(s, SPAN_LEFT_BY_RECLAIMER);
}

/* ---- freeing from other threads */

static bool cache_inbox_push(struct cache *owner, struct span *s) {
    struct span *head = __atomic_load_n(&owner->inbox, __ATOMIC_RELAXED);
    do {
        if (head == CACHE_CLOSED)
            return false;
        s->remote_next = head;
    } while (!__atomic_compare_exchange_n(&owner->inbox, &head, s, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    return true;
}

static void cache_notify_owner(struct span *s) {
    if (__atomic_load_n(&s->remote_queued, __ATOMIC_SEQ_CST) != 0 ||
        __atomic_exchange_n(&s->remote_queued, 1, __ATOMIC_SEQ_CST) != 0)
        return; /* who queued it first will have it looked at, after our bit was set */
    struct cache *first = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST);
    if (first != NULL)
        __atomic_store_n(&s->noticed_at, __atomic_load_n(&first->slow_paths, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    for (;;) {
        struct cache *owner = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST);
        if (owner == NULL ? central_merge(s) : cache_inbox_push(owner, s))
            return;
    }
}

static void cache_take_in(struct cache *c, struct span *s) {
    __atomic_exchange_n(&s->remote_queued, 0, __ATOMIC_SEQ_CST);
    /* The span may have changed hands, or its record may serve another one by now. */
    if (__atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) != c) {
        if (span_state_of(s) == SPAN_IN_USE)
            cache_notify_owner(s);
        else if (span_state_of(s) == SPAN_RECLAIMED)
            cache_leave_record(s, SPAN_LEFT_INBOX);
        return;
    }
    cache_account(c, s, place_merge_remote(s));
}

static void cache_take_in_all(struct cache *c, struct span *list) {
    while (list != NULL) {
        struct span *next = list->remote_next;
        cache_take_in(c, list);
        list = next;
    }
}

static void cache_drain_inbox(struct cache *c) {
    if (__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != NULL)
        cache_take_in_all(c, __atomic_exchange_n(&c->inbox, NULL, __ATOMIC_ACQUIRE));
}

/* ---- refill */

static struct span *cache_new_span(struct cache *c, uint8_t span_class) {
    struct span *s = c->empty[span_class];
    if (s != NULL) {
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
        /* Free granules may be left without making up one block. */
        if (!tiny_class(span_class) || tiny_window_advance(w))
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

/* ---- attaching and leaving */

static bool heap_init(void);

static struct cache *cache_record_make(void) {
    struct cache *c = meta_alloc(sizeof *c, 64);
    if (c == NULL)
        return NULL;
    lock_acquire(&caches.lock);
    c->next_all = caches.all;
    __atomic_store_n(&caches.all, c, __ATOMIC_RELEASE);
    lock_release(&caches.lock);
    return c;
}

static struct cache *cache_record_take(void) {
    lock_acquire(&caches.lock);
    struct cache *c = caches.free;
    if (c != NULL)
        caches.free = c->next_free;
    lock_release(&caches.lock);
    if (c == NULL)
        c = cache_record_make();
    if (c == NULL)
        return NULL;
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        place_window_close(&c->current[i]);
    for (size_t i = 0; i < CACHE_BY_8; i++)
        c->by_8[i] = &c->current[alloc_class_for(i * 8)];
    __atomic_store_n(&c->inbox, NULL, __ATOMIC_RELEASE);
    return c;
}

static struct cache *cache_attach(void) {
    if (cache_self != &cache_none)
        return cache_self;
    if (cache_past_exit || !heap_init())
        return NULL;
    struct cache *c = cache_record_take();
    if (c == NULL)
        return NULL;
    __atomic_fetch_add(&caches.attached, 1, __ATOMIC_RELAXED);
    cache_self = c;
    /* Only for the destructor; without it the thread's spans stay behind when it leaves. */
    pthread_setspecific(caches.key, c);
    return c;
}

static void cache_release_list(struct cache *c, struct span **head) {
    while (*head != NULL) {
        struct span *s = *head;
        cache_unlink(c, s);
        central_release(c, s);
    }
}

/* Gives back all that the cache owns; it stays usable. */
static void cache_flush(struct cache *c) {
    cache_lock_lists(c);
    cache_drain_inbox(c);
    c->tiny = 0;
    for (unsigned i = 0; i < SPAN_CLASSES; i++) {
        struct span *s = c->current[i].span;
        place_window_close(&c->current[i]);
        if (s != NULL)
            central_release(c, s);
        cache_release_list(c, &c->partial[i]);
        cache_release_list(c, &c->full[i]);
        cache_release_list(c, &c->empty[i]);
    }
    cache_unlock_lists(c);
    lock_acquire(&heap.lock);
    page_cache_flush(&heap.pages, &c->pages);
    lock_release(&heap.lock);
    while (c->records != NULL) {
        struct span *s = c->records;
        c->records = s->next;
        fixalloc_give(&heap.span_records, s);
    }
    c->record_count = 0;
}

static void cache_detach(void) {
    struct cache *c = cache_self;
    if (c == &cache_none)
        return;
    cache_flush(c);
    cache_self = &cache_none;
    cache_take_in_all(c, __atomic_exchange_n(&c->inbox, CACHE_CLOSED, __ATOMIC_ACQ_REL));
    lock_acquire(&caches.lock);
    c->next_free = caches.free;
    caches.free = c;
    lock_release(&caches.lock);
    __atomic_fetch_sub(&caches.attached, 1, __ATOMIC_RELAXED);
}

static void cache_on_thread_exit(void *cache) {
    (void)cache;
    cache_detach();
    cache_past_exit = true;
}
