/* SPDX-License-Identifier: MIT
 *
 * lock: the one kind of lock below the fast paths. Never held while calling out; valid when zero-filled; survives fork
 * through the handlers in alloc/fork.c.
 */
#ifndef GOALLOC_OS_LOCK_H
#define GOALLOC_OS_LOCK_H

#include <pthread.h>
#include <stdbool.h>

struct lock {
    pthread_mutex_t mutex; /* PTHREAD_MUTEX_INITIALIZER is all zero in glibc */
    bool interrupted;      /* lock_before_fork found it held by its own thread */
};

static inline void lock_acquire(struct lock *l) {
    pthread_mutex_lock(&l->mutex);
}

static inline void lock_release(struct lock *l) {
    pthread_mutex_unlock(&l->mutex);
}

/* ---- fork: the forking thread takes every lock before and releases it after, in parent and child */

/* alone: the process has no other thread. What is held then, is held by the code that a signal handler has interrupted
 * in order to fork: it goes on in parent and child, and releases the lock itself. */
static inline void lock_before_fork(struct lock *l, bool alone) {
    if (alone && pthread_mutex_trylock(&l->mutex) != 0) {
        l->interrupted = true;
        return;
    }
    if (!alone)
        lock_acquire(l);
    l->interrupted = false;
}

/* In a child the only thread holds the lock it took before the fork: POSIX lets it unlock, and ThreadSanitizer follows.
 */
static inline void lock_after_fork(struct lock *l) {
    if (!l->interrupted)
        lock_release(l);
}

#endif
