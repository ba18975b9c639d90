/* SPDX-License-Identifier: MIT
 * The tiny allocator against the sequences that variants/go/oracle/tiny has recorded. */
#include "unity_traced.h"

#include "golden_heap.h"

enum { MAX_REQUESTS = 4096, BLOCK_BYTES = 16 };

/* Blocks are numbered as they appear. */
static size_t block_number(uintptr_t block) {
    static uintptr_t seen[MAX_REQUESTS];
    static size_t count;
    for (size_t i = count; i-- > 0;)
        if (seen[i] == block)
            return i;
    if (count == MAX_REQUESTS)
        abort(); /* more than any script has */
    seen[count] = block;
    return count++;
}

static void replay(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES];
    unsigned size;
    while (golden_line(golden, line, sizeof line)) {
        if (sscanf(line, "%u", &size) != 1)
            golden_give_up(out, "a line without a size");
        uintptr_t address = (uintptr_t)goalloc_bytes(size, true);
        if (size >= BLOCK_BYTES)
            fprintf(out, "%u - -\n", size);
        else
            fprintf(out, "%u %zu %zu\n", size, block_number(address & ~(uintptr_t)(BLOCK_BYTES - 1)),
                    (size_t)(address % BLOCK_BYTES));
    }
}

static void tiny_goes_where_go_puts_it(void **state) {
    golden_compare(*state, replay);
}

#define TINY(name) cmocka_unit_test_prestate(tiny_goes_where_go_puts_it, (void *)(name))

int main(void) {
    const struct CMUnitTest tests[] = {
        TINY("tiny-given"),    TINY("tiny-hundred"), TINY("tiny-random-1"), TINY("tiny-random-2"),
        TINY("tiny-random-3"), TINY("tiny-even"),    TINY("tiny-mixed-1"),  TINY("tiny-mixed-2"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
