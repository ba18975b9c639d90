/* SPDX-License-Identifier: MIT
 *
 * parallel.c: the timed part. A crew of workers is created before the clock starts and joined after it stopped; worker 0
 * is the calling thread. The last body to return stops the clock.
 */
#include "bench.h"

#include "collector.h"
#include "crash.h"
#include "flavour.h"
#include "memory.h"
#include "meter.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct worker {
    struct bench_thread thread; /* first: bench_thread and worker share their address */
    void (*body)(struct bench_thread *t, void *arg);
    void *arg;
    /* The thread that carries this worker now, and the one it took over from. Written by the carrying thread. */
    pthread_t self, previous;
    bool joinable, has_previous;
    unsigned generation;
    unsigned iteration; /* whose random stream `thread.rng` holds */
};

struct crew {
    unsigned threads;    /* of the call under way; 0 before the first */
    uint64_t base_ops;   /* of the calls before it, in this iteration */
    uint32_t ready;      /* workers at the gate */
    uint32_t go, done;   /* futexes: the gate is open; the last body has returned */
    uint32_t remaining;  /* bodies still running */
    uint64_t end_wall_ns, end_cpu_ns;
    struct worker workers[BENCH_MAX_THREADS];
};

/* This thread's body has passed its worker on to another thread. */
static _Thread_local bool handed_over;

enum { SPINS_BEFORE_SLEEP = 2000, POLL_NS = 1000000 };

/* ThreadSanitizer keeps a signal back until the thread enters one of libc's blocking functions, and a bare system call is
 * none: a collector that wants a waiting thread to stop would wait as long as that one. There it wakes up to ask. */
#if defined(__SANITIZE_THREAD__)
enum { SIGNALS_ARE_LATE = 1 };
#elif defined(__has_feature)
enum { SIGNALS_ARE_LATE = __has_feature(thread_sanitizer) };
#else
enum { SIGNALS_ARE_LATE = 0 };
#endif

static void futex_wait_for(uint32_t *word) {
    static const struct timespec poll = {.tv_nsec = POLL_NS};
    for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != 0)
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, SIGNALS_ARE_LATE ? &poll : NULL, NULL, 0);
        flavour_safepoint();
    }
}

static void futex_set(uint32_t *word) {
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool crew_open(struct bench *b) {
    b->crew = mmap(NULL, sizeof *b->crew, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return b->crew != MAP_FAILED;
}

__attribute__((no_sanitize("thread"))) void crew_totals(const struct bench *b, uint64_t *ops, uint64_t *live_bytes) {
    const struct crew *crew = b->crew;
    *ops = crew->base_ops;
    *live_bytes = 0;
    /* Live bytes outlast a call: what one call allocates a later one may drop, with fewer workers. */
    for (unsigned i = 0; i < BENCH_MAX_THREADS && crew->workers[i].iteration != 0; i++) {
        if (crew->workers[i].iteration != b->iteration)
            continue;
        *live_bytes += *(const volatile uint64_t *)&crew->workers[i].thread.live_bytes;
        if (i < crew->threads)
            *ops += *(const volatile uint64_t *)&crew->workers[i].thread.ops;
    }
}

/* ---- the threads */

static void worker_run(struct crew *crew, struct worker *w) {
    handed_over = false;
    w->body(&w->thread, w->arg);
    if (handed_over)
        return;
    if (__atomic_sub_fetch(&crew->remaining, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    crew->end_wall_ns = meter_wall_ns();
    crew->end_cpu_ns = meter_cpu_ns();
    futex_set(&crew->done);
}

static void *worker_main(void *arg) {
    struct worker *w = arg;
    struct crew *crew = w->thread.bench->crew;
    w->self = pthread_self();
    crash_thread_stack(w->thread.index, 0);
    flavour_attach();
    int64_t waited_ns = meter_thread_begin();
    __atomic_fetch_add(&crew->ready, 1, __ATOMIC_ACQ_REL);
    futex_wait_for(&crew->go);
    worker_run(crew, w);
    meter_thread_end(waited_ns);
    flavour_detach();
    return NULL;
}

/* A later carrier of a worker: the clock is running, so it does the least. */
static void *worker_continue(void *arg) {
    struct worker *w = arg;
    w->self = pthread_self();
    crash_thread_stack(w->thread.index, w->generation & 1);
    flavour_attach();
    worker_run(w->thread.bench->crew, w);
    flavour_detach();
    return NULL;
}

void bench_continue_in_new_thread(struct bench_thread *t, void (*body)(struct bench_thread *t, void *arg), void *arg) {
    struct worker *w = (struct worker *)t;
    struct bench *b = t->bench;
    /* The thread before this one left long ago; joining it here keeps at most two stacks per worker alive. */
    if (w->has_previous)
        pthread_join(w->previous, NULL);
    w->previous = w->self;
    w->has_previous = w->joinable;
    w->joinable = true;
    w->body = body;
    w->arg = arg;
    w->generation++;
    handed_over = true;
    pthread_t id;
    int error = pthread_create(&id, NULL, worker_continue, w);
    if (error != 0)
        bench_fail(b, "cannot start a further thread: %s", strerror(error));
}

/* ---- one call of bench_parallel */

static void worker_prepare(struct bench *b, struct worker *w, unsigned index) {
    if (w->iteration != b->iteration) {
        *w = (struct worker){.iteration = b->iteration};
        rng_seed(&w->thread.rng, b->seed, index);
    }
    w->thread.bench = b;
    w->thread.index = index;
    w->thread.ops = w->thread.zero_bytes = w->thread.checksum = 0;
    w->generation = 0;
    w->joinable = w->has_previous = false;
}

static void crew_start(struct bench *b, unsigned threads, void (*body)(struct bench_thread *, void *), void *arg) {
    struct crew *crew = b->crew;
    crew->threads = threads;
    crew->ready = crew->go = crew->done = 0;
    crew->remaining = threads;
    for (unsigned i = 0; i < threads; i++) {
        worker_prepare(b, &crew->workers[i], i);
        crew->workers[i].body = body;
        crew->workers[i].arg = arg;
    }
    for (unsigned i = 1; i < threads; i++) {
        pthread_t id;
        int error = pthread_create(&id, NULL, worker_main, &crew->workers[i]);
        if (error != 0)
            bench_fail(b, "cannot start thread %u of %u: %s", i + 1, threads, strerror(error));
        crew->workers[i].joinable = true;
    }
    while (__atomic_load_n(&crew->ready, __ATOMIC_ACQUIRE) != threads - 1) {
        sched_yield();
        flavour_safepoint();
    }
}

/* Joins everything and folds the workers' results into the iteration. */
static void crew_finish(struct bench *b) {
    struct crew *crew = b->crew;
    for (unsigned i = 0; i < crew->threads; i++) {
        struct worker *w = &crew->workers[i];
        if (w->joinable)
            pthread_join(w->self, NULL);
        if (w->has_previous)
            pthread_join(w->previous, NULL);
        b->now.ops += w->thread.ops;
        b->now.zero_bytes += w->thread.zero_bytes;
        b->now.checksum = bench_mix(b->now.checksum, w->thread.checksum);
        w->thread.ops = 0;
    }
    crew->base_ops = b->now.ops;
}

void bench_parallel(struct bench *b, unsigned threads, void (*body)(struct bench_thread *t, void *arg), void *arg) {
    struct crew *crew = b->crew;
    if (threads < 1 || threads > BENCH_MAX_THREADS)
        bench_fail(b, "%u threads: give 1 to %d", threads, BENCH_MAX_THREADS);
    crew->base_ops = b->now.ops;
    if (b->memory != NULL)
        memory_threads_begin(b->memory);
    crew_start(b, threads, body, arg);
    if (b->memory != NULL)
        memory_threads_end(b->memory);
    int64_t waited_ns = meter_thread_begin();
    meter_timed_begin();
    collector_timed_begin();
    uint64_t begin_cpu_ns = meter_cpu_ns();
    uint64_t begin_wall_ns = meter_wall_ns();
    if (threads > 1)
        futex_set(&crew->go);
    worker_run(crew, &crew->workers[0]);
    futex_wait_for(&crew->done);
    b->now.wall_ns += crew->end_wall_ns - begin_wall_ns;
    b->now.cpu_ns += crew->end_cpu_ns - begin_cpu_ns;
    collector_timed_end();
    meter_timed_end();
    meter_thread_end(waited_ns);
    crew_finish(b);
}
