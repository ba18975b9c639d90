/* SPDX-License-Identifier: MIT
 *
 * contents: what realloc keeps and what calloc clears.
 */
#include "conformance.h"

static const size_t steps[] = {0,     1,     7,     8,      9,      15,   16,      17,      24,     25,
                               100,   500,   1000,  1024,   1025,   4096, 8192,    10000,   32760,  32768,
                               32769, 40000, 65536, 131072, 200000, MIB,  MIB + 1, 3 * MIB, 9 * MIB};
enum { STEPS = sizeof steps / sizeof *steps };

/* Any size to any size: grown, shrunk, in place or not. */
CASE(realloc_keeps_contents) {
    for (size_t from = 1; from < STEPS; from++)
        for (size_t to = 1; to < STEPS; to++) {
            unsigned char *p = get(steps[from]), *next_door = get(steps[from]);
            assert_non_null(p);
            pattern_fill(p, steps[from], from);
            p = opaque(realloc(p, opaque_size(steps[to])));
            assert_non_null(p);
            size_t kept = steps[from] < steps[to] ? steps[from] : steps[to];
            if (!pattern_holds(p, kept, from))
                rule("realloc-contents", false, "from %zu to %zu bytes lost the contents", steps[from], steps[to]);
            rule("usable-size", malloc_usable_size(p) >= steps[to], "realloc to %zu: usable size %zu", steps[to],
                 malloc_usable_size(p));
            memset(p, 0xa5, steps[to]);
            free(next_door);
            free(p);
        }
}

CASE(realloc_of_null_is_malloc) {
    for (size_t i = 0; i < STEPS; i++) {
        void *p = opaque(realloc(NULL, opaque_size(steps[i])));
        assert_true(p != NULL || steps[i] == 0);
        memset(p, 1, steps[i]);
        free(p);
    }
}

/* C17: implementation-defined whether the old object is freed; in every case nothing may leak. */
CASE(realloc_to_zero_does_not_leak) {
    for (int i = 0; i < 1000; i++)
        free(opaque(realloc(get(5000), opaque_size(0))));
    size_t before = resident_bytes();
    for (int i = 0; i < 20000; i++) {
        void *p = get(5000);
        memset(p, 1, 5000);
        free(opaque(realloc(p, opaque_size(0))));
    }
    size_t after = resident_bytes();
    rule("realloc-zero-leak", after < before + 32 * MIB, "grew from %zu to %zu bytes resident", before, after);
}

CASE(failed_realloc_keeps_the_old_object) {
    for (size_t i = 1; i < STEPS; i++) {
        unsigned char *p = get(steps[i]);
        assert_non_null(p);
        pattern_fill(p, steps[i], i);
        errno = 0;
        void *moved = opaque(realloc(opaque(p), opaque_size((size_t)PTRDIFF_MAX + 1)));
        rule("absurd-size", moved == NULL, "realloc to PTRDIFF_MAX + 1 gave %p", moved);
        rule("absurd-size-errno", errno == ENOMEM, "realloc to PTRDIFF_MAX + 1 left errno %d", errno);
        assert_true(pattern_holds(p, steps[i], i));
        free(p);
    }
}

/* Sizes that overflow when a header or a rounding is added. */
CASE(realloc_to_nearly_all_of_memory_fails) {
    survivable("realloc-size-overflow");
    for (size_t less = 0; less < 70000; less = less * 2 + 1)
        for (size_t i = 1; i < STEPS; i += 3) {
            unsigned char *p = get(steps[i]);
            assert_non_null(p);
            pattern_fill(p, steps[i], i);
            void *moved = opaque(realloc(opaque(p), opaque_size(SIZE_MAX - less)));
            rule("absurd-size", moved == NULL, "realloc to SIZE_MAX - %zu gave %p", less, moved);
            assert_true(pattern_holds(p, steps[i], i));
            free(p);
        }
}

/* A vector that doubles, then one that grows by a little each time, across every boundary between strategies. */
CASE(growing_step_by_step) {
    unsigned char *p = NULL;
    size_t size = 0;
    for (size_t next = 1; next <= 200 * (size_t)MIB; next = next * 2 + 1) {
        assert_non_null(p = opaque(realloc(p, next)));
        for (size_t at = 0; at < size; at += at < 64 * KIB ? 1 : 4093)
            if (p[at] != pattern_byte(1, at))
                rule("realloc-contents", false, "byte %zu lost while growing from %zu to %zu", at, size, next);
        for (size_t at = 0; at < next; at += at < 64 * KIB ? 1 : 4093)
            p[at] = pattern_byte(1, at);
        size = next;
    }
    assert_non_null(p = opaque(realloc(p, 100)));
    assert_true(pattern_holds(p, 100, 1));
    free(p);
    p = NULL;
    for (size = 1; size < 20000; size += 13) {
        assert_non_null(p = opaque(realloc(p, size)));
        p[size - 1] = pattern_byte(2, size);
        for (size_t at = 1; at < size; at += 13)
            assert_int_equal(p[at - 1], pattern_byte(2, at));
    }
    free(p);
}

CASE(reallocarray_keeps_contents) {
    unsigned *numbers = NULL;
    for (unsigned count = 1; count < 30000; count = count * 3 / 2 + 1) {
        assert_non_null(numbers = opaque(reallocarray(numbers, count, sizeof *numbers)));
        numbers[count - 1] = count;
        for (unsigned i = 1; i < count; i = i * 3 / 2 + 1)
            assert_int_equal(numbers[i - 1], i);
    }
    free(numbers);
}

/* Dirty memory is made by filling and freeing many objects of the size, several threads' worth of slots. */
CASE(calloc_clears_dirty_memory) {
    enum { LIVE = 64 };
    for (size_t size = 1; size < 100 * (size_t)MIB; size += size < 600 ? 1 : size < MIB ? size / 7 : size / 2) {
        unsigned char *objects[LIVE];
        size_t count = size > MIB ? 1 : size > 32 * KIB ? 4 : LIVE;
        for (size_t i = 0; i < count; i++) {
            assert_non_null(objects[i] = get(size));
            memset(objects[i], 0xff, malloc_usable_size(objects[i]));
        }
        for (size_t i = 0; i < count; i++)
            free(objects[i]);
        for (size_t i = 0; i < count; i++) {
            assert_non_null(objects[i] = opaque(i % 2 ? calloc(1, size) : calloc(size, 1)));
            if (!all_zero(objects[i], size))
                rule("calloc-zero", false, "calloc of %zu bytes is not zero", size);
            memset(objects[i], 0xff, size);
        }
        for (size_t i = 0; i < count; i++)
            free(objects[i]);
    }
}

CASE(calloc_clears_what_realloc_left) {
    for (size_t size = 64; size < 16 * (size_t)MIB; size *= 2) {
        unsigned char *p = get(size);
        memset(p, 0xff, size);
        assert_non_null(p = opaque(realloc(p, size / 4)));
        unsigned char *q = opaque(calloc(3, size / 4));
        assert_non_null(q);
        if (!all_zero(q, size / 4 * 3))
            rule("calloc-zero", false, "calloc of %zu bytes after a shrinking realloc is not zero", size / 4 * 3);
        memset(q, 0xff, size / 4 * 3);
        free(q);
        assert_non_null(p = opaque(realloc(p, size * 2)));
        free(p);
    }
}
