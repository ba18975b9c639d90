/* SPDX-License-Identifier: MIT
 *
 * scavenger: the thread that gives free memory back beside the program, down to goals that each collection sets (Go
 * mgcscavenge.go); what allocating threads give back at once is alloc/heap.c's. Included by cycle.c.
 *
 * The thread is made at the first cycle, sleeps by what scavpace.c says, and is woken when a sweep has ended. It is not
 * stopped with the world: what it has in hand is behind heap.release_lock. A deterministic process has no such thread:
 * who ends a sweep gives back, at once, all that lies above the goals.
 */
#include "gc/gc.h"
#include "gc/scavpace.c"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static struct {
    struct scavpace pace;
    uint32_t wake;         /* atomic: changes when there may be work */
    uint32_t was_reset;    /* atomic: the controller, since the last trace line */
    bool made;             /* atomic: the thread; changes under the cycle's lock */
    uint64_t limit_bytes;  /* atomic: the scavenger's goal for all memory; UINT64_MAX: none */
    uint64_t released_bytes; /* atomic: in the background, since the last trace line */
    uint64_t last_goal_bytes, last_in_use_bytes; /* while the last cycle ran, and when its marking ended; 0: none ran */
} scavenger = {.limit_bytes = UINT64_MAX};

static bool scavenger_should_stop(void *context) {
    (void)context;
    return heap_retained_bytes() <= __atomic_load_n(&heap.retain_bytes, __ATOMIC_RELAXED) &&
           heap_mapped_bytes() <= __atomic_load_n(&scavenger.limit_bytes, __ATOMIC_RELAXED);
}

/* What it takes is counted in CPU: on a host that others load, the wall's clock would have it rest for their sake. */
static size_t scavenger_release(void *context, size_t want_bytes, int64_t *took_ns) {
    (void)context;
    uint64_t begun_ns = os_thread_cpu_ns();
    size_t released_bytes = heap_release(want_bytes, false, false);
    *took_ns = (int64_t)(os_thread_cpu_ns() - begun_ns);
    __atomic_fetch_add(&scavenger.released_bytes, released_bytes, __ATOMIC_RELAXED);
    return released_bytes;
}

static const struct scavpace_work scavenger_work = {scavenger_should_stop, scavenger_release, NULL};

static void gc_spend_less(void);

/* GODEBUG=scavtrace=1, in Go's format (mgcscavenge.go:697). */
static void scavenger_trace(uint64_t background_bytes, uint64_t eager_bytes, bool forced) {
    uint64_t in_use_bytes = (uint64_t)__atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED) << GOALLOC_PAGE_SHIFT;
    lock_acquire(&heap.lock);
    uint64_t retained_bytes = heap_retained_bytes(), given_bytes = heap.grown_bytes - retained_bytes;
    lock_release(&heap.lock);
    bool reset = !forced && __atomic_exchange_n(&scavenger.was_reset, 0, __ATOMIC_RELAXED) != 0;
    char line[256];
    int length =
        snprintf(line, sizeof line, "scav %llu KiB work (bg), %llu KiB work (eager), %llu KiB now, %llu%% util%s\n",
                 (unsigned long long)(background_bytes >> 10), (unsigned long long)(eager_bytes >> 10),
                 (unsigned long long)(given_bytes >> 10),
                 (unsigned long long)(retained_bytes == 0 ? 0 : in_use_bytes * 100 / retained_bytes),
                 forced  ? " (forced)"
                 : reset ? " [controller reset]"
                         : "");
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody reads it */
}

static void scavenger_run_inline(void) {
    int64_t ignored_ns;
    while (!scavenger_should_stop(NULL) && scavenger_release(NULL, SCAVPACE_QUANTUM_BYTES, &ignored_ns) != 0)
        continue;
}

/* The last span of a cycle has been swept: what is free is known (Go mgcsweep.go:410). */
static void gc_swept_all(void) {
    if (gc_settings.deterministic)
        scavenger_run_inline();
    if (gc_settings.scavtrace)
        scavenger_trace(__atomic_exchange_n(&scavenger.released_bytes, 0, __ATOMIC_RELAXED),
                        __atomic_exchange_n(&heap.released_eagerly_bytes, 0, __ATOMIC_RELAXED), false);
    __atomic_fetch_add(&scavenger.wake, 1, __ATOMIC_RELEASE);
    if (__atomic_load_n(&scavenger.made, __ATOMIC_RELAXED))
        os_wake_all(&scavenger.wake);
}

static void gc_purged(size_t released_bytes) {
    if (gc_settings.scavtrace)
        scavenger_trace(0, released_bytes, true);
}

static void *scavenger_thread(void *arg) {
    (void)arg;
    for (;;) {
        uint32_t seen = __atomic_load_n(&scavenger.wake, __ATOMIC_ACQUIRE);
        double worked_ns;
        if (scavpace_burst(&scavenger_work, &worked_ns) == 0) {
            os_wait_while(&scavenger.wake, seen, 0);
            continue;
        }
        gc_spend_less();
        int64_t sleep_ns = scavpace_sleep_ns(&scavenger.pace, &worked_ns);
        uint64_t begun_ns = os_now_ns();
        os_wait_while(&scavenger.wake, seen, (uint64_t)sleep_ns + 1);
        scavpace_slept(&scavenger.pace, worked_ns, (int64_t)(os_now_ns() - begun_ns), gc_settings.procs);
        __atomic_fetch_or(&scavenger.was_reset, scavenger.pace.was_reset, __ATOMIC_RELAXED);
        scavenger.pace.was_reset = false;
    }
    return NULL;
}

/* Cycle lock held. Without the thread memory is given back at growth, at a limit and on demand only. */
static void scavenger_make(void) {
    if (scavenger.made || gc_settings.deterministic)
        return;
    scavpace_begin(&scavenger.pace);
    /* Before it is: a sweep that ends meanwhile wakes it, or it might sleep until the next one ends. */
    __atomic_store_n(&scavenger.made, true, __ATOMIC_RELAXED);
    if (!world_thread_start(scavenger_thread, NULL))
        __atomic_store_n(&scavenger.made, false, __ATOMIC_RELAXED);
}

/* The goals for the time until the next cycle: goal_bytes is the heap's, as Go would set it. Cycle lock held, or the
 * world stopped. */
static void scavenger_set_goals(uint64_t goal_bytes) {
    struct scavpace_goals goals =
        scavpace_goals(gc.pacer.memory_limit_bytes, goal_bytes, scavenger.last_goal_bytes, scavenger.last_in_use_bytes,
                       heap_retained_bytes(), heap_mapped_bytes());
    __atomic_store_n(&heap.limit_bytes, gc.pacer.memory_limit_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&heap.retain_bytes, goals.percent_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&scavenger.limit_bytes, goals.limit_bytes, __ATOMIC_RELAXED);
}
