/* SPDX-License-Identifier: MIT
 *
 * goalloc.h: the public interface of a goalloc build. Manual builds offer the malloc ABI, traced builds the typed
 * interface; both state their point on the axes. Depends on libc alone. Sizes are bytes; NULL is out of memory, with
 * errno ENOMEM from the malloc ABI. Every function is thread-safe.
 */
#ifndef GOALLOC_H
#define GOALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- every build */

/* "0.1.0". */
const char *goalloc_version(void);
/* "manual-tiny-sizeclass": what was compiled in, not what was asked for. */
const char *goalloc_axes(void);
/* Writes the value in force of a run-time knob ("preset"); 0, or -1 for an unknown name. */
int goalloc_knob(const char *name, char *out, size_t size);

/* A counter that a build does not keep. */
#define GOALLOC_NA UINT64_MAX
enum { GOALLOC_COUNTERS = 9 };
/* Fills, in this order: allocated, free in span, cached, metadata, lazily freed, committed bytes; mallocs; frees; dead
 * bytes (freed, and not yet to be given to anybody). Walks the heap: exact when other threads are at rest; committed,
 * counted where pages change hands, is then the sum of the other bytes. Returns 0. */
int goalloc_counters(uint64_t out[GOALLOC_COUNTERS]);
/* Returns free memory to the OS: the calling thread's cache and all free pages. In builds that collect, what is garbage
 * is free after goalloc_collect. */
void goalloc_purge(void);

/* Go's MemStats, by its definitions (Go mstats.go:58). GOALLOC_NA: this build does not count that. Builds that collect
 * stop the world and flush all caches first, as Go does; the traced build that does not flushes the calling thread's:
 * what others have allocated from the spans they hold counts once they have used them up. Manual builds do not count
 * operations; their heap is walked. */
enum { GOALLOC_MEM_STATS_CLASSES = 61 }; /* as Go's: sizes up to 18,432 bytes */
struct goalloc_mem_stats {
    uint64_t alloc_bytes, total_alloc_bytes; /* live or not yet swept; ever */
    uint64_t sys_bytes;                      /* the sum of the six below that end in _sys_bytes */
    uint64_t mallocs, frees;
    uint64_t heap_alloc_bytes, heap_sys_bytes, heap_idle_bytes, heap_inuse_bytes, heap_released_bytes, heap_objects;
    uint64_t mspan_inuse_bytes, mspan_sys_bytes, mcache_inuse_bytes, mcache_sys_bytes;
    uint64_t gc_sys_bytes, other_sys_bytes;
    uint64_t next_gc_bytes, last_gc_ns, pause_total_ns, num_gc, num_forced_gc; /* builds that collect */
    struct {
        uint64_t size, mallocs, frees;
    } by_size[GOALLOC_MEM_STATS_CLASSES];
};
/* False when there is no heap for want of memory: all is GOALLOC_NA. */
bool goalloc_read_mem_stats(struct goalloc_mem_stats *out);

/* A metric by its name in Go's runtime/metrics ("/gc/heap/allocs:objects"), without flushing anything. values: one, or
 * for a histogram over sizes one for each of the 67 size classes and one for all larger objects. False: this build has
 * no such metric, or count is not the number of its values. */
enum { GOALLOC_SIZE_BUCKETS = 68 };
bool goalloc_read_metric(const char *key, uint64_t *values, size_t count);
/* The metrics that the build has: their names by index, NULL from the end on. */
const char *goalloc_metric_name(size_t index);

/* What a run of pages is. */
enum goalloc_run_kind {
    GOALLOC_RUN_SPAN,     /* objects of one span class, live or not */
    GOALLOC_RUN_LARGE,    /* one live object */
    GOALLOC_RUN_FREE,     /* free and backed by memory */
    GOALLOC_RUN_RELEASED, /* free and not backed: given back to the OS, or never touched */
    GOALLOC_RUN_CACHED,   /* free, set aside for one thread */
};
struct goalloc_run {
    enum goalloc_run_kind kind;
    bool noscan;         /* spans and large objects: holds no pointers */
    bool released;       /* cached: not backed, like GOALLOC_RUN_RELEASED */
    unsigned span_class; /* spans; size class * 2 + noscan; 0 for all others */
    uintptr_t base;
    size_t npages, size_bytes;
    size_t slot_bytes;        /* 0: not made of equal slots */
    size_t slots, used_slots; /* 0 without equal slots; a large object is one slot */
    size_t used_bytes;        /* in live objects, rounding included */
    size_t dead_bytes;        /* beside live objects: freed, and not yet to be given to anybody */
};
/* Visits every run of the heap in address order; what lies between them is address space that the heap has yet to grow
 * into. visit runs under the heap lock: it must not allocate or free. Exact when other threads are at rest. 0, or -1
 * when there is no heap for want of memory. */
int goalloc_walk(void (*visit)(void *context, const struct goalloc_run *run), void *context);

/* Walks the whole heap: the number of broken invariants, the first of them in message (one line; empty when none is).
 * Exact while other threads are at rest. */
int goalloc_check(char *message, size_t size);

/* What an address belongs to. */
struct goalloc_object {
    void *base;        /* first byte of the object's slot */
    size_t size_bytes; /* of the slot */
    size_t index;      /* of the slot in its span */
    bool noscan;       /* holds no pointers */
};
/* The live object that covers any address; false when there is none. One past the end belongs to no object. */
bool goalloc_object_of(const void *address, struct goalloc_object *out);

/* ---- manual builds: C17, C23 and POSIX rules; the shared library exports them without the prefix as well */

void *goalloc_malloc(size_t size);
void *goalloc_calloc(size_t count, size_t size);
void *goalloc_realloc(void *p, size_t size);
void *goalloc_reallocarray(void *p, size_t count, size_t size);
void goalloc_free(void *p);
void goalloc_free_sized(void *p, size_t size);
void goalloc_free_aligned_sized(void *p, size_t alignment, size_t size);
void *goalloc_aligned_alloc(size_t alignment, size_t size);
int goalloc_posix_memalign(void **out, size_t alignment, size_t size);
void *goalloc_memalign(size_t alignment, size_t size);
void *goalloc_valloc(size_t size);
void *goalloc_pvalloc(size_t size);
size_t goalloc_usable_size(void *p);
/* Gives free memory to the OS until pad bytes of it are left: the calling thread's cache and all free pages. 1: there was
 * some; 0: there was none. The shared library's malloc_trim. */
int goalloc_trim(size_t pad);

/* ---- traced builds: typed allocation. Stacks are scanned conservatively, heap objects by these types. An object lives
 * as long as a pointer into it is found there or in a registered root: to any of its bytes, and on a stack to one past
 * its end as well; in the heap and in roots a pointer one past its end keeps it only under GOALLOC_PAST_END=on, which
 * gives each object a byte to spare. */

struct goalloc_type {
    size_t size_bytes;     /* a multiple of 8 when it holds pointers */
    uint64_t pointer_mask; /* bit i: word i is a pointer; the first 64 words */
    const uint64_t *masks; /* all words, 64 per element, when size_bytes > 512; else NULL */
};

/* What the inline paths see of the calling thread; nothing for programs to touch. Slots of one class that are free,
 * follow each other and are ready to be handed out: zero-filled and with pointer bits in place where they have any. */
struct goalloc_window {
    uintptr_t next, end;   /* equal: nothing ready */
    uint64_t pointer_mask; /* whose pointer bits are in place */
    size_t slot_bytes;
};
enum { GOALLOC_WINDOW_MAX_BYTES = 512, GOALLOC_WINDOWS = GOALLOC_WINDOW_MAX_BYTES / 8 + 1 };
struct goalloc_thread {
    uint32_t busy, stop;       /* inside the allocator; not 0: more is to be done on leaving it (to stop) */
    size_t least_noscan_bytes; /* smaller requests share blocks */
    struct goalloc_window *scan[GOALLOC_WINDOWS], *noscan[GOALLOC_WINDOWS]; /* by (size + 7) / 8 */
};
extern __thread struct goalloc_thread *goalloc_self;
/* Not 0 while stores must be told to the collector; changes while the world is stopped. A snapshot needs what a store
 * overwrites; Go's hybrid barrier, in the faithful preset, what it stores as well. */
enum { GOALLOC_SHADES_OLD = 1, GOALLOC_SHADES_BOTH = 2 };
extern uint32_t goalloc_marking;
void *goalloc_new_any(const struct goalloc_type *type, size_t n);
void *goalloc_bytes_any(size_t size, bool zero);
void goalloc_note_store(void *old, void *value);
void goalloc_obey_stop(void);

/* The next slot of a window; NULL when nothing is ready. */
static inline void *goalloc_take_slot(struct goalloc_thread *thread, struct goalloc_window *window, uint64_t mask) {
    __atomic_store_n(&thread->busy, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uintptr_t slot = window->next;
    if (__builtin_expect(slot == window->end || window->pointer_mask != mask, 0))
        slot = 0; /* whoever takes the long way obeys a stop there */
    else
        __atomic_store_n(&window->next, slot + window->slot_bytes, __ATOMIC_RELAXED); /* others may look */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    __atomic_store_n(&thread->busy, 0, __ATOMIC_RELEASE);
    if (__builtin_expect(__atomic_load_n(&thread->stop, __ATOMIC_RELAXED) != 0, 0))
        goalloc_obey_stop();
    return (void *)slot;
}

/* n consecutive objects, zero-filled. n = 0 gives the address that all empty objects share. */
static inline void *goalloc_new(const struct goalloc_type *type, size_t n) {
    void *object = NULL;
    if (n == 1 && type->pointer_mask != 0 && type->size_bytes <= GOALLOC_WINDOW_MAX_BYTES)
        object = goalloc_take_slot(goalloc_self, goalloc_self->scan[(type->size_bytes + 7) / 8], type->pointer_mask);
    return __builtin_expect(object != NULL, 1) ? object : goalloc_new_any(type, n);
}

/* Pointer-free memory; zero-filled when zero is set. */
static inline void *goalloc_bytes(size_t size, bool zero) {
    void *object = NULL;
    if (size <= GOALLOC_WINDOW_MAX_BYTES && size >= goalloc_self->least_noscan_bytes)
        object = goalloc_take_slot(goalloc_self, goalloc_self->noscan[(size + 7) / 8], 0);
    if (__builtin_expect(object == NULL, 0))
        return goalloc_bytes_any(size, zero);
    return zero ? __builtin_memset(object, 0, size) : object;
}

/* Stores a pointer into a heap object or a registered root. The old value is read before, and the phase after the new
 * one is stored; a thread can be stopped between any two of them. */
static inline void goalloc_store(void *slot, void *value) {
    void *old = __atomic_load_n((void **)slot, __ATOMIC_RELAXED);
    __atomic_store_n((void **)slot, value, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    uint32_t marking = __atomic_load_n(&goalloc_marking, __ATOMIC_RELAXED);
    if (__builtin_expect(marking != 0, 0) && (old != NULL || marking == GOALLOC_SHADES_BOTH))
        goalloc_note_store(old, value);
}

/* Typed bulk copy (regions may overlap) and clear of n objects. Raw memcpy of pointers into the heap is not allowed. */
void goalloc_move(void *dst, const void *src, const struct goalloc_type *type, size_t n);
void goalloc_clear(void *dst, const struct goalloc_type *type, size_t n);
/* n pointer slots outside heap and stacks that keep objects alive; each is NULL or points into an object. 0, or -1 when out of memory. */
int goalloc_root_add(void *slots, size_t n);
void goalloc_root_remove(void *slots);
/* Bracket each thread that uses the heap; attaching twice is harmless. False: out of memory. In between a collection
 * may stop the thread by SIGURG: it must not block, ignore or take over that signal, and system calls that SA_RESTART
 * does not restart may end with EINTR (docs/differences.md has the list) unless goalloc_blocked_enter goes before. */
bool goalloc_thread_attach(void);
void goalloc_thread_detach(void);
/* In long loops that do not allocate: lets a collection begin. */
static inline void goalloc_safepoint(void) {
    if (__builtin_expect(__atomic_load_n(&goalloc_self->stop, __ATOMIC_RELAXED) != 0, 0))
        goalloc_obey_stop();
}
/* Threads that run on stacks of the program's own: coroutines, fibres (makecontext, assembly). A thread's own stack,
 * with what a signal handler has (sigaltstack), is found without them. All of it is scanned: while a stack is registered
 * and no thread is on it, from where the last thread left it to its highest address, and the registers that a switch
 * keeps; of one that has never run, the highest 4 KiB. What else the program saves of a context elsewhere
 * (makecontext's arguments in its ucontext_t) is not.
 *   register    [low, low + size_bytes): memory that the thread may run on; a guard page may be part of it. NULL: out of
 *               memory. It may lie on the calling thread's stack; two registered ones must not overlap. A stop needs
 *               room on it for a signal's frame (MINSIGSTKSZ) and about 1 KiB.
 *   switch      on the stack that is left, right before the switch, with nothing of the heap used in between: from is the
 *               thread's present stack, to the one it goes on; NULL is the stack that the calling thread was made with.
 *               A coroutine that is left by one thread may be switched to by another; its scheduler orders the two. One
 *               that ends switches a last time.
 *   unregister  before the memory is freed or used for anything else; no thread may be on it.
 * Misuse ends the process in one line. A thread that is found on an unknown stack and uses the heap there does so at
 * once; where it does not, the collector waits a second for it to come back. Stacks in segments (-fsplit-stack), and
 * signal stacks with SS_AUTODISARM, are not supported. */
struct goalloc_stack;
struct goalloc_stack *goalloc_stack_register(void *low, size_t size_bytes);
void goalloc_stack_switch(struct goalloc_stack *from, struct goalloc_stack *to);
void goalloc_stack_unregister(struct goalloc_stack *stack);

/* Bracket what a thread does outside for long: a system call, a lock, a library that blocks signals. In between the
 * thread uses nothing of the heap but pointer-free objects that it held before (a buffer to read into), and no other
 * function of this interface but goalloc_thread_detach; it counts as stopped, with its stack as it was on entering. So no collection waits for it or
 * signals it, and no system call of its ends with EINTR on the collector's account. goalloc_blocked_leave waits while
 * the world is stopped. Pairs nest; a thread may end inside one, or fork. Without an attached thread they do nothing. Not
 * for signal handlers: what they interrupt may be the allocator. */
void goalloc_blocked_enter(void);
void goalloc_blocked_leave(void);
/* A full collection, where the build has a collector; otherwise nothing. */
void goalloc_collect(void);

/* ---- traced builds: what the collector has done and taken. Reading stops nobody and takes no lock; figures of a cycle
 * under way may be some slices behind each other. Only ever added to, so that a difference of two readings is what lay
 * between them. Times are nanoseconds: cpu_ns of threads, all others of CLOCK_MONOTONIC. */

struct goalloc_gc_sums {
    uint64_t cycles, forced_cycles; /* ended */
    uint64_t pauses, pause_ns;      /* stops of the world by the collector: how many, and their sum */
    uint64_t rescans;               /* of these, the ones that were to end a cycle and found too much unmarked */
    uint64_t rescan_greyed_bytes;   /* marked by the second scan of stacks and roots alone */
    /* CPU, each nanosecond under one head: marking, by the collector's threads and by who forces a collection; marking
     * by who allocates, in proportion; sweeping by the collector's threads and by who forces a collection; by who
     * allocates, reckoned from a sample; what the stopping thread does until all others run again, but for marking and
     * sweeping when the world stands still for them (gcstoptheworld). */
    uint64_t mark_cpu_ns, assist_cpu_ns, sweep_cpu_ns, sweep_allocating_cpu_ns, stop_cpu_ns;
    /* Counted when a cycle ends. Objects that were scanned one by one, from their queue; Green Tea's pages of objects
     * ("spans"), those that were scanned for a single object, and the objects scanned in all of them. */
    uint64_t queued_objects, span_visits, single_visits, span_objects;
    uint64_t scanned_bytes, marked_bytes; /* of objects */
};
/* False: this build has no collector, and all is GOALLOC_NA. */
bool goalloc_read_gc(struct goalloc_gc_sums *out);

/* The world stood still from when the first thread was asked to stop until all had been told to go on. */
struct goalloc_gc_pause {
    uint64_t begun_ns, length_ns;
};
/* A cycle that has ended. of: what came between its end and that of the cycle before, so that sweeping stands with the
 * cycle which follows it. */
struct goalloc_gc_cycle {
    struct goalloc_gc_sums of;
    uint64_t begun_ns, ended_ns;
    uint64_t goal_bytes;          /* in force while it ran; UINT64_MAX: none */
    uint64_t live_at_start_bytes; /* heap when it began */
    uint64_t peak_live_bytes;     /* heap when marking ended: the most that goal_bytes is to hold */
    uint64_t next_goal_bytes;     /* set at its end */
};
/* The newest are kept, in fixed memory. */
enum { GOALLOC_GC_PAUSES_KEPT = 8191, GOALLOC_GC_CYCLES_KEPT = 1023 };
/* Copies those from number `first` on (0: the process's first), as far as they are still there, oldest first;
 * *copied_first is the number of the first copied. Returns how many, at most count. */
size_t goalloc_gc_pauses(uint64_t first, struct goalloc_gc_pause *out, size_t count, uint64_t *copied_first);
size_t goalloc_gc_cycles(uint64_t first, struct goalloc_gc_cycle *out, size_t count, uint64_t *copied_first);

#ifdef __cplusplus
}
#endif
#endif
