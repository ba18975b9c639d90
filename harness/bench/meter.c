/* SPDX-License-Identifier: MIT */
#include "meter.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int stat_fd = -1;
static struct meter_disturbance sum;
static int64_t steal_begin_ns, switches_begin;

bool meter_read(int fd, char *out, size_t size) {
    ssize_t n = fd >= 0 ? pread(fd, out, size - 1, 0) : -1;
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

bool meter_read_path(const char *path, char *out, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = meter_read(fd, out, size);
    if (fd >= 0)
        close(fd);
    return ok;
}

int64_t meter_number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : METER_NA;
}

void meter_open(void) {
    stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    sum = (struct meter_disturbance){0};
    sum.frequency_khz = METER_NA;
}

/* The eighth number of the first line: "cpu user nice system idle iowait irq softirq steal ...". */
static int64_t steal_now_ns(void) {
    char text[256];
    if (!meter_read(stat_fd, text, sizeof text))
        return METER_NA;
    long long ticks;
    if (sscanf(text, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &ticks) != 1)
        return METER_NA;
    return ticks * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

static int64_t switches_now(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : METER_NA;
}

static void add(int64_t *total, int64_t begin, int64_t end) {
    if (*total == METER_NA || begin == METER_NA || end == METER_NA)
        *total = METER_NA;
    else
        *total += end - begin;
}

static int64_t frequency_now_khz(void) {
    char path[96], text[32];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", sched_getcpu());
    return meter_read_path(path, text, sizeof text) ? strtoll(text, NULL, 10) : METER_NA;
}

void meter_timed_begin(void) {
    steal_begin_ns = steal_now_ns();
    switches_begin = switches_now();
}

void meter_timed_end(void) {
    add(&sum.involuntary_switches, switches_begin, switches_now());
    add(&sum.steal_ns, steal_begin_ns, steal_now_ns());
    sum.frequency_khz = frequency_now_khz();
}

/* "running waiting slices" of the calling thread; needs a kernel with scheduler statistics. */
int64_t meter_thread_begin(void) {
    char text[96];
    long long waited_ns;
    if (!meter_read_path("/proc/thread-self/schedstat", text, sizeof text) ||
        sscanf(text, "%*d %lld", &waited_ns) != 1)
        return METER_NA;
    return waited_ns;
}

void meter_thread_end(int64_t begin_ns) {
    int64_t end_ns = meter_thread_begin();
    if (begin_ns == METER_NA || end_ns == METER_NA)
        __atomic_store_n(&sum.runqueue_ns, METER_NA, __ATOMIC_RELAXED);
    else if (__atomic_load_n(&sum.runqueue_ns, __ATOMIC_RELAXED) != METER_NA)
        __atomic_fetch_add(&sum.runqueue_ns, end_ns - begin_ns, __ATOMIC_RELAXED);
}

struct meter_disturbance meter_disturbance(void) {
    return sum;
}
