/* SPDX-License-Identifier: MIT
 *
 * cycle: when marking begins and ends, and who does it (Go mgc.go). Whoever finds the heap at its trigger stops the
 * world and begins; the collector's threads mark beside the program, and threads that allocate meanwhile pay their
 * share; who finds no work left anywhere stops the world again and ends the cycle.
 */
#include "gc/gc.h"
#include "gc/limiter.c"
#include "gc/roots.c"
#include "gc/settings.c"
#include "gc/world.c"
#include "gc/outside.c"
#include "gc/meter.c"

#include <sched.h>

enum { CYCLE_MAX_WORKERS = 64, CYCLE_SLICE = 64 << 10, CYCLE_FINISH_BUDGET = 256 << 10 };

static struct {
    struct lock lock;       /* held by whoever begins or ends a cycle */
    struct lock sweep_lock; /* held by a background sweeper at work: fork waits for it */
    uint32_t phase;         /* atomic, enum gc_phase; changes while the world is stopped */
    uint32_t cycles;        /* atomic: ended */
    uint32_t ending;        /* atomic: marking threads take no new work */
    uint32_t marking;       /* atomic: threads that are marking now */
    uint32_t wake;          /* atomic: changes when the collector's threads have something to do */
    uint32_t active;        /* of these, how many mark in this cycle */
    uint32_t workers_made;
    uint32_t forking; /* atomic: threads that are about to fork, and are to be let by between two steps */
    bool forced; /* the cycle: begun because the program asked for one, whoever ends it */
    struct gc_thread *workers[CYCLE_MAX_WORKERS];
    uint64_t trigger_bytes;                 /* atomic */
    uint64_t next_goal_bytes;               /* atomic: of the cycle that has yet to begin */
    int64_t credit;                         /* atomic: marking done by the collector's threads that assists may use */
    int64_t black_bytes;                    /* atomic: born marked in this cycle */
    uint64_t departed_bytes, departed_work; /* of threads that left during it */
    uint64_t slow_allocations;              /* atomic; GOALLOC_GCSTRESS */
    struct pacer pacer;
    struct limiter limiter;
    uint64_t scan_bytes;       /* of the heap when the cycle began, as far as it may hold pointers */
    uint64_t stack_scan_bytes; /* of the stacks, in this cycle */
    uint64_t work_bytes;       /* atomic: scanned in the heap so far */
    uint64_t goal_bytes;       /* atomic */
    /* Of the cycle, and of all. A stop begins when it is asked for; all stand still a while later. */
    uint64_t ready_ns, begun_ns, mark_begun_ns, stop_begin_ns, stop_end_ns, last_end_ns, pause_total_ns;
    uint64_t mark_begun_cpu_ns;    /* atomic: of the process */
    uint64_t assist_ns, worker_ns; /* atomic: CPU */
    uint64_t cpu_total_ns;         /* of the collector; while the world stands still, of all processors */
    uint64_t rescanned_bytes;
    uint64_t live_at_start_bytes, live_at_end_bytes, marked_bytes;
} gc = {.trigger_bytes = UINT64_MAX};

static uint64_t gc_live(void) {
    return __atomic_load_n(&gc_account.live_bytes, __ATOMIC_RELAXED);
}

static bool gc_is_marking(void) {
    return __atomic_load_n(&gc.phase, __ATOMIC_ACQUIRE) == GC_MARK;
}

static struct pacer_memory gc_memory(void) {
    /* As of about now: the collector's threads and those that do not take part may be sweeping and growing. */
    uint64_t in_use = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
    lock_acquire(&heap.lock);
    uint64_t backed = in_use + heap.pages.free_pages - heap.pages.scavenged_free_pages;
    lock_release(&heap.lock);
    struct pacer_memory m = {.mapped_bytes = (backed << GOALLOC_PAGE_SHIFT) + meta_committed_bytes(),
                             .heap_free_bytes = (backed - in_use) << GOALLOC_PAGE_SHIFT,
                             .heap_alloc_bytes = gc_live()};
    /* What is dead and not swept is heap that is in use, for Go as well (mgcpacer.go:994: totalFree is what sweeping
     * has found); it is no overhead beside the heap. */
    if (!sweep_done() || m.heap_alloc_bytes > in_use << GOALLOC_PAGE_SHIFT)
        m.heap_alloc_bytes = in_use << GOALLOC_PAGE_SHIFT;
    return m;
}

static uint64_t gc_goal_of(const struct pacer *pacer) {
    struct pacer_memory memory = {0};
    uint64_t least;
    if (pacer->memory_limit_bytes != UINT64_MAX)
        memory = gc_memory();
    return pacer_goal(pacer, &memory, &least);
}

static uint64_t gc_goal(void) {
    return gc_goal_of(&gc.pacer);
}

/* As Go would set it: what GOALLOC_SPEND adds is for memory that the heap has, not a reason to keep it. */
static uint64_t gc_unspent_goal(void) {
    struct pacer unspent = gc.pacer;
    unspent.percent_goal_bytes = gc.pacer.unspent_goal_bytes;
    return gc_goal_of(&unspent);
}

/* All that counts as work of this cycle, stacks and globals included. */
static uint64_t gc_work(void) {
    return __atomic_load_n(&gc.work_bytes, __ATOMIC_RELAXED) + gc.stack_scan_bytes + gc.pacer.globals_scan_bytes;
}

/* What a byte allocated from now on costs, by how far marking and the heap have come (Go mgcpacer.go:492). Without a
 * memory limit the goal stays what it was. */
static void gc_revise(void) {
    if (gc.pacer.memory_limit_bytes != UINT64_MAX) {
        struct pacer_memory memory = gc_memory();
        uint64_t least;
        __atomic_store_n(&gc.goal_bytes, pacer_goal(&gc.pacer, &memory, &least), __ATOMIC_RELAXED);
        __atomic_store_n(&gc.pacer.limit_goal_bytes, pacer_limit_goal(&gc.pacer, &memory), __ATOMIC_RELAXED);
    }
    pacer_revise(&gc.pacer, gc_live(), gc.scan_bytes, gc_work(), gc.stack_scan_bytes,
                 __atomic_load_n(&gc.goal_bytes, __ATOMIC_RELAXED));
}

/* ---- hooks of the allocation paths */

/* Credit is marking done, and buys what that is worth now. While little work was in sight, one assist may have bought a
 * gigabyte; Go leaves it at that (mgcmark.go:536). */
static void gc_reprice(struct gc_thread *t) {
    double price = pacer_assist_ratio(&gc.pacer);
    if (t->assist_bytes <= 0 || t->assist_price == 0 || price <= t->assist_price)
        return;
    t->assist_bytes = (int64_t)((double)t->assist_bytes * (t->assist_price / price));
    t->assist_price = price;
}

static void gc_earn(struct gc_thread *t, uint64_t work, double price) {
    t->assist_bytes += 1 + (int64_t)((double)work / price);
    t->assist_price = price;
}

static void gc_set_trigger(struct pacer_memory memory);

/* A run keeps its pages for one live object, and its room until it is empty or swept again: what a memory limit leaves
 * for live objects changes with each run, so it is asked for at each, as Go does. In spans of slots it is as good as
 * settled when all is swept. */
static inline bool gc_is_due(void) {
    if (!PLACE_SLOTS && gc.pacer.memory_limit_bytes != UINT64_MAX)
        gc_set_trigger(gc_memory());
    return gc_live() >= __atomic_load_n(&gc.trigger_bytes, __ATOMIC_RELAXED);
}

static inline void gc_charge(struct cache *c, size_t size_bytes) {
    if (GOALLOC_UNLIKELY(gc_settings.stress_every != 0) &&
        __atomic_add_fetch(&gc.slow_allocations, 1, __ATOMIC_RELAXED) % gc_settings.stress_every == 0)
        cache_want_gc(c);
    if (goalloc_marking) {
        gc_revise();
        gc_reprice(gc_self);
        gc_self->assist_bytes -= (int64_t)size_bytes;
        if (gc_self->assist_bytes < 0)
            cache_want_gc(c);
    } else if (gc_is_due()) {
        cache_want_gc(c);
    }
}

/* Out of line, so that the rest of gc_publish is not. */
__attribute__((noinline)) static void gc_bear_black(struct span *s, uintptr_t address) {
    unsigned slot = mark_slot_of(s, address);
    marker_take_run(s, slot, 1);
    mark_page(s);
    __atomic_fetch_add(&gc.black_bytes, (int64_t)object_slot_bytes(s, slot), __ATOMIC_RELAXED);
}

static inline void gc_publish(struct span *s, uintptr_t address) {
    if (GOALLOC_UNLIKELY(goalloc_marking))
        gc_bear_black(s, address);
    else /* release: who finds the object by it finds its contents and its pointer metadata */
        __atomic_store_n(&s->free_index_for_scan, s->freeindex, __ATOMIC_RELEASE);
}

static inline void gc_run_taken(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes) {
    if (GOALLOC_LIKELY(!goalloc_marking))
        return;
    unsigned together = stride == 1 ? count : 1;
    for (unsigned i = 0; i < count; i += together)
        marker_take_run(s, first + i * stride, together);
    mark_page(s);
    __atomic_fetch_add(&gc.black_bytes, (int64_t)(count * object_bytes), __ATOMIC_RELAXED);
}

static inline void gc_run_returned(struct span *s, unsigned first, unsigned count, unsigned stride, size_t object_bytes) {
    if (GOALLOC_LIKELY(!goalloc_marking))
        return;
    unsigned together = stride == 1 ? count : 1;
    for (unsigned i = 0; i < count; i += together)
        marker_return_run(s, first + i * stride, together);
    __atomic_fetch_sub(&gc.black_bytes, (int64_t)(count * object_bytes), __ATOMIC_RELAXED);
}

/* GODEBUG=clobberfree=1: what dies is overwritten, so that its use shows (Go mgcsweep.go:607). */
static void gc_clobber(const struct span *s) {
    enum { DEAD_WORD = 0x6a6a6a6a };
    for (unsigned slot = 0; slot < s->nelems; slot++) {
        bool live = (place_mark_bits(s)[slot / 64] >> slot % 64 & 1) != 0;
        if (live || (s->elem_bytes != 0 && place_slot_free(s, slot)))
            continue;
        memset((void *)object_slot_address(s, slot), DEAD_WORD & 0xff, object_slot_bytes(s, slot));
    }
}

static inline void gc_merge_marks(struct span *s) {
    marker_merge(s);
    if (GOALLOC_UNLIKELY(gc_settings.clobber))
        gc_clobber(s);
}

/* s may be changing hands: any address will do. */
static inline void gc_prefetch_marks(const struct span *s) {
    if (!OS_THREAD_SANITIZER)
        marker_prefetch_marks(s);
}

static void gc_note_store(struct cache *c, void *old, void *value) {
    (void)c;
    struct gc_work *w = &gc_self->work;
    if (!goalloc_marking)
        return; /* the world was stopped in between */
    if (w->barrier_count + 2 > GC_BARRIER_ENTRIES)
        mark_barrier_flush(w);
    w->barrier[w->barrier_count++] = (uintptr_t)old;
    if (!heap.tuned) /* Go's hybrid barrier shades both; the snapshot needs the old value only */
        w->barrier[w->barrier_count++] = (uintptr_t)value;
}

/* ---- roots */

/* The world is stopped: stacks from where their threads stopped, registered slots, tiny blocks in use. */
static uint64_t gc_mark_roots(struct gc_work *w) {
    uint64_t stack_bytes = 0;
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        stack_bytes += stacks_mark_thread(w, t, world.epoch);
        mark_address(w, t->cache->tiny);
    }
    stack_bytes += stacks_mark_suspended(w, world.epoch);
    uint64_t global_bytes = 0;
    for (const struct gc_root *root = roots.head; root != NULL; root = root->next) {
        for (size_t i = 0; i < root->count; i++)
            mark_word(w, (uintptr_t)&root->slots[i]);
        global_bytes += root->count * sizeof root->slots[0];
    }
    gc.pacer.globals_scan_bytes = global_bytes;
    return stack_bytes;
}

/* ---- beginning: the world is stopped */

static void gc_close_windows(void) {
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        mcache_settle_all(t->cache);
}

static void gc_clear_page_marks(void) {
    for (size_t i = 0; i < heap.arenas.count; i++)
        memset(heap.arenas.all[i]->page_marks, 0, sizeof heap.arenas.all[i]->page_marks);
}

static void gc_reset_work(struct gc_thread *t) {
    struct gc_work *w = &t->work;
    w->bytes_marked = w->scan_work = w->objects_scanned = w->spans_scanned = w->single_scans = w->span_objects = 0;
    t->assist_bytes = 0;
    t->assist_price = 0;
}

/* How many of the collector's own threads mark: Go's dedicated ones, or as many as leave no processor idle. */
static uint32_t gc_choose_workers(void) {
    uint32_t running = 0;
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        running++;
    double fractional;
    uint32_t n = pacer_dedicated(gc_settings.procs, &fractional);
    if (gc_settings.procs > running && gc_settings.procs - running > n)
        n = gc_settings.procs - running;
    n += n == 0;
    return n < CYCLE_MAX_WORKERS ? n : CYCLE_MAX_WORKERS;
}

/* ---- the limiter's clock runs with the CPU that the process gets, as if all processors were equally busy. Go's is the
 * wall's, less what processors were idle; on a host that others load it would take their time for the program's. */

static uint32_t gc_cycle_number(void) {
    return __atomic_load_n(&gc.cycles, __ATOMIC_RELAXED) + 1;
}

static int64_t gc_limit_now(void) {
    return (int64_t)(os_process_cpu_ns() / gc_settings.procs);
}

/* The caller cannot be stopped. */
static void gc_limit(void) {
    int64_t now_ns = gc_limit_now();
    if (!gc_settings.deterministic && limiter_is_due(&gc.limiter, now_ns))
        limiter_update(&gc.limiter, now_ns, gc_cycle_number());
}

#include "gc/scavenger.c"

/* asked_ns: when the stop was asked for. */
static void gc_begin_marking(struct gc_thread *self, bool forced, uint64_t asked_ns) {
    gc.forced = forced;
    gc.begun_ns = asked_ns;
    uint64_t stopped_ns = os_now_ns();
    gc_close_windows();
    sweep_finish(self->cache);
    gc_clear_page_marks();
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        gc_reset_work(t);
    for (uint32_t i = 0; i < gc.workers_made; i++)
        gc_reset_work(gc.workers[i]);
    /* The collector's threads are not stopped, and may be late to count. */
    __atomic_store_n(&gc.black_bytes, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&gc.credit, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&gc.worker_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&gc.assist_ns, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&gc.work_bytes, 0, __ATOMIC_RELAXED);
    gc.departed_bytes = gc.departed_work = gc.rescanned_bytes = 0;
    gc.live_at_start_bytes = gc_live();
    gc.scan_bytes = __atomic_load_n(&gc_account.scan_bytes, __ATOMIC_RELAXED);
    pacer_begin(&gc.pacer, gc.live_at_start_bytes);
    gc.goal_bytes = gc_goal();
    limiter_stop(&gc.limiter, true, gc_limit_now(), gc_cycle_number());
    __atomic_store_n(&gc.phase, GC_MARK, __ATOMIC_RELEASE);
    __atomic_store_n(&goalloc_marking, heap.tuned ? GOALLOC_SHADES_OLD : GOALLOC_SHADES_BOTH, __ATOMIC_RELEASE);
    __atomic_store_n(&gc.active, gc_choose_workers(), __ATOMIC_RELAXED);
    gc.stack_scan_bytes = gc_mark_roots(&self->work);
    gc_revise();
    mark_flush(&self->work);
    gc.mark_begun_ns = os_now_ns();
    /* Atomic, as a late one of the collector's threads may be marking already. */
    __atomic_store_n(&gc.mark_begun_cpu_ns, os_process_cpu_ns(), __ATOMIC_RELAXED);
    gc.stop_begin_ns = gc.mark_begun_ns - gc.begun_ns;
    gc.cpu_total_ns += (gc.mark_begun_ns - stopped_ns) * gc_settings.procs;
    limiter_start(&gc.limiter, gc_limit_now(), gc_cycle_number());
}

/* ---- ending: the world is stopped */

static void gc_sum(uint64_t *marked, uint64_t *work) {
    *marked = gc.departed_bytes + (uint64_t)gc.black_bytes;
    *work = gc.departed_work;
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        *marked += t->work.bytes_marked;
        *work += t->work.scan_work;
    }
    for (uint32_t i = 0; i < gc.workers_made; i++) {
        *marked += gc.workers[i]->work.bytes_marked;
        *work += gc.workers[i]->work.scan_work;
    }
}

static void gc_set_trigger(struct pacer_memory memory) {
    uint64_t least;
    __atomic_store_n(&gc.next_goal_bytes, pacer_goal(&gc.pacer, &memory, &least), __ATOMIC_RELAXED);
    __atomic_store_n(&gc.trigger_bytes, pacer_trigger(&gc.pacer, &memory), __ATOMIC_RELAXED);
}

/* The goal of a memory limit goes with what else is in memory: it was set before sweeping showed how much that is. Go
 * asks anew at each refill. */
static void gc_settle_trigger(void) {
    if (pthread_mutex_trylock(&gc.lock.mutex) != 0)
        return; /* a cycle begins or ends, and sets it */
    if (!gc_is_marking() && gc.pacer.memory_limit_bytes != UINT64_MAX)
        gc_set_trigger(gc_memory());
    lock_release(&gc.lock);
}

static void gc_set_goals(bool swept) {
    if (gc.pacer.percent != gc_settings.percent)
        gc.pacer.earned_bytes = 0; /* asked for under another rule */
    gc.pacer.percent = gc_settings.percent;
    gc.pacer.early = gc_settings.early;
    gc.pacer.spend = gc_settings.spend;
    gc.pacer.memory_limit_bytes = gc_settings.memory_limit_bytes;
    struct pacer_memory memory = gc_memory();
    gc.pacer.backed_bytes = memory.mapped_bytes - meta_committed_bytes();
    pacer_commit(&gc.pacer, swept, gc_live());
    gc_statistics.next_gc_bytes = gc_goal();
    gc_statistics.percent = (uint64_t)gc.pacer.percent;
    scavenger_set_goals(gc_unspent_goal());
    gc_set_trigger(memory);
}

/* The scavenger has given memory back: what the heap may spend of it before it is collected falls with it. */
static void gc_spend_less(void) {
    if (!gc_settings.spend || pthread_mutex_trylock(&gc.lock.mutex) != 0)
        return; /* a cycle begins or ends, and sets it */
    uint64_t goal_bytes = heap_retained_bytes();
    if (goal_bytes < gc.pacer.unspent_goal_bytes)
        goal_bytes = gc.pacer.unspent_goal_bytes;
    if (!gc_is_marking() && goal_bytes < gc.pacer.percent_goal_bytes) {
        gc.pacer.percent_goal_bytes = goal_bytes;
        gc_set_trigger(gc_memory());
    }
    lock_release(&gc.lock);
}

/* Of what allocation and marking cost each other. What the collector's threads took beyond their share, they took of
 * processors that were idle. */
static void gc_end_pacing(uint64_t asked_ns) {
    double all_ns = (double)(int64_t)(asked_ns - gc.mark_begun_ns) * gc_settings.procs;
    if (gc_settings.deterministic || all_ns <= 0)
        return;
    double assists = (double)__atomic_load_n(&gc.assist_ns, __ATOMIC_RELAXED) / all_ns;
    double idle = (double)__atomic_load_n(&gc.worker_ns, __ATOMIC_RELAXED) / all_ns - pacer_background;
    pacer_end(&gc.pacer, gc.live_at_end_bytes, gc_work(), assists, idle > 0 ? idle : 0);
}

/* How large the heap may be when all is swept. What a limit leaves beside runs is known only then. */
static uint64_t gc_swept_by(void) {
    enum { SOON_BYTES = 2 << 20 };
    uint64_t soon_bytes = gc_live() + SOON_BYTES;
    bool soon = !PLACE_SLOTS && gc.pacer.memory_limit_bytes != UINT64_MAX && soon_bytes < gc.trigger_bytes;
    return soon ? soon_bytes : gc.trigger_bytes;
}

/* GODEBUG=gcstoptheworld=2. */
static void gc_sweep_stopped(struct cache *c) {
    uint64_t begun_cpu_ns = os_thread_cpu_ns();
    c->sweep_clocked = true;
    while (sweep_one(c) != SWEEP_NONE)
        continue;
    c->sweep_clocked = false;
    meter_spent_stopped(&meter.sums.sweep_cpu_ns, begun_cpu_ns);
}

static void gc_sum_scanned(void) {
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        meter_scanned(&t->work);
    for (uint32_t i = 0; i < gc.workers_made; i++)
        meter_scanned(&gc.workers[i]->work);
    meter_add(&meter.sums.marked_bytes, gc.marked_bytes);
}

static void gc_to_sweeping(struct gc_thread *self, uint64_t asked_ns) {
    uint64_t work_bytes;
    gc_sum(&gc.marked_bytes, &work_bytes);
    gc_sum_scanned();
    gc.live_at_end_bytes = gc_live();
    __atomic_store_n(&gc.work_bytes, work_bytes, __ATOMIC_RELAXED);
    gc_end_pacing(asked_ns);
    gc.goal_bytes = gc_goal();
    scavenger.last_goal_bytes = gc_unspent_goal();
    scavenger.last_in_use_bytes = heap.pages_in_use << GOALLOC_PAGE_SHIFT;
    gc.pacer.triggered_bytes = UINT64_MAX;
    gc.pacer.last_stack_scan_bytes = gc.stack_scan_bytes;
    gc.pacer.live_bytes = gc.marked_bytes;
    gc.pacer.born_bytes = (uint64_t)gc.black_bytes;
    gc.pacer.start_bytes = gc.live_at_start_bytes;
    gc.pacer.last_heap_scan_bytes = work_bytes;
    __atomic_store_n(&gc.phase, GC_OFF, __ATOMIC_RELEASE);
    __atomic_store_n(&goalloc_marking, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&gc_account.live_bytes, gc.marked_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&gc_account.scan_bytes, work_bytes, __ATOMIC_RELAXED);
    sweep_begin();
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        t->cache->scan_alloc_bytes = 0; /* born in the cycle or scanned by it (Go mgc.go:1694) */
        mcache_prepare_for_sweep(t->cache);
    }
    if (gc_settings.stop_the_world == 2)
        gc_sweep_stopped(self->cache);
    gc_set_goals(sweep_done());
    lock_acquire(&heap.lock);
    page_next_generation(&heap.pages);
    lock_release(&heap.lock);
    sweep_pace(gc_swept_by());
    if (gc_settings.deterministic && sweep_done())
        scavenger_run_inline(); /* swept before there were goals */
}

/* Everything is traversed again; what is found unmarked ends the process. */
static void gc_check_marks(struct gc_thread *self) {
    for (size_t i = 0; i < heap.arenas.count; i++)
        if (heap.arenas.all[i]->checkmarks != NULL)
            os_release(heap.arenas.all[i]->checkmarks, ARENA_BYTES / 64);
    struct gc_work before = self->work;
    mark_checking = 1;
    gc_mark_roots(&self->work);
    mark_drain(&self->work, UINT64_MAX);
    mark_checking = 0;
    self->work.scan_work = before.scan_work;
    self->work.objects_scanned = before.objects_scanned;
}

/* False: more was found than a pause has room for; marking goes on. */
static bool gc_end_marking(struct gc_thread *self, uint64_t asked_ns) {
    uint64_t stopped_ns = os_now_ns(), marked_before, marked, work;
    gc_close_windows();
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        mark_barrier_flush(&t->work);
        mark_flush(&t->work);
    }
    gc_sum(&marked_before, &work);
    gc_mark_roots(&self->work);
    gc_sum(&marked, &work);
    gc.rescanned_bytes += marked - marked_before;
    meter_add(&meter.sums.rescan_greyed_bytes, marked - marked_before);
    mark_drain(&self->work, CYCLE_FINISH_BUDGET);
    mark_flush(&self->work);
    if (mark_work_left()) {
        meter_add(&meter.sums.rescans, 1);
        return false;
    }
    if (gc_settings.checkmark)
        gc_check_marks(self);
    limiter_stop(&gc.limiter, false, gc_limit_now(), gc_cycle_number());
    gc_to_sweeping(self, asked_ns);
    __atomic_store_n(&gc.last_end_ns, os_now_ns(), __ATOMIC_RELAXED); /* gc_overdue_in_ns reads it */
    gc.stop_end_ns = gc.last_end_ns - asked_ns;
    gc.cpu_total_ns += (gc.last_end_ns - stopped_ns) * gc_settings.procs;
    /* What one of the collector's threads has yet to count is lost. */
    gc.cpu_total_ns += __atomic_load_n(&gc.assist_ns, __ATOMIC_RELAXED);
    gc.cpu_total_ns += __atomic_load_n(&gc.worker_ns, __ATOMIC_RELAXED);
    limiter_start(&gc.limiter, gc_limit_now(), gc_cycle_number());
    gc.pause_total_ns += gc.stop_begin_ns + gc.stop_end_ns;
    gc_statistics.pause_total_ns = gc.pause_total_ns;
    gc_statistics.last_gc_ns = os_clock_ns(CLOCK_REALTIME);
    gc_statistics.num_gc++;
    gc_statistics.num_forced_gc += gc.forced;
    gc_statistics.live_bytes = gc.pacer.live_bytes;
    gc_statistics.stack_scan_bytes = gc.pacer.last_stack_scan_bytes;
    gc_statistics.globals_scan_bytes = gc.pacer.globals_scan_bytes;
    gc_statistics.limited_cycle = gc.limiter.limited_cycle;
    meter_add(&meter.sums.cycles, 1);
    meter_add(&meter.sums.forced_cycles, gc.forced);
    return true;
}

static void gc_trace(void);

/* Cycle lock held, world running again. */
static void gc_announce_end(void) {
    struct goalloc_gc_cycle cycle = {.begun_ns = gc.begun_ns,
                                     .ended_ns = gc.last_end_ns,
                                     .goal_bytes = gc.goal_bytes,
                                     .live_at_start_bytes = gc.live_at_start_bytes,
                                     .peak_live_bytes = gc.live_at_end_bytes,
                                     .next_goal_bytes = gc_statistics.next_gc_bytes};
    meter_log_cycle(&cycle);
    if (gc_settings.trace)
        gc_trace();
    __atomic_fetch_add(&gc.cycles, 1, __ATOMIC_RELEASE);
    os_wake_all(&gc.cycles);
    __atomic_fetch_add(&gc.wake, 1, __ATOMIC_RELEASE);
    os_wake_all(&gc.wake);
}

/* Ends the cycle if nothing is left to mark and nobody is at it. self: the caller's record, its stack scanned from its
 * stop_sp if it takes part. */
static void gc_try_end(struct gc_thread *self) {
    if (mark_work_left() || __atomic_load_n(&gc.marking, __ATOMIC_SEQ_CST) != 0)
        return;
    if (pthread_mutex_trylock(&gc.lock.mutex) != 0)
        return;
    __atomic_store_n(&gc.ending, 1, __ATOMIC_SEQ_CST);
    bool ended = false;
    if (gc_is_marking() && __atomic_load_n(&gc.marking, __ATOMIC_SEQ_CST) == 0 && !mark_work_left()) {
        uint64_t asked_ns = os_now_ns();
        world_stop(self);
        meter_begin_pause();
        ended = gc_end_marking(self, asked_ns);
        __atomic_store_n(&gc.ending, 0, __ATOMIC_SEQ_CST);
        meter_log_pause(world_start());
        mark_tell();
    }
    __atomic_store_n(&gc.ending, 0, __ATOMIC_SEQ_CST);
    if (ended)
        gc_announce_end();
    lock_release(&gc.lock);
}

/* ---- marking beside the program */

/* Somebody waits for this thread to stop, or for all marking to. */
static bool gc_mark_should_leave(const struct gc_thread *self) {
    return __atomic_load_n(&gc.ending, __ATOMIC_RELAXED) != 0 || cache_is_asked(self->cache);
}

/* What was done; 0 as well while a cycle is being ended. */
static uint64_t gc_mark_slice(struct gc_thread *self, uint64_t budget) {
    enum { PART_BYTES = 32 << 10 }; /* some 25 us */
    struct gc_work *w = &self->work;
    __atomic_fetch_add(&gc.marking, 1, __ATOMIC_SEQ_CST);
    uint64_t done = 0;
    if (__atomic_load_n(&gc.ending, __ATOMIC_SEQ_CST) == 0 && gc_is_marking()) {
        uint64_t part = PART_BYTES;
        while (part >= PART_BYTES && done < budget && !gc_mark_should_leave(self)) {
            part = mark_drain(w, budget - done < PART_BYTES ? budget - done : PART_BYTES);
            done += part;
        }
        mark_flush(w);
        __atomic_fetch_add(&gc.work_bytes, done, __ATOMIC_RELAXED);
        gc_limit();
    }
    __atomic_fetch_sub(&gc.marking, 1, __ATOMIC_SEQ_CST);
    return done;
}

#include "gc/workers.c"

/* ---- what allocating threads do */

static bool gc_fork_waits(void) {
    return __atomic_load_n(&gc.forking, __ATOMIC_RELAXED) != 0;
}

/* Until everything is swept, or a fork waits. Another cycle may have ended while others were waited for: its spans are
 * left to nobody else where the collector has no threads. */
static void gc_sweep_all(struct cache *c) {
    if (sweep_done())
        return;
    uint64_t begun_cpu_ns = os_thread_cpu_ns();
    while (!sweep_done()) {
        cache_hold(c);
        c->sweep_clocked = true;
        while (!gc_fork_waits() && sweep_one(c) != SWEEP_NONE)
            sweep_let_stop(c);
        c->sweep_clocked = false;
        cache_unhold(c);
        if (!sweep_done())
            sched_yield();
        if (gc_fork_waits())
            break;
    }
    meter_spent(&meter.sums.sweep_cpu_ns, begun_cpu_ns);
}

/* The whole cycle in one stop. */
static void gc_collect_stopped(struct gc_thread *self) {
    uint64_t begun_ns = os_now_ns();
    limiter_stop(&gc.limiter, true, gc_limit_now(), gc_cycle_number());
    mark_shared = 0;
    uint64_t begun_cpu_ns = os_thread_cpu_ns();
    mark_drain(&self->work, UINT64_MAX);
    meter_spent_stopped(&meter.sums.mark_cpu_ns, begun_cpu_ns);
    uint64_t ended_ns = os_now_ns();
    gc.cpu_total_ns += (ended_ns - begun_ns) * gc_settings.procs;
    limiter_start(&gc.limiter, gc_limit_now(), gc_cycle_number());
    if (!gc_end_marking(self, ended_ns))
        os_die("marking with the world stopped left work behind");
    mark_shared = 1;
}

/* How long until a cycle is begun though nothing is allocated, so that a program at rest gets rid of its garbage, and
 * what is freed goes back (Go proc.go:6229). 0: now. Not before the first, nor where collecting is off. */
static uint64_t gc_overdue_in_ns(void) {
    uint64_t last_ns = __atomic_load_n(&gc.last_end_ns, __ATOMIC_RELAXED), now_ns = os_now_ns();
    uint64_t due_ns = last_ns + __atomic_load_n(&gc_settings.period_ns, __ATOMIC_RELAXED);
    int64_t percent = __atomic_load_n(&gc_settings.percent, __ATOMIC_RELAXED);
    if (last_ns == 0 || percent < 0 || gc_settings.deterministic)
        return UINT64_MAX;
    return now_ns >= due_ns ? 0 : due_ns - now_ns;
}

static uint32_t gc_cycles(void) {
    return __atomic_load_n(&gc.cycles, __ATOMIC_ACQUIRE);
}

/* Somebody else holds the cycle's lock, and may wait for a processor: whoever went on allocating would decide how far
 * the heap outgrows its goal. Faithful builds wait at the trigger, as Go's do (mgc.go:686). */
static bool gc_may_go_on(bool forced) {
    return !forced && gc_settings.stop_the_world == 0 && heap.tuned &&
           gc_live() < __atomic_load_n(&gc.next_goal_bytes, __ATOMIC_RELAXED);
}

/* Begins a cycle, or does all of it, unless somebody else has since the caller saw `ended` cycles: one that stops
 * marking is counted only once the world runs again. Registers are spilled. */
__attribute__((noinline)) static void gc_begin_spilled(struct gc_thread *self, bool forced, uint32_t ended) {
    if (pthread_mutex_trylock(&gc.lock.mutex) != 0) {
        if (gc_may_go_on(forced))
            return;
        world_lock(&gc.lock);
    }
    if (gc_is_marking() || gc_cycles() != ended ||
        (!forced && gc_live() < gc.trigger_bytes && gc_settings.stress_every == 0 && gc_overdue_in_ns() != 0)) {
        lock_release(&gc.lock);
        return;
    }
    gc_sweep_all(self->cache);
    if (!sweep_done() || gc_fork_waits()) { /* whoever wanted the cycle comes again */
        lock_release(&gc.lock);
        return;
    }
    bool stopped = gc_settings.stop_the_world != 0;
    uint64_t asked_ns = os_now_ns();
    world_stop(self);
    meter_begin_pause();
    if (self->own.top != 0) /* none of the collector's own, whose stack is not scanned */
        stacks_must_locate(self, (uintptr_t)__builtin_frame_address(0));
    gc_begin_marking(self, forced, asked_ns);
    if (stopped)
        gc_collect_stopped(self);
    meter_log_pause(world_start());
    scavenger_make();
    if (stopped) {
        gc_announce_end();
    } else {
        gc_make_workers(gc.active);
        __atomic_fetch_add(&gc.wake, 1, __ATOMIC_RELEASE);
        os_wake_all(&gc.wake);
    }
    lock_release(&gc.lock);
}

__attribute__((noinline)) static void gc_begin(struct gc_thread *self, bool forced, uint32_t ended) {
    __builtin_unwind_init();
    gc_begin_spilled(self, forced, ended);
    world_keep_frame();
}

__attribute__((noinline)) static void gc_end_spilled(struct gc_thread *self) {
    stacks_must_locate(self, (uintptr_t)__builtin_frame_address(0));
    gc_try_end(self);
}

__attribute__((noinline)) static void gc_end(struct gc_thread *self) {
    __builtin_unwind_init();
    gc_end_spilled(self);
    world_keep_frame();
}

#include "gc/assist.c"
#include "gc/ahead.c"

static void gc_poll(struct cache *c) {
    __atomic_fetch_and(&c->front.stop, ~(uint32_t)CACHE_WANTS_GC, __ATOMIC_RELAXED);
    if (c->wants_memory) {
        c->wants_memory = false;
        gc_back_ahead(gc_self);
    }
    if (gc_is_marking())
        gc_assist(gc_self);
    else
        gc_begin(gc_self, false, gc_cycles());
}

/* The count of cycles once one has ended that has not begun yet. */
static uint32_t gc_next_whole_cycle(void) {
    world_lock(&gc.lock); /* whoever holds it is between stopping a cycle's marking and counting it, or before that */
    uint32_t next = gc_cycles() + (gc_is_marking() ? 2 : 1);
    lock_release(&gc.lock);
    return next;
}

/* One thread's part in ending the cycle that runs, as far as it can. */
static void gc_help(struct gc_thread *self) {
    uint64_t begun_ns = os_thread_cpu_ns();
    cache_hold(self->cache);
    uint64_t done = gc_mark_slice(self, CYCLE_SLICE * 16);
    cache_unhold(self->cache);
    __atomic_fetch_add(&gc.worker_ns, meter_spent(&meter.sums.mark_cpu_ns, begun_ns), __ATOMIC_RELAXED);
    if (done != 0)
        return;
    gc_end(self);
    if (gc_is_marking())
        gc_wait_for_work(self);
}

void goalloc_collect(void) {
    struct cache *c = cache_attach();
    if (c == NULL)
        return;
    for (uint32_t ended = gc_cycles(), target = gc_next_whole_cycle(); (int32_t)(ended - target) < 0;
         ended = gc_cycles()) {
        if (!gc_is_marking()) {
            gc_begin(gc_self, true, ended);
            continue;
        }
        gc_help(gc_self);
    }
    while (!sweep_done())
        gc_sweep_all(c);
}

#include "gc/others.c"

static void gc_init(void) {
    settings_read();
    meter_init();
    marker_init();
    world_init();
    gc.pacer.triggered_bytes = UINT64_MAX;
    gc.ready_ns = os_now_ns();
    limiter_resize(&gc.limiter, gc_settings.procs, gc_limit_now(), 0);
    if (!gc_settings.deterministic)
        heap.held_back = &gc.limiter.limiting;
    gc_set_goals(true);
}

#include "gc/trace.c"
