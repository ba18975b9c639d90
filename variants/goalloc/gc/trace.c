/* SPDX-License-Identifier: MIT
 *
 * trace: GODEBUG=gctrace=1, a line for each cycle in the format of Go mgc.go:1254-1295.
 */
#include "gc/gc.h"

#include <stdio.h>

/* Milliseconds as Go writes them (mgc.go:1884): whole from 10 on, else two significant digits, three places at most. */
static const char *trace_ms(char out[24], uint64_t ns) {
    uint64_t us = ns / 1000;
    if (us >= 10000)
        snprintf(out, 24, "%llu", (unsigned long long)(us / 1000));
    else if (us >= 1000)
        snprintf(out, 24, "%llu.%llu", (unsigned long long)(us / 1000), (unsigned long long)(us / 100 % 10));
    else if (us >= 100)
        snprintf(out, 24, "0.%02llu", (unsigned long long)(us / 10));
    else
        snprintf(out, 24, us == 0 ? "0" : "0.%03llu", (unsigned long long)us);
    return out;
}

/* Once, when it is beyond doubt: a run keeps its pages for one live object, and no collection may give them back. */
static void trace_beyond_limit(void) {
    static bool told;
    uint64_t in_use_bytes = (uint64_t)__atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED) << GOALLOC_PAGE_SHIFT;
    uint64_t limit_bytes = gc.pacer.memory_limit_bytes;
    if (PLACE_SLOTS || told || in_use_bytes < limit_bytes || in_use_bytes - limit_bytes < limit_bytes / 8)
        return;
    told = true;
    char line[512];
    int length = snprintf(line, sizeof line,
                          "goalloc: GOMEMLIMIT is exceeded: runs of %llu MB hold %llu MB of live objects, and a run "
                          "stays for one of them; raise the limit, set GOALLOC_RUN to shorter runs (linear: or "
                          "GOALLOC_HOLES=on), or use size classes\n",
                          (unsigned long long)(in_use_bytes >> 20), (unsigned long long)(gc.marked_bytes >> 20));
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody reads it */
}

static void gc_trace(void) {
    char ms[8][24], line[512];
    uint64_t now_ns = gc.last_end_ns, concurrent_ns = now_ns - gc.stop_end_ns - gc.mark_begun_ns;
    uint64_t since_ns = gc.begun_ns - gc.ready_ns, elapsed_ns = now_ns - gc.ready_ns;
    /* Of what all processors could have done since the start (mgc.go:1122). */
    unsigned percent = (unsigned)((double)gc.cpu_total_ns * 100 / ((double)elapsed_ns * gc_settings.procs));
    int length = snprintf(
        line, sizeof line,
        "gc %u @%llu.%03llus %u%%: %s+%s+%s ms clock, %s+%s/%s/%s+%s ms cpu, %llu->%llu->%llu MB, %llu MB goal, "
        "%llu MB stacks, %llu MB globals, %u P%s\n",
        gc.cycles + 1, (unsigned long long)(since_ns / 1000000000), (unsigned long long)(since_ns / 1000000 % 1000),
        percent, trace_ms(ms[0], gc.stop_begin_ns), trace_ms(ms[1], concurrent_ns), trace_ms(ms[2], gc.stop_end_ns),
        trace_ms(ms[3], gc.stop_begin_ns * gc_settings.procs),
        trace_ms(ms[4], __atomic_load_n(&gc.assist_ns, __ATOMIC_RELAXED)),
        trace_ms(ms[5], __atomic_load_n(&gc.worker_ns, __ATOMIC_RELAXED)), trace_ms(ms[6], 0),
        trace_ms(ms[7], gc.stop_end_ns * gc_settings.procs), (unsigned long long)(gc.live_at_start_bytes >> 20),
        (unsigned long long)(gc.live_at_end_bytes >> 20), (unsigned long long)(gc.marked_bytes >> 20),
        (unsigned long long)(gc.goal_bytes >> 20), (unsigned long long)(gc.pacer.last_stack_scan_bytes >> 20),
        (unsigned long long)(gc.pacer.globals_scan_bytes >> 20), gc_settings.procs, gc.forced ? " (forced)" : "");
    if (length > 0 && write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody reads it */
    trace_beyond_limit();
}
