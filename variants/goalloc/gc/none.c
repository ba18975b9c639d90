/* SPDX-License-Identifier: MIT
 *
 * none: a traced heap that never collects. Nobody is ever stopped, nothing is ever marked: that is what it bounds.
 */
#include "alloc/mcentral.h"
#include "gc/roots.c"
#include "goalloc.h"

#include <sched.h>

static void gc_init(void) {
    os_barrier_all();
}

static bool gc_knob(const char *name, char *out, size_t size) {
    (void)name, (void)out, (void)size;
    return false;
}

static void gc_thread_begins(struct cache *c) {
    (void)c;
}

static void gc_thread_ends(struct cache *c) {
    (void)c;
}

static void gc_thread_leaves(void) {}
static void gc_come_back_to_fork(void) {}
static void gc_go_back_from_fork(void) {}

static void gc_wait_by(void (*wait)(void *), void *argument) {
    wait(argument);
}

/* Held by a thread that forks: the others wait for it before they enter the allocator. */
static struct lock none_gate;
static bool none_closed; /* the fork under way has asked the others */

static void gc_park(struct cache *c) {
    (void)c;
    lock_acquire(&none_gate);
    lock_release(&none_gate);
}

static void none_ask_all(uint32_t stop) {
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all)
        if (c != cache_self)
            __atomic_store_n(&c->front.stop, stop, __ATOMIC_RELEASE);
}

/* What threads do to the sets of spans takes no lock: they are kept out of the allocator. No cache comes meanwhile. */
static void gc_before_fork(bool alone) {
    lock_before_fork(&caches.lock, alone);
    lock_before_fork(&none_gate, alone);
    none_closed = !alone;
    if (alone) {
        lock_before_fork(&roots.lock, alone);
        return;
    }
    if (cache_self != &cache_none && cache_self->front.busy != 0)
        os_die("fork in a signal handler that has interrupted its thread inside the allocator: block the signal where "
               "the thread allocates, or let another thread fork");
    none_ask_all(1);
    os_barrier_all();
    for (struct cache *c = caches.all; c != NULL; c = c->next_all)
        while (c != cache_self && __atomic_load_n(&c->front.busy, __ATOMIC_ACQUIRE) != 0)
            sched_yield();
    lock_before_fork(&roots.lock, alone); /* now: a thread in the allocator may have waited for it */
}

static void gc_after_fork_parent(void) {
    lock_after_fork(&roots.lock);
    if (none_closed)
        none_ask_all(0);
    lock_after_fork(&none_gate);
    lock_after_fork(&caches.lock);
}

/* What other threads' caches held stays where it is. */
static void gc_after_fork_child(void) {
    caches.attached = cache_self != &cache_none;
    gc_after_fork_parent();
}

static void gc_poll(struct cache *c) {
    (void)c;
}

static void gc_zero(struct cache *c, void *block, size_t size_bytes) {
    (void)c;
    memset(block, 0, size_bytes);
}

static inline void gc_charge(struct cache *c, size_t size_bytes) {
    (void)c, (void)size_bytes;
}

static inline void gc_publish(struct span *s, uintptr_t address) {
    (void)address;
    /* Release: who finds the object by it finds its contents and its pointer metadata. */
    __atomic_store_n(&s->free_index_for_scan, s->freeindex, __ATOMIC_RELEASE);
}

static inline void gc_run_taken(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes) {
    (void)s, (void)first, (void)count, (void)stride, (void)object_bytes;
}

static inline void gc_run_returned(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes) {
    (void)s, (void)first, (void)count, (void)stride, (void)object_bytes;
}

static inline void gc_merge_marks(struct span *s) {
    (void)s;
}

static void gc_swept_all(void) {}

static void gc_purged(size_t released_bytes) {
    (void)released_bytes;
}

static inline void gc_prefetch_marks(const struct span *s) {
    (void)s;
}

static void gc_note_store(struct cache *c, void *old, void *value) {
    (void)c, (void)old, (void)value;
}

static void gc_rest_begin(struct cache *c) {
    (void)c;
}

static void gc_rest_end(struct cache *c) {
    (void)c;
}

void goalloc_collect(void) {}

/* No stack is ever looked at: one record does for all. */
struct goalloc_stack {
    char unused;
};

struct goalloc_stack *goalloc_stack_register(void *low, size_t size_bytes) {
    static struct goalloc_stack any;
    (void)low, (void)size_bytes;
    return &any;
}

void goalloc_stack_switch(struct goalloc_stack *from, struct goalloc_stack *to) {
    (void)from, (void)to;
}

void goalloc_stack_unregister(struct goalloc_stack *stack) {
    (void)stack;
}

void goalloc_blocked_enter(void) {}
void goalloc_blocked_leave(void) {}

bool goalloc_read_gc(struct goalloc_gc_sums *out) {
    memset(out, 0xff, sizeof *out); /* GOALLOC_NA */
    return false;
}

size_t goalloc_gc_pauses(uint64_t first, struct goalloc_gc_pause *out, size_t count, uint64_t *copied_first) {
    (void)first, (void)out, (void)count;
    *copied_first = 0;
    return 0;
}

size_t goalloc_gc_cycles(uint64_t first, struct goalloc_gc_cycle *out, size_t count, uint64_t *copied_first) {
    (void)first, (void)out, (void)count;
    *copied_first = 0;
    return 0;
}
