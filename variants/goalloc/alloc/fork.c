/* SPDX-License-Identifier: MIT
 *
 * fork: the child has one thread, so no lock may be held, and no list be half changed, by a thread that it does not
 * have. Our handlers are to be the last before a fork and the first after it: those of others may allocate. glibc runs
 * them in reverse order before and in order after, so ours are registered first (posix/register-atfork.c).
 *
 * glibc's fork goes on behind the handlers: it takes its list of streams, which fflush(NULL) holds while it waits for
 * a stream whose reader may be waiting for memory. So that list comes before our locks.
 */
#include "alloc/cache.h"

#include <signal.h>

/* What glibc exports for its own fork; another libc may lack them. */
extern char __libc_single_threaded __attribute__((weak));
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

static struct {
    struct lock lock;    /* outermost: a fork, or a registration, which allocates under a lock that fork takes */
    uint32_t registered; /* atomic */
    bool alone;          /* no other thread is there, as of the last fork */
    bool streams;        /* the list of streams is locked */
    sigset_t before;     /* signals that the forking thread had blocked */
} forking;

/* In the order in which they nest; behind the caches' lists and caches.lock. */
#define FORK_FOR_EACH_LOCK(action, ...)                                                                                \
    do {                                                                                                               \
        for (uint8_t i = 0; i < HEAP_CENTRAL_LOCKS; i++)                                                               \
            action(heap_central_lock(i), ##__VA_ARGS__);                                                               \
        action(&heap.release_lock, ##__VA_ARGS__);                                                                     \
        action(&heap.lock, ##__VA_ARGS__);                                                                             \
        action(&spanset_lock, ##__VA_ARGS__);                                                                          \
        action(&gcbits.lock, ##__VA_ARGS__);                                                                           \
        action(&meta.records_lock, ##__VA_ARGS__);                                                                     \
        action(&meta.lock, ##__VA_ARGS__);                                                                             \
    } while (0)

/* As glibc judges it: then its fork takes no lock either, and may be called by a handler that has interrupted one. */
static bool fork_alone(void) {
    return &__libc_single_threaded != NULL && __libc_single_threaded != 0;
}

static void fork_take(void *lock) {
    lock_before_fork(lock, false);
}

/* The collector may have stopped the thread that holds the lock. No signal stops the calling thread. So the calling thread
 * counts as stopped while it waits. */
static void fork_take_outer(struct lock *lock, bool alone) {
    if (alone)
        lock_before_fork(lock, alone);
    else
        cache_wait_by(fork_take, lock);
}

static void fork_take_streams(void *unused) {
    (void)unused;
    _IO_list_lock();
}

static void fork_lock_streams(bool alone) {
    forking.streams = !alone && _IO_list_lock != NULL && _IO_list_unlock != NULL && _IO_list_resetlock != NULL;
    if (forking.streams)
        cache_wait_by(fork_take_streams, NULL);
}

static void fork_prepare_as(bool alone) {
    sigset_t all, before;
    sigfillset(&all);
    /* A handler that forked, or allocated, between here and the release would wait for its own thread. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    fork_take_outer(&forking.lock, alone);
    forking.before = before;
    forking.alone = alone;
    fork_lock_streams(alone);
    fork_take_outer(&init_lock, alone);
    fork_take_outer(&cache_shared_lock, alone);
    cache_before_fork(alone);
    FORK_FOR_EACH_LOCK(lock_before_fork, alone);
}

static void fork_prepare(void) {
    fork_prepare_as(fork_alone());
}

static void fork_release(void) {
    lock_after_fork(&cache_shared_lock);
    lock_after_fork(&init_lock);
}

static void fork_done(void) {
    sigset_t before = forking.before;
    lock_after_fork(&forking.lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void fork_parent(void) {
    FORK_FOR_EACH_LOCK(lock_after_fork);
    cache_after_fork_parent();
    fork_release();
    if (forking.streams)
        _IO_list_unlock();
    fork_done();
}

static void fork_child(void) {
    heap.cut_off |= !AXIS_TRACED && !forking.alone;
    FORK_FOR_EACH_LOCK(lock_after_fork);
    cache_after_fork_child();
    fork_release();
    if (forking.streams)
        _IO_list_resetlock(); /* as glibc has just done */
    fork_done();
}

static void fork_register(void) {
    if (__atomic_exchange_n(&forking.registered, 1, __ATOMIC_RELAXED) == 0)
        pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Before the other constructors of the object that it is linked into. What registers earlier still, from a library that
 * was initialised first, is noticed where it asks for it (alloc/malloc_export.c), or else when it allocates. */
__attribute__((constructor(101))) static void fork_register_early(void) {
    fork_register();
}
