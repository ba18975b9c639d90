/* SPDX-License-Identifier: MIT
 * The generated size classes against the figures that Go 1.25.3 printed (results/golden/sizeclasses.txt). */
#include "unity_manual.h"

#include "golden.h"

#include <string.h>

static void sizes_are_go_s(void **state) {
    (void)state;
    FILE *golden = golden_open("sizeclasses");
    char line[128];
    unsigned rows = 0, size_class, size_bytes;
    while (golden_line(golden, line, sizeof line)) {
        assert_int_equal(sscanf(line, "%u %u", &size_class, &size_bytes), 2);
        assert_int_equal(gclass_size(size_class), size_bytes);
        rows++;
    }
    fclose(golden);
    assert_int_equal(rows, GOALLOC_SIZE_CLASSES - 1);
}

static void every_size_gets_the_smallest_class(void **state) {
    (void)state;
    assert_int_equal(gclass_of(0), 0); /* nothing is not a small object */
    for (size_t size = 1; size <= GOALLOC_MAX_SMALL_SIZE; size++) {
        unsigned c = gclass_of(size);
        assert_true(gclass_size(c) >= size);
        assert_true(gclass_size(c - 1) < size);
    }
}

/* Worst waste in hundredths of a percent: the rest of the span plus the most that requests of the class leave unused.
 */
static unsigned worst_waste(unsigned c) {
    size_t span = gclass_pages(c) * GOALLOC_PAGE_BYTES, n = span / gclass_size(c);
    size_t wasted = (gclass_size(c) - gclass_size(c - 1) - 1) * n + span % gclass_size(c);
    return (unsigned)((wasted * 10000 + span / 2) / span);
}

/* Three of the published figures (Go sizeclasses.go:6-73). */
static void waste_is_the_published_one(void **state) {
    (void)state;
    assert_int_equal(worst_waste(gclass_of(8)), 8750);
    assert_int_equal(worst_waste(gclass_of(48)), 3152);
    assert_int_equal(worst_waste(gclass_of(4864)), 1665);
}

static void classes_up_to_512_take_one_page(void **state) {
    (void)state;
    for (unsigned c = 1; c <= gclass_of(512); c++)
        assert_int_equal(gclass_pages(c), 1);
}

/* The generator tries this too; here it is the header in use that is tried. */
static void the_magic_divides(void **state) {
    (void)state;
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++)
        for (size_t offset = 0; offset <= gclass_pages(c) * GOALLOC_PAGE_BYTES; offset++)
            if (((uint64_t)offset * gclass_div_magic(c) >> 32) != offset / gclass_size(c))
                fail_msg("class %u, offset %zu", c, offset);
}

static void exact_slots_agree_with_division(void **state) {
    (void)state;
    span_bits_init(); /* as the first allocation would */
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++) {
        struct span s = {.elem_bytes = (uint32_t)gclass_size(c), .base = 0xc000000000};
        /* The tuned preset lengthens spans of few slots. */
        size_t pages = gclass_size(c) < 256 ? gclass_pages(c) : HEAP_TUNED_MAX_PAGES;
        if (pages < gclass_pages(c))
            pages = gclass_pages(c);
        size_t span_bytes = pages * GOALLOC_PAGE_BYTES;
        s.nelems = (uint32_t)(span_bytes / gclass_size(c));
        assert_true(place_span_init(&s));
        for (size_t offset = 0; offset < span_bytes; offset++) {
            uint32_t slot = place_exact_slot(&s, s.base + offset);
            bool starts = offset % gclass_size(c) == 0 && offset / gclass_size(c) < s.nelems;
            if (slot < s.exact_slots ? !starts || slot != offset / gclass_size(c) : starts)
                fail_msg("class %u, offset %zu: slot %u of %u", c, offset, slot, s.nelems);
        }
        place_span_fini(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_go_s),
        cmocka_unit_test(every_size_gets_the_smallest_class),
        cmocka_unit_test(waste_is_the_published_one),
        cmocka_unit_test(classes_up_to_512_take_one_page),
        cmocka_unit_test(the_magic_divides),
        cmocka_unit_test(exact_slots_agree_with_division),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
