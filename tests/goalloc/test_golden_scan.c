/* SPDX-License-Identifier: MIT
 * What the pacer is told of objects that may hold pointers, against what real Go said of the same shapes
 * (variants/go/oracle/scan). */
#include "unity_traced.h"

#include "golden_heap.h"

enum { MOST_WORDS = 128 };

/* After a flush, as counts are settled when a span comes or goes. Builds that never collect keep the count to
 * themselves. */
static uint64_t scanned(FILE *out) {
    struct goalloc_mem_stats stats;
    uint64_t bytes = gc_account.scan_bytes;
    if (!goalloc_read_mem_stats(&stats) ||
        (AXIS_COLLECTS && !goalloc_read_metric("/gc/scan/heap:bytes", &bytes, 1)))
        golden_give_up(out, "no statistics");
    return AXIS_COLLECTS ? bytes : gc_account.scan_bytes;
}

static void type_of_words(const char *words, uint64_t *masks, struct goalloc_type *type) {
    size_t count = strlen(words);
    memset(masks, 0, MOST_WORDS / 8);
    for (size_t i = 0; i < count; i++)
        masks[i / 64] |= (uint64_t)(words[i] == 'p') << i % 64;
    *type = (struct goalloc_type){count * 8, masks[0], count > 64 ? masks : NULL};
}

static void replay(FILE *out, FILE *golden) {
    char line[GOLDEN_LINE_BYTES], words[MOST_WORDS + 1];
    size_t elements, objects;
    while (golden_line(golden, line, sizeof line)) {
        static uint64_t masks[MOST_WORDS / 64];
        struct goalloc_type type;
        if (sscanf(line, "%128s %zu %zu", words, &elements, &objects) != 3)
            golden_give_up(out, line);
        type_of_words(words, masks, &type);
        uint64_t before = scanned(out);
        for (size_t i = 0; i < objects; i++)
            if (goalloc_new(&type, elements) == NULL)
                golden_give_up(out, "out of memory");
        fprintf(out, "%s %zu %zu %llu\n", words, elements, objects, (unsigned long long)(scanned(out) - before));
    }
}

static void scannable_bytes_are_go_s(void **state) {
    (void)state;
    golden_compare("scan-shapes", replay);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(scannable_bytes_are_go_s)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
