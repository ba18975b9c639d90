/* SPDX-License-Identifier: MIT
 * The typed interface: Go's five paths (go-facts 8 and 9), stores, roots. Offsets and capacities are Go 1.25.3's. */
#include "unity_traced.h"

struct pair {
    struct pair *left;
    uint64_t value;
};
static const struct goalloc_type pair_type = {sizeof(struct pair), 1, NULL};
static const struct goalloc_type pointer_type = {8, 1, NULL};

static uint64_t page_of(const void *p) {
    return (uintptr_t)p / GOALLOC_PAGE_BYTES;
}

/* Number of objects in the first page that was filled from its start. */
static unsigned objects_per_page(void *(*allocate)(void)) {
    uint64_t page = page_of(allocate());
    void *p;
    while (page_of(p = allocate()) == page)
        continue;
    page = page_of(p);
    unsigned n = 1;
    while (page_of(allocate()) == page)
        n++;
    return n;
}

static void *scan_8(void) {
    return goalloc_new(&pointer_type, 1);
}
static void *scan_16(void) {
    return goalloc_new(&pair_type, 1);
}
static void *noscan_16(void) {
    return goalloc_bytes(16, true);
}
static void *scan_512(void) {
    return goalloc_new(&pair_type, 32);
}
static void *noscan_512(void) {
    return goalloc_bytes(512, true);
}

/* go-facts 9, classic layout. */
static void capacities_are_go_s(void **state) {
    (void)state;
    assert_int_equal(objects_per_page(scan_8), 1008);
    assert_int_equal(objects_per_page(scan_16), 504);
    assert_int_equal(objects_per_page(noscan_16), 512);
    assert_int_equal(objects_per_page(scan_512), 15);
    assert_int_equal(objects_per_page(noscan_512), 16);
}

/* go-facts 8: the sequence after a flush. */
static void tiny_sequence_is_go_s(void **state) {
    (void)state;
    static const size_t sizes[] = {4, 15, 8, 10, 8, 8, 1, 1, 2, 3};
    static const char blocks[] = "ABACDDEEEE";
    static const unsigned offsets[] = {0, 0, 8, 0, 0, 8, 0, 1, 2, 4};
    goalloc_thread_detach();
    assert_true(goalloc_thread_attach());
    uintptr_t start[5] = {0};
    for (int i = 0; i < 10; i++) {
        uintptr_t p = (uintptr_t)goalloc_bytes(sizes[i], true);
        int block = blocks[i] - 'A';
        if (start[block] == 0)
            start[block] = p;
        assert_int_equal(p - start[block], offsets[i]);
        assert_int_equal(start[block] % 16, 0);
    }
    for (int i = 1; i < 5; i++)
        assert_int_not_equal(start[i], start[i - 1]);
}

static void a_hundred_bytes_take_seven_blocks(void **state) {
    (void)state;
    goalloc_thread_detach();
    assert_true(goalloc_thread_attach());
    int blocks = 0;
    uintptr_t last = 0;
    for (int i = 0; i < 100; i++) {
        uintptr_t block = (uintptr_t)goalloc_bytes(1, true) / 16;
        blocks += block != last;
        last = block;
    }
    assert_int_equal(blocks, 7);
}

static size_t slot_bytes(void *p) {
    struct goalloc_object o = {0};
    assert_true(goalloc_object_of(p, &o));
    return o.size_bytes;
}

/* go-facts 8: 512 -> class 512 without a header, 520 -> 576 and 1024 -> 1152 with one, the object at +8. */
static void headers_begin_above_512(void **state) {
    (void)state;
    struct goalloc_object o = {0};
    assert_int_equal(slot_bytes(goalloc_new(&pointer_type, 64)), 512);
    void *p = goalloc_new(&pointer_type, 65);
    assert_true(goalloc_object_of(p, &o));
    assert_int_equal(o.size_bytes, 576);
    assert_int_equal((char *)p - (char *)o.base, 8);
    assert_ptr_equal(*(void **)o.base, &pointer_type);
    assert_int_equal(slot_bytes(goalloc_new(&pointer_type, 128)), 1152);
    assert_false(o.noscan);
}

/* Go malloc.go:1054: the split at 32760 holds for pointer-free objects too. */
static void large_begins_above_32760(void **state) {
    (void)state;
    assert_int_equal(slot_bytes(goalloc_bytes(32760, true)), 32768);
    struct goalloc_object o = {0};
    char *p = goalloc_bytes(32761, true);
    assert_true(goalloc_object_of(p + 32767, &o));
    assert_int_equal(o.index, 0);
    assert_int_equal(o.size_bytes, 5 * GOALLOC_PAGE_BYTES - GOALLOC_PAGE_BYTES);
    void *typed = goalloc_new(&pair_type, 10000);
    assert_ptr_equal(heap_span_of((uintptr_t)typed)->large_type, &pair_type);
}

static void empty_objects_share_an_address(void **state) {
    (void)state;
    assert_non_null(goalloc_bytes(0, true));
    assert_ptr_equal(goalloc_bytes(0, true), goalloc_new(&pair_type, 0));
}

static void overflow_is_refused(void **state) {
    (void)state;
    errno = 0;
    assert_null(goalloc_new(&pair_type, SIZE_MAX / 8));
    assert_int_equal(errno, ENOMEM);
    assert_null(goalloc_bytes(SIZE_MAX - 5, true));
    /* Nor does what no machine has cost tables for its addresses. */
    size_t metadata_bytes = meta_committed_bytes();
    assert_null(goalloc_bytes((size_t)1 << 43, false));
    assert_true(meta_committed_bytes() - metadata_bytes < 1 << 20);
}

/* Bit i of the page's bitmap says whether word i is a pointer; neighbours stay as they were. */
static void heap_bits_hold_the_mask(void **state) {
    (void)state;
    struct three {
        uint64_t a;
        void *b, *c;
        uint64_t d, e;
        void *f;
    };
    static const struct goalloc_type three_type = {sizeof(struct three), 0x26, NULL};
    struct three *objects[100];
    for (int i = 0; i < 100; i++)
        objects[i] = goalloc_new(&three_type, 1);
    for (int i = 0; i < 100; i++) {
        struct span *s = heap_span_of((uintptr_t)objects[i]);
        for (unsigned word = 0; word < 6; word++) {
            unsigned at = (unsigned)(((uintptr_t)objects[i] - span_base(s)) / 8) + word;
            assert_int_equal(place_pointer_bits(s)[at / 64] >> at % 64 & 1, 0x26 >> word & 1);
        }
    }
}

static void moves_respect_overlap(void **state) {
    (void)state;
    struct pair *a = goalloc_new(&pair_type, 20);
    for (uint64_t i = 0; i < 20; i++) {
        a[i].value = i;
        goalloc_store(&a[i].left, &a[i]);
    }
    goalloc_move(a + 1, a, &pair_type, 19);
    for (uint64_t i = 1; i < 20; i++) {
        assert_int_equal(a[i].value, i - 1);
        assert_ptr_equal(a[i].left, &a[i - 1]);
    }
    goalloc_move(a, a + 1, &pair_type, 19);
    for (uint64_t i = 0; i < 19; i++)
        assert_int_equal(a[i].value, i);
    goalloc_clear(a, &pair_type, 20);
    for (int i = 0; i < 20; i++)
        assert_true(a[i].value == 0 && a[i].left == NULL);
}

static void roots_are_kept_and_removed(void **state) {
    (void)state;
    static void *one[4], *two[2];
    assert_int_equal(goalloc_root_add(one, 4), 0);
    assert_int_equal(goalloc_root_add(two, 2), 0);
    assert_ptr_equal(roots.head->slots, two);
    goalloc_root_remove(one);
    assert_ptr_equal(roots.head->slots, two);
    assert_null(roots.head->next);
    goalloc_root_remove(two);
    assert_null(roots.head);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_sequence_is_go_s),    cmocka_unit_test(a_hundred_bytes_take_seven_blocks),
        cmocka_unit_test(capacities_are_go_s),      cmocka_unit_test(headers_begin_above_512),
        cmocka_unit_test(large_begins_above_32760), cmocka_unit_test(empty_objects_share_an_address),
        cmocka_unit_test(overflow_is_refused),      cmocka_unit_test(heap_bits_hold_the_mask),
        cmocka_unit_test(moves_respect_overlap),    cmocka_unit_test(roots_are_kept_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
