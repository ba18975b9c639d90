/* SPDX-License-Identifier: MIT
 *
 * world: the threads that take part, and stopping them (Go stopTheWorldWithSema, preemption by signal). Four ways to
 * stop: a signal finds a thread outside the allocator, wherever it loops or sleeps; a busy thread stops itself when it
 * leaves the allocator; loops may poll; one that waits for the collector, or is blocked outside (outside.c), has
 * stopped already, and is held there: waking a sleeper up to put it to sleep may take milliseconds. A stopped thread
 * holds none of the allocator's locks: they are taken while busy.
 *
 * The handler has no stack of its own: what it interrupted, registers and red zone included, lies between its frame
 * and the stack's top. ThreadSanitizer holds signals back until a thread blocks or polls; its builds stop there.
 */
#include "gc/gc.h"
#include "gc/stacks.c"
#include "os/tsc.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

enum { WORLD_SIGNAL = SIGURG }; /* Go's choice, for its reasons: nothing else relies on it, and it may come unasked */
static uint64_t world_patience_ns = UINT64_C(60000000000); /* tests have less */

static struct {
    struct lock lock;          /* threads; held while the world is stopped */
    struct gc_thread *threads; /* those that take part */
    uint32_t epoch;            /* atomic: odd while the world is stopped or stopping */
    uint32_t arrived;          /* atomic: threads that have obeyed */
    uint32_t waiting;          /* atomic: threads that come or go, and wait for the lock */
    uint32_t sleepers;         /* atomic: stopped threads that sleep until the epoch changes */
    uint32_t stopper_sleeps;   /* atomic: until somebody arrives */
    uint32_t gate;             /* atomic: this stop keeps threads out of the allocator, wherever else they are */
    uint32_t spin;             /* atomic: in this stop all have a processor of their own, and wait a moment awake */
    unsigned processors;       /* that the process may use */
    uint64_t stopping_ns, stopping_cpu_ns; /* when the stop under way began, and the stopping thread's CPU then */
    struct fixalloc records;
    struct sigaction previous;
} world = {.records = {.size_bytes = (sizeof(struct gc_thread) + 63) / 64 * 64}};

static __thread struct gc_thread *gc_self;

/* goalloc_thread.stop: any of these leads who allocates to gc_park. */
enum { WORLD_STOP_ASKED = 1, WORLD_STOP_BLOCKED = 2 /* outside.c */ };
_Static_assert(((WORLD_STOP_ASKED | WORLD_STOP_BLOCKED) & CACHE_WANTS_GC) == 0, "a bit with two meanings");

static void world_on_signal(int number, siginfo_t *info, void *context);
#include "gc/laggard.c"

/* ---- obeying */

/* Awake, for about 0.1 ms at most: a stop takes less, and a processor that has gone to sleep more than that to come
 * back. */
static void world_spin_while(const uint32_t *word, uint32_t value) {
    uint64_t begun = tsc_now();
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value && tsc_now() - begun < tsc_interrupted_ticks)
        __builtin_ia32_pause();
}

/* Until the stop is over. Async-signal-safe. */
static void world_sleep(uint32_t epoch) {
    if (__atomic_load_n(&world.spin, __ATOMIC_RELAXED) != 0)
        world_spin_while(&world.epoch, epoch);
    /* Sequentially consistent, as world_start's change of the epoch: it sees the sleeper, or the kernel the change. */
    __atomic_fetch_add(&world.sleepers, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&world.epoch, __ATOMIC_SEQ_CST) == epoch)
        os_wait_while(&world.epoch, epoch, 0);
    __atomic_fetch_sub(&world.sleepers, 1, __ATOMIC_SEQ_CST);
}

/* The thread's stacks have been located. Async-signal-safe. */
static void world_wait(struct gc_thread *t, uint32_t epoch) {
    /* Release: the stopper reads the stack. */
    __atomic_store_n(&t->stopped_epoch, epoch, __ATOMIC_RELEASE);
    /* Sequentially consistent: the stopper sees the arrival before it sleeps, or is seen to sleep. */
    __atomic_fetch_add(&world.arrived, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&world.stopper_sleeps, __ATOMIC_SEQ_CST) != 0)
        os_wake_all(&world.arrived);
    world_sleep(epoch);
}

static bool world_asks(const struct gc_thread *t, uint32_t epoch) {
    return epoch % 2 == 1 && __atomic_load_n(&t->stopped_epoch, __ATOMIC_RELAXED) != epoch &&
           (__atomic_load_n(&t->cache->front.stop, __ATOMIC_ACQUIRE) & WORLD_STOP_ASKED) != 0;
}

/* Of a thread that a signal interrupted at sp: can its stacks be scanned? One that is blocked outside may be anywhere;
 * what counts is where it was before. On a stack that is not known the stopper asks again, for a while. */
static bool world_can_stop(struct gc_thread *t, uintptr_t sp, const ucontext_t *context) {
    if (__atomic_load_n(&t->cache->front.busy, __ATOMIC_RELAXED) != 0)
        return false;
    if (t->blocked != 0 || stacks_locate_with(t, sp, &context->uc_stack))
        return true;
    __atomic_store_n(&t->lost_sp, sp, __ATOMIC_RELAXED);
    __atomic_fetch_add(&t->lost_times, 1, __ATOMIC_RELAXED);
    return false;
}

static bool world_is_gate(void) {
    return __atomic_load_n(&world.gate, __ATOMIC_RELAXED) != 0;
}

static void world_on_signal(int number, siginfo_t *info, void *context) {
    struct gc_thread *t = gc_self;
    uint32_t epoch = __atomic_load_n(&world.epoch, __ATOMIC_ACQUIRE);
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    if (t != NULL && world_asks(t, epoch) && !t->parked && !world_is_gate() && world_can_stop(t, sp, context)) {
        world_wait(t, epoch);
        return;
    }
    bool ours = info->si_code == SI_TKILL && info->si_pid == getpid();
    if (ours || world.previous.sa_handler == SIG_DFL || world.previous.sa_handler == SIG_IGN)
        return;
    if ((world.previous.sa_flags & SA_SIGINFO) != 0)
        world.previous.sa_sigaction(number, info, context);
    else
        world.previous.sa_handler(number);
}

/* Behind the last call of a function whose frame must stay while that runs: no tail call, which would drop it. */
static inline void world_keep_frame(void) {
    __asm__ volatile("" ::: "memory");
}

/* Registers must be in memory before: the caller has spilled them. */
__attribute__((noinline)) static void world_park_spilled(struct gc_thread *t) {
    do {
        t->parked = 1;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        uint32_t epoch = __atomic_load_n(&world.epoch, __ATOMIC_ACQUIRE);
        if (world_asks(t, epoch)) {
            stacks_must_locate(t, (uintptr_t)__builtin_frame_address(0));
            world_wait(t, epoch);
        }
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        t->parked = 0;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        /* A signal that found parked set has been ignored; the request that sent it still stands. */
    } while (world_asks(t, __atomic_load_n(&world.epoch, __ATOMIC_ACQUIRE)));
}

__attribute__((noinline)) static void gc_park(struct cache *c) {
    (void)c;
    if (gc_self == NULL)
        return;
    if (GOALLOC_UNLIKELY(gc_self->blocked != 0))
        os_die("thread %d uses the heap between goalloc_blocked_enter and goalloc_blocked_leave; it must leave first",
               gc_self->tid);
    __builtin_unwind_init(); /* callee-saved registers go to this frame */
    world_park_spilled(gc_self);
    world_keep_frame();
}

/* ---- waiting for the collector counts as being stopped */

enum world_waiting { WORLD_RUNS, WORLD_WAITS, WORLD_HELD /* a stop has begun meanwhile */ };

/* The caller's stack is to be scanned from sp; what its registers held lies there. From here to world_end_wait it
 * touches nothing of the heap's or its cache's. */
static void world_begin_wait(struct gc_thread *t, uintptr_t sp) {
    stacks_must_locate(t, sp);
    /* Release: the stopper reads the stack. More than that for world_begin_wait_between. */
    __atomic_store_n(&t->waiting, WORLD_WAITS, __ATOMIC_SEQ_CST);
}

static void world_end_wait(struct gc_thread *t) {
    uint32_t expected = WORLD_WAITS;
    /* Acquire: a stop has changed the thread's cache. */
    while (
        !__atomic_compare_exchange_n(&t->waiting, &expected, WORLD_RUNS, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        uint32_t epoch = __atomic_load_n(&world.epoch, __ATOMIC_ACQUIRE);
        if (epoch % 2 == 1)
            world_sleep(epoch);
        expected = WORLD_WAITS;
    }
}

/* The same, once a stop that has been asked for already is over: the stopper asks first and then looks who waits, so
 * that one of the two sees the other. */
static void world_begin_wait_between(struct gc_thread *t, uintptr_t sp) {
    for (;;) {
        world_begin_wait(t, sp);
        if (GOALLOC_LIKELY((__atomic_load_n(&t->cache->front.stop, __ATOMIC_SEQ_CST) & WORLD_STOP_ASKED) == 0))
            return;
        world_end_wait(t);
        world_park_spilled(t);
    }
}

__attribute__((noinline)) static void world_wait_spilled(struct gc_thread *t, void (*wait)(void *), void *argument) {
    world_begin_wait_between(t, (uintptr_t)__builtin_frame_address(0));
    wait(argument);
    world_end_wait(t);
}

/* Waits by a function that touches nothing of the heap's; the world need not wake the thread up to stop. */
__attribute__((noinline)) static void world_wait_by(struct gc_thread *t, void (*wait)(void *), void *argument) {
    __builtin_unwind_init();
    world_wait_spilled(t, wait, argument);
    world_keep_frame();
}

static void gc_wait_by(void (*wait)(void *), void *argument) {
    struct gc_thread *t = gc_self;
    /* A busy thread keeps the world waiting, whatever it does; one that waits or is blocked already counts as stopped. */
    if (t == NULL || __atomic_load_n(&t->cache->front.busy, __ATOMIC_RELAXED) != 0 || t->blocked != 0 ||
        __atomic_load_n(&t->waiting, __ATOMIC_RELAXED) != WORLD_RUNS)
        wait(argument);
    else
        world_wait_by(t, wait, argument);
}

/* In pieces, so that the thread does stand still soon after the world has stopped. */
__attribute__((noinline)) static void world_zero_spilled(struct gc_thread *t, char *block, size_t size_bytes) {
    for (size_t at = 0; at < size_bytes; at += TYPED_PIECE_BYTES) {
        world_begin_wait_between(t, (uintptr_t)__builtin_frame_address(0));
        memset(block + at, 0, size_bytes - at < TYPED_PIECE_BYTES ? size_bytes - at : TYPED_PIECE_BYTES);
        world_end_wait(t);
    }
}

__attribute__((noinline)) static void gc_zero(struct cache *c, void *block, size_t size_bytes) {
    (void)c;
    void *volatile found = block; /* in the part of the stack that is scanned: nothing else keeps the block alive */
    __builtin_unwind_init();
    world_zero_spilled(gc_self, found, size_bytes);
    world_keep_frame();
}

/* The stopper's: true if the thread waits, and will until the world starts. */
static bool world_hold(struct gc_thread *t) {
    uint32_t expected = WORLD_WAITS;
    if (!__atomic_compare_exchange_n(&t->waiting, &expected, WORLD_HELD, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        return false;
    __atomic_store_n(&t->stopped_epoch, world.epoch, __ATOMIC_RELAXED);
    return true;
}

static void world_let_go(struct gc_thread *t) {
    if (__atomic_load_n(&t->waiting, __ATOMIC_RELAXED) == WORLD_HELD)
        __atomic_store_n(&t->waiting, WORLD_WAITS, __ATOMIC_RELEASE);
}

/* Acquires a lock that is held while threads are stopped: who waits for it can be stopped meanwhile, also where signals
 * are held back. */
static void world_lock(struct lock *lock) {
    while (pthread_mutex_trylock(&lock->mutex) != 0) {
        if (gc_self != NULL && gc_self->cache->front.busy == 0)
            gc_park(gc_self->cache);
        sched_yield();
    }
}

/* For threads that come or go. They wait in no queue, so that stopping can find them; who stops again and again lets
 * them by first. */
static void world_lock_between(void) {
    if (pthread_mutex_trylock(&world.lock.mutex) == 0)
        return;
    __atomic_fetch_add(&world.waiting, 1, __ATOMIC_RELAXED);
    world_lock(&world.lock);
    __atomic_fetch_sub(&world.waiting, 1, __ATOMIC_RELAXED);
}

static void world_let_by(void) {
    enum { TURNS = 100 }; /* a thread may come while others go on coming */
    for (unsigned i = 0; i < TURNS && __atomic_load_n(&world.waiting, __ATOMIC_RELAXED) != 0; i++)
        sched_yield();
}

/* ---- asking */

static void world_ask(struct gc_thread *t) {
    if (syscall(SYS_tgkill, getpid(), t->tid, WORLD_SIGNAL) != 0)
        os_die("cannot stop thread %d for the collector (errno %d): it has ended without goalloc_thread_detach", t->tid,
               errno);
}

/* Those who have not stopped; the second time they may have been asked at a moment when they could not. */
static void world_ask_others(const struct gc_thread *self) {
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        if (t != self && __atomic_load_n(&t->stopped_epoch, __ATOMIC_ACQUIRE) != world.epoch)
            world_ask(t);
}

/* Returns when more have arrived, when patience_ns have passed, or for no reason. */
static void world_await_one(uint32_t arrived, uint64_t patience_ns) {
    if (__atomic_load_n(&world.spin, __ATOMIC_RELAXED) != 0)
        world_spin_while(&world.arrived, arrived);
    __atomic_store_n(&world.stopper_sleeps, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&world.arrived, __ATOMIC_SEQ_CST) == arrived)
        os_wait_while(&world.arrived, arrived, patience_ns);
    __atomic_store_n(&world.stopper_sleeps, 0, __ATOMIC_RELAXED);
}

static bool world_awaits(const struct gc_thread *t) {
    return t != gc_self && __atomic_load_n(&t->stopped_epoch, __ATOMIC_ACQUIRE) != world.epoch;
}

/* Dies when a thread that is waited for has been found on an unknown stack again and again. Code that knows nothing of
 * this heap may run on a stack of its own for a moment. */
static void world_look_for_lost(void) {
    enum { OFTEN = 10 };
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        if (world_awaits(t) && __atomic_load_n(&t->lost_times, __ATOMIC_RELAXED) >= OFTEN)
            stacks_die_unknown(t, __atomic_load_n(&t->lost_sp, __ATOMIC_RELAXED));
}

static void world_await(const struct gc_thread *self, uint32_t expected) {
    uint64_t begun_ns = 0, patience_ns = 1000000;
    for (;;) {
        uint32_t arrived = __atomic_load_n(&world.arrived, __ATOMIC_ACQUIRE);
        if (arrived >= expected)
            return;
        uint64_t now_ns = os_now_ns();
        if (begun_ns == 0)
            begun_ns = now_ns;
        else if (now_ns - begun_ns > world_patience_ns)
            break;
        if (now_ns - begun_ns > world_patience_ns / 60)
            world_look_for_lost();
        world_await_one(arrived, patience_ns);
        if (__atomic_load_n(&world.arrived, __ATOMIC_ACQUIRE) != arrived)
            continue;
        world_ask_others(self);
        patience_ns = patience_ns < UINT64_C(100000000) ? patience_ns * 2 : patience_ns;
    }
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        if (world_awaits(t))
            laggard_die(t);
}

static void world_stop(struct gc_thread *self) {
    world_let_by();
    world_lock(&world.lock);
    world.stopping_ns = os_now_ns();
    world.stopping_cpu_ns = os_thread_cpu_ns();
    __atomic_store_n(&world.arrived, 0, __ATOMIC_RELAXED);
    /* Sequentially consistent, as the store by which a thread begins to wait: it sees the stop, or is held. */
    __atomic_store_n(&world.epoch, world.epoch + 1, __ATOMIC_SEQ_CST);
    uint32_t expected = 0;
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        if (t == self)
            continue;
        __atomic_store_n(&t->lost_times, 0, __ATOMIC_RELAXED);
        __atomic_fetch_or(&t->cache->front.stop, WORLD_STOP_ASKED, __ATOMIC_SEQ_CST);
        expected += !world_hold(t);
    }
    __atomic_store_n(&world.spin, expected + 1 <= world.processors, __ATOMIC_RELAXED);
    /* Signals come last: whom the first of them wakes up may take this thread's processor, and those that allocate stop
     * meanwhile without one. */
    world_ask_others(self);
    world_await(self, expected);
}

static uint64_t world_start(void) {
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        __atomic_fetch_and(&t->cache->front.stop, ~(uint32_t)WORLD_STOP_ASKED, __ATOMIC_RELEASE);
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        world_let_go(t);
    __atomic_store_n(&world.epoch, world.epoch + 1, __ATOMIC_SEQ_CST); /* as world_sleep's */
    uint64_t started_ns = os_now_ns();
    if (__atomic_load_n(&world.sleepers, __ATOMIC_SEQ_CST) != 0)
        os_wake_all(&world.epoch);
    lock_release(&world.lock);
    return started_ns;
}

/* ---- for a fork: threads may be anywhere but in the allocator. One that a signal stopped might hold a lock of libc's
 * that fork takes; so none is sent, and threads that come to the allocator wait there. */

/* It arrives where it leaves the allocator, or waits in it with nothing half done. */
static void world_await_leave(const struct gc_thread *t) {
    enum { LONGEST_NS = 1000000 };
    for (;;) {
        uint32_t arrived = __atomic_load_n(&world.arrived, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&t->cache->front.busy, __ATOMIC_ACQUIRE) == 0 || !world_awaits(t))
            return;
        world_await_one(arrived, LONGEST_NS);
    }
}

static void world_close(struct gc_thread *self) {
    world_let_by();
    world_lock(&world.lock);
    __atomic_store_n(&world.gate, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&world.spin, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&world.epoch, world.epoch + 1, __ATOMIC_SEQ_CST); /* as world_stop's */
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next) {
        if (t == self)
            continue;
        __atomic_fetch_or(&t->cache->front.stop, WORLD_STOP_ASKED, __ATOMIC_SEQ_CST);
        world_hold(t);
    }
    /* A thread that is entering sees that it is asked to stop, or is seen to be busy. */
    os_barrier_all();
    for (struct gc_thread *t = world.threads; t != NULL; t = t->next)
        if (t != self)
            world_await_leave(t);
}

static void world_open(void) {
    __atomic_store_n(&world.gate, 0, __ATOMIC_RELAXED);
    world_start();
}

/* ---- threads come and go */

static void world_find_stack(struct gc_thread *t) {
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size_bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0 ||
        pthread_attr_getstack(&attributes, &low, &size_bytes) != 0)
        os_die("the extent of a thread's stack is unknown (pthread_getattr_np); the collector must scan it");
    pthread_attr_destroy(&attributes);
    t->own.low = (uintptr_t)low;
    t->own.top = ((uintptr_t)low + size_bytes) & ~(uintptr_t)7;
    t->own.thread = t;
    t->current = t->stop_stack = &t->own;
}

/* A record for a thread that marks or takes part. Its cache is c. */
static struct gc_thread *world_thread_make(struct cache *c) {
    struct gc_thread *t = fixalloc_take(&world.records);
    if (t == NULL)
        os_die("out of memory for the record of a thread");
    memset(t, 0, sizeof *t);
    t->cache = c;
    t->tid = (int)syscall(SYS_gettid);
    return t;
}

static void gc_thread_begins(struct cache *c) {
    struct gc_thread *t = world_thread_make(c);
    world_find_stack(t);
    world_lock_between();
    gc_self = t;
    c->front.stop = 0;
    c->front.busy = 0;
    c->flush_gen = mcentral_sweepgen(); /* a cycle may have passed since it was opened */
    t->next = world.threads;
    world.threads = t;
    lock_release(&world.lock);
}

static void world_unlist(struct gc_thread *t) {
    struct gc_thread **at = &world.threads;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
}

struct world_making {
    void *(*run)(void *);
    void *arg;
    bool made;
};

static void world_make_thread(void *making) {
    struct world_making *m = making;
    sigset_t all, before;
    pthread_t thread;
    pthread_attr_t attributes;
    sigfillset(&all);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    m->made = pthread_create(&thread, &attributes, m->run, m->arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
}

/* Makes a thread of the collector's: it is detached, and it holds all signals back. pthread_create takes locks of libc's,
 * and a stopped thread may hold one. No signal stops the calling thread meanwhile, so it counts as stopped. */
static bool world_thread_start(void *(*run)(void *), void *arg) {
    struct world_making making = {run, arg, false};
    gc_wait_by(world_make_thread, &making);
    return making.made;
}

static void world_init(void) {
    os_barrier_all();
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = world_on_signal;
    world.processors = settings_processors();
    sigfillset(&action.sa_mask); /* no handler of the program's runs while the world is stopped */
    if (sigaction(WORLD_SIGNAL, &action, &world.previous) != 0)
        os_die("cannot install the handler that stops threads (errno %d)", errno);
}
