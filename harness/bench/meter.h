/* SPDX-License-Identifier: MIT
 *
 * meter.h: clocks, and what disturbed the timed part. Nothing here allocates; files of /proc are opened once.
 */
#ifndef SPANLAB_METER_H
#define SPANLAB_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define METER_NA INT64_MIN /* the system does not tell */

static inline uint64_t meter_clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline uint64_t meter_wall_ns(void) {
    return meter_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t meter_cpu_ns(void) {
    return meter_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Summed over timed parts; METER_NA where unknown. */
struct meter_disturbance {
    int64_t steal_ns;             /* of the whole machine */
    int64_t involuntary_switches; /* of this process */
    int64_t runqueue_ns;          /* of this process's threads: runnable but not running */
    int64_t frequency_khz;        /* of the main thread's CPU, after the last timed part */
};

/* Opens what the meters read; before the first timed part. Starts the sums at zero. */
void meter_open(void);
/* Brackets a timed part, outside its clocks; main thread. */
void meter_timed_begin(void);
void meter_timed_end(void);
/* Brackets one worker inside it, on the worker's own thread: its run-queue delay so far, and the sum of the difference. */
int64_t meter_thread_begin(void);
void meter_thread_end(int64_t begin_ns);
struct meter_disturbance meter_disturbance(void);

/* Reads at most size-1 bytes of an open file from its start; out is terminated. False when nothing could be read. */
bool meter_read(int fd, char *out, size_t size);
/* The same for a path. */
bool meter_read_path(const char *path, char *out, size_t size);
/* The number that follows the first `key` in text, or METER_NA. */
int64_t meter_number_after(const char *text, const char *key);

#endif
