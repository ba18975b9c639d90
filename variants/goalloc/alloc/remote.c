/* SPDX-License-Identifier: MIT
 *
 * remote: how spans change hands without their threads waiting for one another: frees from other threads, spans without
 * an owner, and taking back what an idle owner will not look at. The same for every placement.
 */
#include "alloc/cache.h"

#include <sched.h>

/* ---- who may change a cache's lists: its owner in slow paths, or for a moment somebody who reclaims from it */

/* The holder that it finds; CACHE_LISTS_FREE: they are `to`'s now. */
static inline uint32_t cache_try_lists(struct cache *c, uint32_t to) {
    uint32_t found = CACHE_LISTS_FREE;
    __atomic_compare_exchange_n(&c->lists_locked, &found, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
    return found;
}

static void cache_lock_lists(struct cache *c) {
    while (GOALLOC_UNLIKELY(cache_try_lists(c, CACHE_LISTS_OWNERS) != CACHE_LISTS_FREE))
        sched_yield(); /* the other side gives one span back and is done, or forks */
    __atomic_store_n(&c->slow_paths, (uint16_t)(c->slow_paths + 1), __ATOMIC_RELAXED);
}

static void cache_unlock_lists(struct cache *c) {
    __atomic_store_n(&c->lists_locked, CACHE_LISTS_FREE, __ATOMIC_RELEASE);
}

static void cache_leave_record(struct span *s, enum span_left side);

/* ---- spans without an owner */

/* Files an unowned span by its free slots; true: it is wholly free and off the list, for the caller to give back once
 * the lock is released. Central lock held. */
static bool central_file(struct span *s) {
    struct central *central = &heap.central[s->span_class];
    enum place_room room = place_room(s);
    if (room == PLACE_ALL_ROOM) {
        if (s->list == SPAN_ON_PARTIAL)
            span_list_remove(&central->partial, s);
        s->list = SPAN_ON_NONE;
        /* Out of use before the lock goes: a late notifier must find nothing to do. */
        __atomic_store_n(&s->state, SPAN_DEAD, __ATOMIC_RELEASE);
        return true;
    }
    if (room == PLACE_SOME_ROOM && s->list == SPAN_ON_NONE) {
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
        heap_expect_span(s, NULL, span_class, SPAN_ON_PARTIAL);
        span_list_remove(&central->partial, s);
        s->list = SPAN_ON_NONE;
        __atomic_store_n(&s->owner, c, __ATOMIC_SEQ_CST);
    }
    lock_release(heap_central_lock(span_class));
    return s;
}

/* A late notice leads to a record that may be out of use, or serve any other span by now. */
static bool central_in_use(const struct span *s) {
    return span_state_of(s) == SPAN_IN_USE && __atomic_load_n(&s->elem_bytes, __ATOMIC_ACQUIRE) != 0;
}

static struct lock *central_lock_of(const struct span *s) {
    return heap_central_lock(__atomic_load_n(&s->span_class, __ATOMIC_ACQUIRE));
}

/* Is it in use under the lock, which is held, and without an owner? A record comes into use under the lock of its class
 * (heap_span_enter) and goes out of it so, or becomes SPAN_RECLAIMED before it loses its owner and then stays until the
 * lock is free. So what is in use before and after the look at its class and owner has been so all the time. */
static bool central_has(const struct span *s, const struct lock *lock) {
    return central_in_use(s) && central_lock_of(s) == lock && __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) == NULL &&
           span_state_of(s) == SPAN_IN_USE;
}

/* Merges the remote bits of a span that has no owner. False: it has one after all, or the record serves another span
 * meanwhile; the caller's notice stands, and it must look again. */
static bool central_merge(struct span *s) {
    struct lock *lock = central_lock_of(s);
    lock_acquire(lock);
    if (__atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) != NULL) {
        lock_release(lock);
        return false;
    }
    __atomic_exchange_n(&s->remote_queued, 0, __ATOMIC_SEQ_CST);
    bool merged = central_has(s, lock), dead = false;
    if (merged) {
        place_merge_remote(s);
        dead = central_file(s);
    }
    lock_release(lock);
    if (dead)
        heap_span_free(cache_self == &cache_none ? NULL : cache_self, s);
    else if (span_state_of(s) == SPAN_RECLAIMED)
        cache_leave_record(s, SPAN_LEFT_INBOX); /* the notice came too late for an inbox */
    else if (!merged && central_in_use(s)) /* a thread that freed a block of it saw this notice, and gave none */
        return __atomic_exchange_n(&s->remote_queued, 1, __ATOMIC_SEQ_CST) != 0;
    return true;
}

/* The record of a reclaimed span is still in its former owner's inbox, or on its way there, and must not serve another
 * span before it has left it. Both sides say when they are done with it; who completes the two gives it back. */
static void cache_leave_record(struct span *s, enum span_left side) {
    struct lock *lock = central_lock_of(s);
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
    if (cache_try_lists(owner, CACHE_LISTS_RECLAIMERS) != CACHE_LISTS_FREE)
        return; /* the owner is here itself */
    bool take = __atomic_load_n(&s->owner, __ATOMIC_SEQ_CST) == owner && span_state_of(s) == SPAN_IN_USE &&
                cache_parked_and_freed_by_others(s);
    if (take) {
        cache_unlink(owner, s);
        s->left = 0;
        /* Before it has no owner, or central_has would take it for one in use. */
        __atomic_store_n(&s->state, SPAN_RECLAIMED, __ATOMIC_RELEASE);
        /* Before the lists are anybody's again: the owner must find a span that is not its own. */
        __atomic_store_n(&s->owner, NULL, __ATOMIC_SEQ_CST);
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
        if (GOALLOC_UNLIKELY(!fixalloc_may_hold(&span_records, list)))
            os_die("corrupted inbox: it leads to %p, where there is no span record", (void *)list);
        struct span *next = list->remote_next;
        cache_take_in(c, list);
        list = next;
    }
}

static void cache_drain_inbox(struct cache *c) {
    if (__atomic_load_n(&c->inbox, __ATOMIC_RELAXED) != NULL)
        cache_take_in_all(c, __atomic_exchange_n(&c->inbox, NULL, __ATOMIC_ACQUIRE));
}

/* ---- threads coming and going */

static void cache_give_spans(struct cache *c) {
    cache_lock_lists(c);
    cache_drain_inbox(c);
    cache_release_spans(c);
    cache_unlock_lists(c);
}

static void cache_set_self(struct cache *c) {
    cache_self = c;
}

/* ---- what only a collector asks for */

static inline bool alloc_holds_back(const struct span *s, uintptr_t address) {
    (void)s, (void)address;
    return false;
}

static inline void cache_hold(struct cache *c) {
    (void)c;
}

static void cache_unhold(struct cache *c) {
    (void)c;
}

static void cache_handover_leaves(void) {}

static void dying_begin(void);

static void cache_handover_init(void) {
    os_on_death = dying_begin;
}

static bool cache_handover_knob(const char *name, char *out, size_t size) {
    (void)name, (void)out, (void)size;
    return false;
}

static void cache_wait_by(void (*wait)(void *), void *argument) {
    wait(argument);
}

/* The lists of every cache there is, whole. A lock that its own thread holds is one that a signal handler has
 * interrupted it in: it goes on, in parent and child, after the handler. */
static void cache_lists_before_fork(struct cache *c, bool alone) {
    uint32_t holder;
    while ((holder = cache_try_lists(c, CACHE_LISTS_FORKERS)) != CACHE_LISTS_FREE) {
        if (alone || (c == cache_self && holder == CACHE_LISTS_OWNERS))
            return;
        sched_yield();
    }
}

/* A thread that changes its lists waits for locks that are taken after them, so none of those may be held here. */
static void cache_before_fork(bool alone) {
    struct cache *done = NULL;
    for (;;) {
        struct cache *newest = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE);
        for (struct cache *c = newest; c != done; c = c->next_all)
            cache_lists_before_fork(c, alone);
        done = newest;
        lock_before_fork(&caches.lock, alone);
        if (caches.all == newest)
            return;
        lock_after_fork(&caches.lock); /* a thread has come meanwhile */
    }
}

static void cache_lists_after_fork(void) {
    for (struct cache *c = caches.all; c != NULL; c = c->next_all)
        if (__atomic_load_n(&c->lists_locked, __ATOMIC_RELAXED) == CACHE_LISTS_FORKERS)
            cache_unlock_lists(c);
}

static void cache_after_fork_parent(void) {
    cache_lists_after_fork();
    lock_after_fork(&caches.lock);
}

/* Caches of the parent's other threads are nobody's now: what they own stays allocated, and frees into it wait in their
 * inboxes, which nobody reads. That is memory the child never had a use for, not corruption. */
static void cache_after_fork_child(void) {
    cache_lists_after_fork();
    lock_after_fork(&caches.lock);
}

static void cache_admit_others(struct cache *c) {
    __atomic_store_n(&c->inbox, NULL, __ATOMIC_RELEASE);
}

static void cache_refuse_others(struct cache *c) {
    cache_take_in_all(c, __atomic_exchange_n(&c->inbox, CACHE_CLOSED, __ATOMIC_ACQ_REL));
}
