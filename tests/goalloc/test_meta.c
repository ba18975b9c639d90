/* SPDX-License-Identifier: MIT
 * meta: alignment, zero contents, recycling of fixed-size records. */
#include "unity_manual.h"

static void aligned_and_zero(void **state) {
    (void)state;
    size_t before = meta_committed_bytes();
    for (size_t align = 1; align <= OS_PAGE_BYTES; align *= 2) {
        unsigned char *p = meta_alloc(100, align);
        assert_int_equal((uintptr_t)p % align, 0);
        for (int i = 0; i < 100; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, 100);
    }
    assert_true(meta_committed_bytes() >= before);
}

static void large_goes_to_the_os(void **state) {
    (void)state;
    size_t before = meta_committed_bytes();
    assert_non_null(meta_alloc(META_DIRECT_BYTES + 1, 64));
    assert_int_equal(meta_committed_bytes() - before, META_DIRECT_BYTES + OS_PAGE_BYTES);
}

static void records_are_recycled_last_in_first_out(void **state) {
    (void)state;
    struct fixalloc f = {.size_bytes = 1208};
    void *a = fixalloc_take(&f), *b = fixalloc_take(&f);
    assert_int_equal((char *)b - (char *)a, 1208);
    fixalloc_give(&f, a);
    fixalloc_give(&f, b);
    assert_ptr_equal(fixalloc_take(&f), b);
    assert_ptr_equal(fixalloc_take(&f), a);
    assert_int_equal(f.in_use_bytes, 2 * 1208);
}

/* Go mfixalloc.go:56: 16 KiB chunks rounded down to whole records, 13 of an mcache's 1208 B. */
static void chunks_hold_whole_records(void **state) {
    (void)state;
    struct fixalloc f = {.size_bytes = 1208};
    fixalloc_take(&f);
    assert_int_equal(f.chunk_left_bytes, 12 * 1208);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligned_and_zero),
        cmocka_unit_test(large_goes_to_the_os),
        cmocka_unit_test(records_are_recycled_last_in_first_out),
        cmocka_unit_test(chunks_hold_whole_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
