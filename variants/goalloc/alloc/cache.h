/* SPDX-License-Identifier: MIT
 *
 * cache: what one attached thread allocates from without a lock (Go mcache.go; a P here is an attached thread's cache
 * for its life). A span is owned by one cache or by nobody. The owner allocates from it and frees into it with plain
 * stores; everybody else sets bits of the span's remote bitmap and, if nobody has yet, puts the span into the owner's
 * inbox.
 *
 * Order of the remote-free protocol. Freer: set the remote bit, then look at remote_queued; owner: clear remote_queued,
 * then read the remote bits. Both sides are sequentially consistent, so at least one of them sees the other.
 */
#ifndef GOALLOC_CACHE_H
#define GOALLOC_CACHE_H

#include "alloc/heap.h"
#include "alloc/stats.h"
#include "goalloc.h"
#include "os/tsc.h"

enum {
    CACHE_BY_8 = GOALLOC_SMALL_SIZE_MAX / 8 + 1,
    CACHE_SPAN_RECORDS = 64,         /* span records a thread keeps (Go keeps 128 per P) */
    CACHE_EMPTY_PAGES_PER_CLASS = 8, /* tuned: free spans kept against thrashing the page heap */
    CACHE_EMPTY_PAGES = 64,          /* the same, over all classes */
};

struct spanset_block;

/* Who may change a cache's lists now. */
enum cache_lists { CACHE_LISTS_FREE, CACHE_LISTS_OWNERS, CACHE_LISTS_RECLAIMERS, CACHE_LISTS_FORKERS };

struct cache {
    union {
        struct { /* manual builds */
            /* The window that serves (size + 7) / 8, so that one load leads from size to window. */
            struct place_window *by_8[CACHE_BY_8];
            struct place_window current[SPAN_CLASSES];
            struct span *partial[SPAN_CLASSES]; /* owned, some slots free */
            struct span *full[SPAN_CLASSES];    /* owned, no slot free when last looked at */
            struct span *empty[SPAN_CLASSES];   /* owned, every slot free */
            uint16_t empty_pages[SPAN_CLASSES];
            uint32_t empty_pages_total;
        };
        struct {                              /* traced builds: alloc/mcache.c */
            struct goalloc_thread front;      /* first: all that the inline paths know */
            struct span *alloc[SPAN_CLASSES]; /* the span in use of each class; never NULL in an open cache */
            struct goalloc_window windows[SPAN_CLASSES]; /* tuned, small slots: over the span in use */
            struct {
                uintptr_t first;     /* where the window began */
                uint32_t scan_bytes; /* of each object, as far as it may hold pointers */
                uint32_t objects;    /* in runs: how many the next window is to have at most; 0 as 1 */
            } window_states[SPAN_CLASSES];
            bool wants_memory;           /* heap_back_ahead is */
            struct spanset_block *spare; /* for the next set of spans that needs one */
            uint32_t flush_gen;          /* the heap's sweepgen when the cache was last flushed */
            uint64_t scan_alloc_bytes;   /* allocated since the last refill, as far as it may hold pointers */
            struct stats stats;
            struct tsc_sampler sweeping, assisting; /* in short slices */
            bool sweep_clocked;                     /* a clock is running: its slices need no sample */
        };
    };
    /* traced: the block in use, 0 none. manual: the granule to hand out next, in the span in use; 0 none */
    uintptr_t tiny;
    uintptr_t tiny_offset; /* traced: bytes of the block used */
    uint64_t tiny_allocs;  /* traced: since the tiny class was last refilled */
    struct place_pool pool;
    struct page_cache pages;
    struct span *records; /* unused span records, linked by next */
    uint32_t record_count;
    struct cache *next_free;
    struct cache *next_all; /* set once */
    /* Held in slow paths, where lists are changed; others only try it, to take wholly free spans from an idle owner. */
    uint32_t lists_locked;           /* atomic, enum cache_lists */
    uint16_t slow_paths;             /* atomic: how often the owner came by; who stays the same is idle */
    _Alignas(64) struct span *inbox; /* atomic; CACHE_CLOSED when the thread has left */
};

/* Never dereferenced: an address that no span has. */
#define CACHE_CLOSED ((struct span *)1)

/* Stands for "no cache": its windows are empty, so that fast paths need no test for it. */
static struct cache cache_none = {
    .by_8 = {[0 ... CACHE_BY_8 - 1] = &cache_none.current[0]},
    .current = {[0 ... SPAN_CLASSES - 1] = PLACE_NO_WINDOW},
};

static __thread struct cache *cache_self = &cache_none;

static struct {
    struct lock lock;
    struct cache *free; /* caches of threads that have left */
    size_t free_count;  /* of them, those that cache_record_give has put there */
    struct cache *all;  /* atomic: every cache there has ever been; records stay */
    pthread_key_t key; /* whose destructor takes a thread's cache back */
    bool keyed;        /* there is one: a process may have used up all before its first request */
    uint32_t attached; /* atomic: caches in use now */
} caches;

/* Traced builds: the calling thread's cache as the inline paths know it. */
static void cache_set_self(struct cache *c);
/* Of goalloc_thread.stop: something is to be done on leaving the allocator (gc_poll). A bit of the word that is looked
 * at there anyway; the thread itself sets and clears it. Any other bit leads to gc_park. */
enum { CACHE_WANTS_GC = 4 };
static inline void cache_want_gc(struct cache *c) {
    __atomic_fetch_or(&c->front.stop, CACHE_WANTS_GC, __ATOMIC_RELAXED); /* others ask the thread to stop meanwhile */
}

/* Is the thread to stop, or blocked outside? */
static inline bool cache_is_asked(const struct cache *c) {
    return (__atomic_load_n(&c->front.stop, __ATOMIC_RELAXED) & ~(uint32_t)CACHE_WANTS_GC) != 0;
}

/* Brackets what a thread does to its cache outside the allocation paths: it is not stopped meanwhile. */
static inline void cache_hold(struct cache *c);
static void cache_unhold(struct cache *c);
/* The calling thread, attached or not, is about to give its cache back. */
static void cache_handover_leaves(void);
/* Once, before the first request is served. */
static void cache_handover_init(void);
static bool cache_handover_knob(const char *name, char *out, size_t size);
/* Calls wait. wait may block on a lock that another thread holds, and touches nothing of the heap's. In traced builds the
 * calling thread counts as stopped meanwhile, so that no stop waits for it. */
static void cache_wait_by(void (*wait)(void *), void *argument);
/* Around fork, with cache_shared_lock and none of the locks below it; before: returns with caches.lock held, and all that
 * threads change without a lock at rest. alone: lock_before_fork. */
static void cache_before_fork(bool alone);
static void cache_after_fork_parent(void);
static void cache_after_fork_child(void);

/* ---- the placement's part: alloc/slots.c for spans of equal slots, alloc/mcache.c where they are traced */

/* A cache record that nobody uses becomes a thread's. */
static void cache_open(struct cache *c);
/* Gives every span of the cache to nobody (central_release). Lists locked. */
static void cache_release_spans(struct cache *c);
/* Takes a span off whatever list of the cache it is on. Lists locked. */
static void cache_unlink(struct cache *c, struct span *s);
/* The owner has learned of n more free units of s. Lists locked. */
static void cache_account(struct cache *c, struct span *s, unsigned n);
/* Does nothing live lie in s, without its owner knowing yet? Lists locked. */
static bool cache_parked_and_freed_by_others(struct span *s);

/* ---- the protocol's part: alloc/remote.c, or alloc/mcentral.c in traced builds */

/* Gives back all spans of the cache, which stays usable. */
static void cache_give_spans(struct cache *c);
/* Other threads may, and may no longer, leave what they free with the cache. */
static void cache_admit_others(struct cache *c);
static void cache_refuse_others(struct cache *c);

static void cache_lock_lists(struct cache *c);
static void cache_unlock_lists(struct cache *c);
/* Takes over what others have freed in the cache's spans. Lists locked. */
static void cache_drain_inbox(struct cache *c);
/* The cache gives s up: to whoever needs one of its class, or to the page heap when nothing in it is live. Lists
 * locked, s on no list. */
static void central_release(struct cache *c, struct span *s);
/* A span of the class that nobody owns and that has free slots, the cache's from now on; NULL when there is none. */
static struct span *central_adopt(struct cache *c, uint8_t span_class);

/* ---- */

/* Makes sure the calling thread has a cache. NULL: out of memory, or the thread is past its last destructor. */
static struct cache *cache_attach(void);
static void cache_detach(void);

/* Gives current[span_class] a window with a free slot. False: out of memory. */
static bool cache_refill(struct cache *c, uint8_t span_class);

/* Recounts a span the cache owns and files it where it belongs; called when frees_until_event reaches 0. */
static void cache_settle(struct cache *c, struct span *s);

/* Says that remote bits of s were set: by whoever set them, after setting. */
static void cache_notify_owner(struct span *s);

/* Gives a span back whose slots are all free though its owner has not come by since the first of them was freed from
 * elsewhere. An idle thread would otherwise keep what others have freed for as long as it sleeps. */
static void cache_reclaim_from_idle(struct span *s);

#endif
