/* SPDX-License-Identifier: MIT
 * The order in which fresh spans hand out their slots, as variants/go/oracle/slots has recorded it. */
#include "unity_traced.h"

#include "golden_heap.h"

enum { FRESH_SPANS = 3, MAX_SLOTS = 1024 };

static uintptr_t sequence[MAX_SLOTS];

/* All objects of a fresh span, in the order of allocation. */
static size_t fill_fresh(unsigned size_class, bool pointers) {
    size_t request = golden_request(size_class, pointers), pages, n = 0;
    char *p = golden_to_fresh_span(request, pointers, &pages);
    do {
        if (n == MAX_SLOTS)
            abort(); /* no class has that many */
        sequence[n++] = (uintptr_t)p;
        p = golden_alloc(request, pointers, &pages);
    } while (pages == 0);
    return n;
}

/* The first offset and the steps from one object to the next, equal ones as step*count. */
static void print_steps(FILE *out, size_t n) {
    uintptr_t lowest = sequence[0];
    for (size_t i = 1; i < n; i++)
        lowest = sequence[i] < lowest ? sequence[i] : lowest;
    fprintf(out, " %zu", sequence[0] - (lowest & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1)));
    for (size_t i = 1; i < n;) {
        intptr_t step = (intptr_t)(sequence[i] - sequence[i - 1]);
        size_t count = 0;
        for (; i < n && (intptr_t)(sequence[i] - sequence[i - 1]) == step; i++)
            count++;
        fprintf(out, " %td*%zu", step, count);
    }
    fprintf(out, "\n");
}

static void print_classes(FILE *out, unsigned first, unsigned end, bool pointers) {
    for (unsigned c = first; c < end; c++)
        for (int i = 0; i < FRESH_SPANS; i++) {
            size_t n = fill_fresh(c, pointers);
            fprintf(out, "%u %zu %zu", c, gclass_size(c), n);
            print_steps(out, n);
        }
}

/* 8 B objects without pointers do not exist: they share blocks. */
static void print_noscan_to_512(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, 2, gclass_of(512) + 1, false);
}
static void print_noscan_above_512(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, gclass_of(513), GOALLOC_SIZE_CLASSES, false);
}
static void print_scan_bitmap(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, 1, gclass_of(512) + 1, true);
}
static void print_scan_header(FILE *out, FILE *golden) {
    (void)golden;
    print_classes(out, gclass_of(513), GOALLOC_SIZE_CLASSES, true);
}

static void order_noscan_to_512(void **state) {
    (void)state;
    golden_compare("order-noscan-to-512", print_noscan_to_512);
}
static void order_noscan_above_512(void **state) {
    (void)state;
    golden_compare("order-noscan-above-512", print_noscan_above_512);
}
static void order_scan_bitmap(void **state) {
    (void)state;
    golden_compare("order-scan-bitmap", print_scan_bitmap);
}
static void order_scan_header(void **state) {
    (void)state;
    golden_compare("order-scan-header", print_scan_header);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_noscan_to_512),
        cmocka_unit_test(order_noscan_above_512),
        cmocka_unit_test(order_scan_bitmap),
        cmocka_unit_test(order_scan_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
