/* SPDX-License-Identifier: MIT
 * Statistics under Go's names against what ReadMemStats and runtime/metrics said after the scripts of
 * variants/go/oracle/memstats, which says what the lines mean. */
#include "unity_traced.h"

#include "golden_heap.h"

#define GROW_STEP_BYTES ((uintptr_t)4 << 20)

enum { BUCKETS = GOALLOC_SIZE_CLASSES, ROWS = 61 };

static const char *const scalar_keys[] = {"/gc/heap/allocs:objects", "/gc/heap/tiny/allocs:objects"};
static const char histogram_key[] = "/gc/heap/allocs-by-size:bytes";

enum { SCALARS = sizeof scalar_keys / sizeof scalar_keys[0] };

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"Mallocs", offsetof(struct goalloc_mem_stats, mallocs)},
    {"Frees", offsetof(struct goalloc_mem_stats, frees)},
    {"HeapObjects", offsetof(struct goalloc_mem_stats, heap_objects)},
    {"Alloc", offsetof(struct goalloc_mem_stats, alloc_bytes)},
    {"TotalAlloc", offsetof(struct goalloc_mem_stats, total_alloc_bytes)},
    {"HeapAlloc", offsetof(struct goalloc_mem_stats, heap_alloc_bytes)},
    {"HeapSys", offsetof(struct goalloc_mem_stats, heap_sys_bytes)},
    {"HeapIdle", offsetof(struct goalloc_mem_stats, heap_idle_bytes)},
    {"HeapInuse", offsetof(struct goalloc_mem_stats, heap_inuse_bytes)},
    {"HeapReleased", offsetof(struct goalloc_mem_stats, heap_released_bytes)},
};

static struct statistics {
    struct goalloc_mem_stats mem;
    uint64_t scalars[SCALARS], buckets[BUCKETS];
} last;

static void read_metrics(FILE *out, struct statistics *s) {
    for (size_t i = 0; i < SCALARS; i++)
        if (!goalloc_read_metric(scalar_keys[i], &s->scalars[i], 1))
            golden_give_up(out, scalar_keys[i]);
    if (!goalloc_read_metric(histogram_key, s->buckets, BUCKETS))
        golden_give_up(out, histogram_key);
}

static uint64_t field(const struct statistics *s, size_t i) {
    uint64_t value;
    memcpy(&value, (const char *)&s->mem + fields[i].offset, sizeof value);
    return value;
}

static void print_mem_stats(FILE *out, const struct statistics *now) {
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        fprintf(out, "%s %ld\n", fields[i].name, (long)(field(now, i) - field(&last, i)));
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t mallocs = now->mem.by_size[i].mallocs - last.mem.by_size[i].mallocs;
        uint64_t frees = now->mem.by_size[i].frees - last.mem.by_size[i].frees;
        if (mallocs != 0 || frees != 0)
            fprintf(out, "BySize %zu %lu %lu %lu\n", i, (unsigned long)now->mem.by_size[i].size, (unsigned long)mallocs,
                    (unsigned long)frees);
    }
}

/* What has changed since the last one: of MemStats since the last read, of metrics since either. */
static void report(FILE *out, bool whole) {
    struct statistics now = last;
    if (whole) {
        goalloc_read_mem_stats(&now.mem);
        print_mem_stats(out, &now);
    }
    read_metrics(out, &now);
    for (size_t i = 0; i < SCALARS; i++)
        fprintf(out, "%s %lu\n", scalar_keys[i], (unsigned long)(now.scalars[i] - last.scalars[i]));
    for (size_t i = 0; i < BUCKETS; i++)
        if (now.buckets[i] != last.buckets[i])
            fprintf(out, "%s %zu %lu\n", histogram_key, i, (unsigned long)(now.buckets[i] - last.buckets[i]));
    last = now;
}

/* The state that every script begins with: fresh spans, and a heap that has just grown by one step. */
static void prepare(FILE *out) {
    size_t pages;
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++) {
        if (c > 1) /* 8 bytes without pointers are tiny */
            golden_to_fresh_span(golden_request(c, false), false, &pages);
        golden_to_fresh_span(golden_request(c, true), true, &pages);
    }
    while ((uintptr_t)golden_alloc(GOALLOC_PAGE_BYTES, false, &pages) % GROW_STEP_BYTES != 0)
        continue;
    goalloc_read_mem_stats(&last.mem);
    read_metrics(out, &last);
}

static void replay(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES], kind[16];
    size_t size, count, pages;
    prepare(out);
    while (golden_line(golden, line, sizeof line)) {
        if (strcmp(line, "read") == 0 || strcmp(line, "metrics") == 0) {
            fprintf(out, "%s\n", line);
            report(out, line[0] == 'r');
        } else if (sscanf(line, "%15[a-z] %zu %zu", kind, &size, &count) == 3) {
            fprintf(out, "%s\n", line);
            for (size_t i = 0; i < count; i++)
                golden_alloc(size, strcmp(kind, "scan") == 0, &pages);
        } /* else a line of results, which report() prints itself */
    }
}

static void statistics_are_go_s(void **state) {
    golden_compare(*state, replay);
}

#define STATS(name)                                                                                                    \
    { name, statistics_are_go_s, NULL, NULL, (void *)(name) }

int main(void) {
    const struct CMUnitTest tests[] = {
        STATS("memstats-one64"),    STATS("memstats-classes"),    STATS("memstats-tiny"),
        STATS("memstats-large"),    STATS("memstats-bitmap"),     STATS("memstats-header"),
        STATS("memstats-growth"),   STATS("memstats-flush"),      STATS("memstats-lag"),
        STATS("memstats-random-1"), STATS("memstats-random-2"),   STATS("memstats-random-3"),
        STATS("memstats-random-4"), STATS("memstats-random-lag"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
