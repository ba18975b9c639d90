/* SPDX-License-Identifier: MIT
 * The tiny allocator, and small requests between its own, against the sequences of variants/go/oracle/tiny, which says
 * what the lines mean. */
#include "unity_traced.h"

#include "golden_heap.h"

enum { MAX_SPANS = 256, SMALLEST_SLOT = 16 };

static const size_t slot_sizes[] = {16, 24, 32, 48, 64};

/* Spans are numbered as they appear. */
static size_t span_number(uintptr_t base) {
    static uintptr_t seen[MAX_SPANS];
    static size_t count;
    for (size_t i = count; i-- > 0;)
        if (seen[i] == base)
            return i;
    if (count == MAX_SPANS)
        abort(); /* more than any script has */
    seen[count] = base;
    return count++;
}

/* What ReadMemStats does to a cache: its spans go back, the block in use is dropped (Go mcache.go:306). */
static void flush(FILE *out) {
    goalloc_thread_detach();
    if (!goalloc_thread_attach())
        golden_give_up(out, "no cache");
}

static void replay(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES];
    size_t size, pages;
    for (size_t i = 0; i < sizeof slot_sizes / sizeof slot_sizes[0]; i++)
        golden_to_fresh_span(slot_sizes[i], false, &pages);
    while (golden_line(golden, line, sizeof line)) {
        if (strcmp(line, "flush") == 0) {
            flush(out);
            fprintf(out, "flush\n");
            continue;
        }
        if (sscanf(line, "%zu", &size) != 1)
            golden_give_up(out, "a line without a size");
        uintptr_t address = (uintptr_t)goalloc_bytes(size, true);
        uintptr_t base = address & ~(uintptr_t)(GOALLOC_PAGE_BYTES - 1);
        size_t slot_bytes = gclass_size(gclass_of(size < SMALLEST_SLOT ? SMALLEST_SLOT : size));
        fprintf(out, "%zu %zu %zu %zu\n", size, span_number(base), (address - base) / slot_bytes,
                (address - base) % slot_bytes);
    }
}

static void tiny_goes_where_go_puts_it(void **state) {
    golden_compare(*state, replay);
}

#define TINY(name)                                                                                                     \
    { name, tiny_goes_where_go_puts_it, NULL, NULL, (void *)(name) }

int main(void) {
    const struct CMUnitTest tests[] = {
        TINY("tiny-given"),    TINY("tiny-hundred"),  TINY("tiny-random-1"), TINY("tiny-random-2"),
        TINY("tiny-random-3"), TINY("tiny-random-4"), TINY("tiny-random-5"), TINY("tiny-random-6"),
        TINY("tiny-even"),     TINY("tiny-mixed-1"),  TINY("tiny-mixed-2"),  TINY("tiny-mixed-3"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
