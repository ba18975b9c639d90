/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "flavour.h"
#include "heapmap.h"
#include "meter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- reading the kernel */

static int64_t resident_now_bytes(const struct memory_meter *m) {
    char text[128];
    if (!meter_read(m->statm_fd, text, sizeof text))
        return METER_NA;
    char *second = strchr(text, ' ');
    return second != NULL ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : METER_NA;
}

static int64_t kilobytes(const char *text, const char *key) {
    int64_t n = meter_number_after(text, key);
    return n == METER_NA ? METER_NA : n * 1024;
}

/* The high-water mark is brought up to date only now and then, so the present size can be above it. */
static int64_t peak_now_bytes(const struct memory_meter *m) {
    char text[4096];
    if (!meter_read(m->status_fd, text, sizeof text))
        return METER_NA;
    int64_t peak = kilobytes(text, "VmHWM:"), now = kilobytes(text, "VmRSS:");
    return peak > now ? peak : now;
}

static struct memory_rollup rollup_now(const struct memory_meter *m) {
    char text[4096];
    if (!meter_read(m->rollup_fd, text, sizeof text))
        return (struct memory_rollup){METER_NA, METER_NA, METER_NA, METER_NA};
    return (struct memory_rollup){kilobytes(text, "Rss:"), kilobytes(text, "Anonymous:"),
                                  kilobytes(text, "AnonHugePages:"), kilobytes(text, "LazyFree:")};
}

static bool counters_now(const struct memory_meter *m, struct peer_counters *out) {
    memset(out, 0xff, sizeof *out); /* PEER_NA in every field */
    return m->counters != NULL && m->counters(out) == 0;
}

static struct memory_counters counters_moment(const struct memory_meter *m) {
    struct memory_counters c;
    c.known = counters_now(m, &c.at);
    return c;
}

static void faults(int64_t *minor, int64_t *major, int sign) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    *minor += sign * usage.ru_minflt;
    *major += sign * usage.ru_majflt;
}

/* ---- phases */

bool memory_open(struct memory_meter *m, struct bench *b, int (*counters)(struct peer_counters *), void (*purge)(void),
                 char *error, size_t error_size) {
    m->bench = b;
    m->counters = counters;
    m->purge = purge;
    m->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    m->status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    m->rollup_fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    m->clear_fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    if (m->statm_fd < 0 || m->status_fd < 0 || m->clear_fd < 0) {
        snprintf(error, error_size, "memory mode needs /proc/self/{statm,status,clear_refs}: %s", strerror(errno));
        return false;
    }
    size_t size_bytes = (MEMORY_MAX_ROWS + 1) * sizeof *m->rows;
    m->rows = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (m->rows == MAP_FAILED) {
        snprintf(error, error_size, "no memory for the timeline: %s", strerror(errno));
        return false;
    }
    b->memory = m;
    bench_sampling = true;
    return true;
}

void memory_exclude(struct memory_meter *m, size_t size_bytes) {
    if (__atomic_load_n(&m->running, __ATOMIC_ACQUIRE))
        __atomic_fetch_add(&m->excluded_bytes, size_bytes, __ATOMIC_RELAXED);
}

/* Set-up is part of the stream: what it allocates, run frees. */
static void watch(const struct memory_meter *m, enum peer_watch how) {
    if (m->watch != NULL)
        m->watch(how);
}

void memory_iteration_begin(struct memory_meter *m) {
    watch(m, PEER_WATCH_BEGIN);
    struct memory_counters start = counters_moment(m);
    m->harness_known = start.known && start.at.allocated_bytes != PEER_NA;
    m->harness_bytes = m->harness_known ? start.at.allocated_bytes : 0;
}

void memory_run_begin(struct memory_meter *m) {
    m->row_count = m->skipped = 0;
    m->stride = 1;
    m->peak_live_bytes = m->end_live_bytes = 0;
    m->excluded_bytes = 0;
    m->points = 0;
    m->end_counters.known = false;
    m->before_counters = counters_moment(m);
    m->before = m->peak = rollup_now(m);
    m->minor_faults = m->major_faults = 0;
    /* 5: set the high-water mark to the present size. */
    if (pwrite(m->clear_fd, "5", 1, 0) != 1)
        bench_fail(m->bench, "cannot reset the peak of the resident set: %s", strerror(errno));
    m->base_peak_bytes = peak_now_bytes(m);
    m->base_resident_bytes = m->rollup_resident_bytes = resident_now_bytes(m);
    __atomic_store_n(&m->running, true, __ATOMIC_RELEASE);
    faults(&m->minor_faults, &m->major_faults, -1);
}

/* Creating a thread makes libc allocate on the subject's heap: the harness's doing, not the workload's. */
void memory_threads_begin(struct memory_meter *m) {
    watch(m, PEER_WATCH_STOP);
    m->threads_begin_known = counters_now(m, &m->threads_begin);
}

void memory_threads_end(struct memory_meter *m) {
    struct peer_counters now;
    if (m->harness_known && m->threads_begin_known && counters_now(m, &now)) {
        uint64_t grown_bytes = now.allocated_bytes - m->threads_begin.allocated_bytes;
        m->harness_bytes += grown_bytes;
        m->before_counters.at.allocated_bytes += grown_bytes;
    }
    memory_point(m);
    m->end_counters.known = false; /* that row stands before the operations */
    watch(m, PEER_WATCH_GO_ON);
}

/* When full, drops every second row and from then on takes every second point. */
static void rows_thin(struct memory_meter *m) {
    for (unsigned i = 0; i < m->row_count / 2; i++)
        m->rows[i] = m->rows[2 * i];
    m->row_count /= 2;
    m->stride *= 2;
    m->skipped = 0;
}

static int64_t above_baseline(const struct memory_meter *m, int64_t now, int64_t base) {
    if (now == METER_NA || base == METER_NA)
        return METER_NA;
    return now - base - (int64_t)__atomic_load_n(&m->excluded_bytes, __ATOMIC_RELAXED);
}

/* A new peak, by more than a thirty-second of it, is worth a walk over the pages. */
static void rollup_near_peak(struct memory_meter *m, int64_t resident_bytes) {
    if (resident_bytes == METER_NA || resident_bytes < m->rollup_resident_bytes + m->rollup_resident_bytes / 32)
        return;
    m->rollup_resident_bytes = resident_bytes;
    m->peak = rollup_now(m);
}

void memory_point(struct memory_meter *m) {
    struct memory_row row;
    int64_t resident_bytes = resident_now_bytes(m);
    crew_totals(m->bench, &row.ops, &row.live_bytes);
    row.resident_bytes = above_baseline(m, resident_bytes, m->base_resident_bytes);
    /* Other threads drop what this one allocated before they count it; a negative sum is no live byte. */
    if (row.live_bytes > (uint64_t)INT64_MAX)
        row.live_bytes = 0;
    if (row.live_bytes > m->peak_live_bytes)
        m->peak_live_bytes = row.live_bytes;
    rollup_near_peak(m, resident_bytes);
    m->end_live_bytes = row.live_bytes;
    m->end_ops = row.ops;
    m->points++;
    m->end_counters = counters_moment(m);
    if (m->heapmap != NULL)
        heapmap_point(m->heapmap, m);
    if (m->skipped++ % m->stride != 0)
        return;
    m->rows[m->row_count++] = row;
    if (m->row_count > MEMORY_MAX_ROWS)
        rows_thin(m);
}

void bench_point_slow(struct bench_thread *t) {
    if (t->index == 0 && t->bench->memory != NULL)
        memory_point(t->bench->memory);
}

void memory_run_end(struct memory_meter *m) {
    watch(m, PEER_WATCH_STOP);
    faults(&m->minor_faults, &m->major_faults, 1);
    int64_t resident_bytes = resident_now_bytes(m);
    m->peak_rss_bytes = above_baseline(m, peak_now_bytes(m), m->base_peak_bytes);
    m->rss_end_bytes = above_baseline(m, resident_bytes, m->base_resident_bytes);
    rollup_near_peak(m, resident_bytes);
    for (unsigned i = 0; i < m->row_count; i++)
        if (m->rows[i].resident_bytes > m->peak_rss_bytes)
            m->peak_rss_bytes = m->rows[i].resident_bytes;
    if (m->peak_rss_bytes != METER_NA && m->peak_rss_bytes < 0)
        m->peak_rss_bytes = 0;
    if (!m->end_counters.known)
        m->end_counters = counters_moment(m);
    if (m->heapmap != NULL)
        heapmap_run_end(m->heapmap, m);
    __atomic_store_n(&m->running, false, __ATOMIC_RELEASE);
}

void memory_iteration_end(struct memory_meter *m) {
    flavour_collect();
    if (m->purge != NULL)
        m->purge();
    m->drained_counters = counters_moment(m);
    if (m->heapmap != NULL)
        heapmap_drained(m->heapmap, m);
    m->drained = rollup_now(m);
}
