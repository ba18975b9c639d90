/* SPDX-License-Identifier: MIT
 *
 * gc: one concurrent mark-sweep collector, whatever its marker (Go mgc.go). A cycle: the world is stopped, the sweep of
 * the last cycle finished, stacks and roots scanned; then marking beside the running program, stores told of by the
 * write barrier, objects born black; the world stopped again, what is left marked, and everything unmarked is to be
 * swept.
 *
 * Because the snapshot is taken with the world stopped and every overwritten pointer is shaded, what was reachable at
 * the start gets marked, and what is born later is black: the second scan of stacks and roots finds nothing new unless
 * a program stores behind the barrier's back. It is done all the same, and what it finds is counted (rescan_greyed).
 */
#ifndef GOALLOC_GC_H
#define GOALLOC_GC_H

#include "alloc/mcentral.h"
#include "alloc/object.h"
#include "goalloc.h"
#include "os/futex.h"

enum {
    GC_WORKBUF_BYTES = 2048, /* Go mgcwork.go:17 */
    GC_WORKBUF_ITEMS = (GC_WORKBUF_BYTES - 16) / 8,
    GC_OBLET_BYTES = 128 << 10, /* Go mgcmark.go:40: longer objects are scanned in parts */
    GC_BARRIER_ENTRIES = 512,   /* Go mwbbuf.go:70 */
    GC_LEAST_ADDRESS = 4096,    /* smaller values are no pointers (Go mwbbuf.go:231) */
    GC_AHEAD = 8,               /* objects whose memory is asked for before it is needed */
    GC_GATHERED = 256,          /* pointers of a large object that are looked at together */
    GC_FOUND_MARGIN = 12,       /* room behind pointers that are looked at together */
    GC_SPAN_RING = 256,         /* Green Tea: spans a thread keeps (Go 1.25.3 mgcmark_greenteagc.go:346) */
    GC_SPILLED_WORDS = 24,      /* a small frame that begins with the registers which its function must keep */
};

/* Addresses to be scanned. Buffers are type-stable: a stale pointer to one is harmless. */
struct workbuf {
    struct workbuf *next; /* atomic */
    size_t count;
    uintptr_t items[GC_WORKBUF_ITEMS];
};
_Static_assert(sizeof(struct workbuf) == GC_WORKBUF_BYTES, "254 entries with their header");

/* In which order queued pages are scanned (spans.c). Go's is first in, first out; laps go by address;
 * the others are there to be compared with them. */
enum gc_queue { GC_QUEUE_FIFO, GC_QUEUE_LIFO, GC_QUEUE_ADDRESS, GC_QUEUE_LAPS, GC_QUEUE_RANDOM };

struct span_queue;

/* What a marking thread has in hand. Its own but while the world is stopped. */
struct gc_work {
    struct workbuf *first, *second; /* a stack of up to two buffers: pops and pushes at the border do not go global */
    uint64_t bytes_marked, scan_work;
    uint64_t objects_scanned, spans_scanned, single_scans;
    uint64_t span_objects;    /* Green Tea: scanned in pages; objects_scanned has all others */
    struct span_queue *spans; /* Green Tea: pages to scan; NULL: none, and there have been none */
    uint32_t barrier_count;
    uintptr_t barrier[GC_BARRIER_ENTRIES];
};

struct gc_thread;

/* A stack that the collector knows: a thread's own, or one that the program has registered (stacks.c). */
struct goalloc_stack {
    uintptr_t low, top;
    uint64_t magic;    /* STACK_MAGIC while it is registered */
    uintptr_t left_sp; /* where it ended when a thread last left it; 0: no thread has */
    uint32_t spilled_words;
    uint32_t run_epoch;       /* of the last stop that found a thread on it */
    struct gc_thread *thread; /* atomic: runs on it; NULL: none does */
    uintptr_t spilled[GC_SPILLED_WORDS];
};

/* A thread that takes part, or one of the collector's own. */
struct gc_thread {
    struct gc_work work;
    struct gc_thread *next; /* all there are, under the world's lock */
    struct cache *cache;
    int tid;
    struct goalloc_stack own;             /* the stack that the system gave it */
    struct goalloc_stack *current, *left; /* the one it runs on, and (atomic) the one it may just be leaving */
    /* Where it stopped: on stop_stack at stop_sp; in a signal handler that has a stack of its own, on that as well. */
    struct goalloc_stack *stop_stack;
    uintptr_t stop_sp, handler_sp, handler_top;
    uintptr_t lost_sp;      /* atomic: asked to stop, it was here, on a stack that is not known; 0: it was not */
    uint32_t lost_times;    /* atomic */
    uint32_t blocked;       /* calls of goalloc_blocked_enter without their leave; only the thread itself changes it */
    uintptr_t blocked_sp;   /* where it was at the first of them */
    uint32_t stopped_epoch; /* atomic: the last stop it obeyed */
    uint32_t parked;        /* waits outside the signal handler */
    uint32_t waiting;       /* atomic, enum world_waiting */
    int64_t assist_bytes;   /* allocated in advance of marking; below 0 there is debt */
    double assist_price;    /* work per byte that what is left of them was bought for; 0: for nothing */
};

enum gc_phase { GC_OFF, GC_MARK };

/* Settings, read once. */
struct gc_settings {
    int64_t percent;             /* GOGC; -1: off */
    uint64_t memory_limit_bytes; /* GOMEMLIMIT; UINT64_MAX: off */
    unsigned procs;              /* GOMAXPROCS */
    bool early;                  /* GOALLOC_EARLY: marking may begin when less than half of the way is gone */
    bool spend;                  /* GOALLOC_SPEND: collect only when the memory that the heap has is full */
    bool deterministic, trace, checkmark, clobber;
    unsigned stop_the_world; /* 1: marking stops the world; 2: sweeping too */
    bool scavtrace;
    bool container_procs; /* GODEBUG containermaxprocs: the control group's quota bounds procs */
    uint64_t period_ns;   /* a cycle is begun when none has ended for so long */
    uint64_t stress_every;   /* GOALLOC_GCSTRESS: collect at every Nth slow allocation; 0: never */
    /* Green Tea. */
    enum gc_queue queue; /* GOALLOC_QUEUE */
    bool long_queue;     /* GOALLOC_GREENTEA=1.26: a thread keeps all the spans it finds; 1.25: 256 */
    bool stay;           /* GOALLOC_STAY: a page is left only when nothing in it is grey */
    bool vector;         /* GOALLOC_KERNEL: kernels.c */
};

static struct gc_settings gc_settings = {.period_ns = UINT64_C(120000000000)}; /* Go proc.go:6229 forcegcperiod */

/* ---- world.c */

/* Stops every thread that takes part but the calling one (self; NULL: it does not take part). Others wait their turn.
 */
static void world_stop(struct gc_thread *self);
/* When threads might run again: who wakes them up may lose its processor to them. */
static uint64_t world_start(void);

/* ---- marking: mark.c. w is the caller's. */

/* The object that the address lies in gets marked and, if it holds pointers, is to be scanned. */
static inline void mark_address(struct gc_work *w, uintptr_t address);
/* The same for any word whatever. */
static void mark_conservatively(struct gc_work *w, const uintptr_t *from, const uintptr_t *end);
/* Scans until nothing is left anywhere, or scan_work units have been done; what was done. */
static uint64_t mark_drain(struct gc_work *w, uint64_t budget);
static void mark_flush(struct gc_work *w);
static bool mark_work_left(void);

/* ---- what differs between markers: classic.c, greentea.c */

/* Green Tea: the object in a page with inline marks gets marked; if it is new and holds pointers, its page is queued.
 */
static inline void marker_shade_inline(struct gc_work *w, uintptr_t page, uint8_t span_class, unsigned slot);
/* The object that address lies in, on a page of this class (span_class_on_page), gets marked and is to be scanned. */
static inline void marker_shade_on_page(struct gc_work *w, uint8_t span_class, uintptr_t address);
/* The objects of many pointers, none of them below GC_LEAST_ADDRESS, are marked and to be scanned. There is room for
 * GC_FOUND_MARGIN more behind them. */
static void marker_shade_all(struct gc_work *w, uintptr_t *found, unsigned count);
static void marker_init(void);
/* Has the marker a vector kernel, and this processor what it is made of? */
static bool marker_vector_runs(void);
/* Asks for the memory that marker_scan_span begins with. */
static inline void marker_prefetch_span(uintptr_t item);
/* Scans what is marked and not yet scanned in a queued span. */
static void marker_scan_span(struct gc_work *w, uintptr_t item);
static void marker_take_run(struct span *s, unsigned first, unsigned count);
static void marker_return_run(struct span *s, unsigned first, unsigned count);
/* Before s is swept, its marks are in mark_bits. */
static void marker_merge(struct span *s);
/* Asks for the marks of s, which may be changing hands. */
static inline void marker_prefetch_marks(const struct span *s);
static bool marker_is_marked(const struct span *s, unsigned slot);

#endif
