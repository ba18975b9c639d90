/* SPDX-License-Identifier: MIT
 *
 * futex: waiting for a word to change, without a lock and from signal handlers. Linux.
 */
#ifndef GOALLOC_FUTEX_H
#define GOALLOC_FUTEX_H

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleeps while *word is value, or until it is woken, or timeout_ns have passed (0: none). May return for no reason.
 * Leaves errno as it found it. */
static inline void os_wait_while(const uint32_t *word, uint32_t value, uint64_t timeout_ns) {
    int saved_errno = errno;
    struct timespec timeout = {(time_t)(timeout_ns / 1000000000), (long)(timeout_ns % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns != 0 ? &timeout : NULL, NULL, 0);
    errno = saved_errno;
}

static inline void os_wake_all(const uint32_t *word) {
    int saved_errno = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    errno = saved_errno;
}

static inline uint64_t os_clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t os_now_ns(void) {
    return os_clock_ns(CLOCK_MONOTONIC);
}

/* CPU time of the calling thread. */
static inline uint64_t os_thread_cpu_ns(void) {
    return os_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* CPU time of the process, all threads together. */
static inline uint64_t os_process_cpu_ns(void) {
    return os_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

#endif
