/* SPDX-License-Identifier: MIT
 *
 * lock: the one kind of lock below the fast paths. Never held while calling out; valid when zero-filled; survives fork
 * through the handlers in alloc/fork.c.
 */
#ifndef GOALLOC_OS_LOCK_H
#define GOALLOC_OS_LOCK_H

#include <pthread.h>

struct lock {
    pthread_mutex_t mutex; /* PTHREAD_MUTEX_INITIALIZER is all zero in glibc */
};

static inline void lock_acquire(struct lock *l) {
    pthread_mutex_lock(&l->mutex);
}

static inline void lock_release(struct lock *l) {
    pthread_mutex_unlock(&l->mutex);
}

/* In a forked child, whose only thread holds the lock it took before the fork: POSIX lets it unlock, and
 * ThreadSanitizer follows. */
static inline void lock_reset(struct lock *l) {
    pthread_mutex_unlock(&l->mutex);
}

#endif
