/* SPDX-License-Identifier: MIT
 * The order in which spans that a collection has swept hand out their slots, as variants/go/oracle/slots has recorded
 * it: which spans first, and which slots of each. What the Go program keeps in a variable, a root keeps from a
 * collector here; in the build that never collects, the test marks it. */
#include "unity_traced.h"

#include "cycle.h"
#include "golden_heap.h"

#include <pthread.h>

enum { SPANS = 4, MAX_OBJECTS = 4 * GOALLOC_PAGE_BYTES / 8 };

static struct {
    char *objects[MAX_OBJECTS];
    size_t count, starts[SPANS + 1];
} kept;

/* splitmix64, as variants/go/measure has it. */
static uint64_t rng;
static uint64_t below(uint64_t n) {
    uint64_t z = rng += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % n;
}

static void keep_spans(size_t request, bool pointers) {
    size_t pages;
    kept.count = 0;
    char *p = golden_to_fresh_span(request, pointers, &pages);
    for (unsigned span = 0; span < SPANS; span++) {
        kept.starts[span] = kept.count;
        for (pages = 0; pages == 0; p = golden_alloc(request, pointers, &pages)) {
            if (kept.count == MAX_OBJECTS)
                abort(); /* no class has that many */
            kept.objects[kept.count++] = p;
        }
    }
    kept.starts[SPANS] = kept.count;
}

static void *collect_attached(void *unused) {
    if (!goalloc_thread_attach())
        abort(); /* out of memory */
    goalloc_collect();
    goalloc_thread_detach();
    return unused;
}

/* By another thread, and this one detached: addresses that are left over on its stack would keep objects alive. */
static void collect_from_roots(void) {
    pthread_t thread;
    goalloc_thread_detach();
    if (pthread_create(&thread, NULL, collect_attached, NULL) != 0)
        abort(); /* no thread to be had */
    pthread_join(thread, NULL);
    if (!goalloc_thread_attach())
        abort();
}

static void collect(bool other) {
    static void *root[MAX_OBJECTS];
    size_t count = 0;
    for (size_t i = 0; i < kept.count; i++)
        if (other ? i % 2 == 0 : below(3) == 0)
            root[count++] = kept.objects[i];
    if (AXIS_COLLECTS) {
        if (goalloc_root_add(root, count) != 0)
            abort(); /* out of memory */
        collect_from_roots();
        goalloc_root_remove(root);
        return;
    }
    cycle_begin();
    cycle_clear_pages();
    for (size_t i = 0; i < count; i++)
        cycle_mark(root[i]);
    cycle_end();
    cycle_sweep_all();
}

/* Which of the kept spans holds p; -1: another. */
static int span_index(const uintptr_t bases[SPANS], uintptr_t p, size_t span_bytes) {
    for (int i = 0; i < SPANS; i++)
        if (p - bases[i] < span_bytes)
            return i;
    return -1;
}

static void print_steps(FILE *out, uintptr_t base, const uintptr_t *sequence, size_t n) {
    fprintf(out, " %zu", sequence[0] - base);
    for (size_t i = 1; i < n;) {
        intptr_t step = (intptr_t)(sequence[i] - sequence[i - 1]);
        size_t count = 0;
        for (; i < n && (intptr_t)(sequence[i] - sequence[i - 1]) == step; i++)
            count++;
        fprintf(out, " %td*%zu", step, count);
    }
    fprintf(out, "\n");
}

/* Allocates until no swept span has a slot left: only then does the heap give a new span. */
static void print_reuse(FILE *out, unsigned size_class, bool pointers) {
    static uintptr_t sequence[MAX_OBJECTS];
    uintptr_t bases[SPANS];
    size_t n = 0, pages, size_bytes = gclass_size(size_class), span_bytes = size_bytes * kept.starts[1];
    for (int i = 0; i < SPANS; i++)
        bases[i] = (uintptr_t)kept.objects[kept.starts[i]] & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
    size_t request = golden_request(size_class, pointers);
    for (char *p = golden_alloc(request, pointers, &pages); pages == 0; p = golden_alloc(request, pointers, &pages))
        sequence[n++] = (uintptr_t)p;
    int reuse = 0;
    for (size_t i = 0; i < n;) {
        int span = span_index(bases, sequence[i], span_bytes);
        size_t from = i++;
        if (span < 0)
            continue;
        while (i < n && sequence[i] - bases[span] < span_bytes)
            i++;
        fprintf(out, "%u %zu %d %d %zu", size_class, size_bytes, reuse++, span, i - from);
        print_steps(out, bases[span], sequence + from, i - from);
    }
}

static void print_classes(FILE *out, unsigned first, unsigned end, bool pointers, bool other) {
    for (unsigned c = first; c < end; c++) {
        if (c % 4 != 2)
            continue;
        keep_spans(golden_request(c, pointers), pointers);
        collect(other);
        print_reuse(out, c, pointers);
    }
}

/* The seed stands in the golden's first line, a comment. */
static void read_seed(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES];
    const char *seed = fgets(line, sizeof line, golden) != NULL ? strstr(line, "seed ") : NULL;
    if (seed == NULL)
        golden_give_up(out, "no seed");
    rng = strtoull(seed + strlen("seed "), NULL, 10);
}

static void print_noscan_to_512(FILE *out, FILE *golden) {
    read_seed(out, golden);
    print_classes(out, 2, gclass_of(512) + 1, false, false);
}
static void print_noscan_above_512(FILE *out, FILE *golden) {
    read_seed(out, golden);
    print_classes(out, gclass_of(513), GOALLOC_SIZE_CLASSES, false, false);
}
static void print_scan_bitmap(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, 1, gclass_of(512) + 1, true, true);
}
static void print_scan_header(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, gclass_of(513), GOALLOC_SIZE_CLASSES, true, true);
}

static void reuse_noscan_to_512(void **state) {
    (void)state;
    golden_compare("reuse-noscan-to-512", print_noscan_to_512);
}
static void reuse_noscan_above_512(void **state) {
    (void)state;
    golden_compare("reuse-noscan-above-512", print_noscan_above_512);
}
static void reuse_scan_bitmap(void **state) {
    (void)state;
    golden_compare("reuse-scan-bitmap", print_scan_bitmap);
}
static void reuse_scan_header(void **state) {
    (void)state;
    golden_compare("reuse-scan-header", print_scan_header);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reuse_noscan_to_512),
        cmocka_unit_test(reuse_noscan_above_512),
        cmocka_unit_test(reuse_scan_bitmap),
        cmocka_unit_test(reuse_scan_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
