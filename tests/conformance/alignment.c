/* SPDX-License-Identifier: MIT
 *
 * alignment: what malloc owes without being asked, and the five functions that can be asked.
 */
#include "conformance.h"

#include <unistd.h>

/* 16 from 16 bytes on; below, what any object that fits can need: the largest power of two not above the size. */
static size_t owed_alignment(size_t size) {
    size_t align = 1;
    while (align * 2 <= size && align < _Alignof(max_align_t))
        align *= 2;
    return align;
}

static void aligned_as_owed(const char *function, const void *p, size_t size) {
    assert_non_null(p);
    rule("alignment", (uintptr_t)p % owed_alignment(size) == 0, "%s(%zu) gave %p, owes %zu", function, size, p,
         owed_alignment(size));
}

CASE(natural_alignment) {
    enum { LIVE = 9 };
    void *objects[LIVE * 3];
    for (size_t size = 1; size < 100000; size += size < 2100 ? 1 : 509) {
        for (size_t i = 0; i < LIVE; i++) {
            aligned_as_owed("malloc", objects[3 * i] = get(size), size);
            aligned_as_owed("calloc", objects[3 * i + 1] = opaque(calloc(1, size)), size);
            aligned_as_owed("realloc", objects[3 * i + 2] = opaque(realloc(get(1), size)), size);
        }
        for (size_t i = 0; i < LIVE * 3; i++)
            free(objects[i]);
    }
}

enum how { ALIGNED_ALLOC, POSIX_MEMALIGN, MEMALIGN, HOWS };
static const char *const how_names[HOWS] = {"aligned_alloc", "posix_memalign", "memalign"};

static void *aligned(enum how how, size_t align, size_t size) {
    void *p = NULL;
    if (how == ALIGNED_ALLOC)
        return opaque(aligned_alloc(opaque_size(align), size));
    if (how == MEMALIGN)
        return opaque(memalign(opaque_size(align), size));
    return posix_memalign(&p, opaque_size(align), size) == 0 ? opaque(p) : NULL;
}

static unsigned char *checked_aligned(enum how how, size_t align, size_t size, size_t tag) {
    unsigned char *p = aligned(how, align, size);
    if (p == NULL)
        fail_msg("%s(%zu, %zu) failed", how_names[how], align, size);
    rule("aligned", (uintptr_t)p % align == 0, "%s(%zu, %zu) gave %p", how_names[how], align, size, (void *)p);
    rule("usable-size", malloc_usable_size(p) >= size, "%s(%zu, %zu): usable size %zu", how_names[how], align, size,
         malloc_usable_size(p));
    pattern_fill(p, malloc_usable_size(p), tag);
    return p;
}

/* Many live at once, written to the end of their usable size, so that an overlap shows. */
static void all_alignments(enum how how) {
    for (size_t align = how == POSIX_MEMALIGN ? sizeof(void *) : 1; align <= MIB; align *= 2) {
        const size_t sizes[] = {1,   7,    16,   24, align - (align > 1), align, align + 1, 3 * align, align / 2 + 1,
                                100, 5000, 40000};
        enum { COUNT = sizeof sizes / sizeof *sizes };
        unsigned char *objects[2 * COUNT];
        size_t usable[2 * COUNT];
        for (size_t i = 0; i < 2 * COUNT; i++) {
            objects[i] = checked_aligned(how, align, sizes[i % COUNT], i);
            usable[i] = malloc_usable_size(objects[i]);
        }
        for (size_t i = 0; i < 2 * COUNT; i++) {
            if (!pattern_holds(objects[i], usable[i], i))
                fail_msg("%s(%zu, %zu) overlaps another object", how_names[how], align, sizes[i % COUNT]);
            free(objects[i]);
        }
    }
}

CASE(aligned_alloc_of_every_power_of_two) {
    all_alignments(ALIGNED_ALLOC);
}

CASE(posix_memalign_of_every_power_of_two) {
    all_alignments(POSIX_MEMALIGN);
}

CASE(memalign_of_every_power_of_two) {
    if (!subject_has("memalign"))
        skip();
    all_alignments(MEMALIGN);
}

CASE(alignment_of_64_mib) {
    static const size_t aligns[] = {2 * MIB, 4 * MIB, 16 * MIB, 64 * MIB};
    for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
        survivable("huge-alignment");
        unsigned char *small = aligned(ALIGNED_ALLOC, aligns[i], 100),
                      *large = aligned(POSIX_MEMALIGN, aligns[i], 65 * MIB);
        rule("huge-alignment", small != NULL && large != NULL, "alignment %zu: %p and %p", aligns[i], (void *)small,
             (void *)large);
        rule("huge-alignment", (uintptr_t)small % aligns[i] == 0 && (uintptr_t)large % aligns[i] == 0,
             "alignment %zu: %p and %p", aligns[i], (void *)small, (void *)large);
        if (small != NULL)
            memset(small, 1, 100);
        if (large != NULL)
            large[0] = large[65 * MIB - 1] = 2;
        assert_true(small == NULL || (small[0] == 1 && small[99] == 1));
        free(small);
        free(large);
    }
}

CASE(posix_memalign_refuses_bad_alignments) {
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 9, 12, 24, 48, 100, 4097, 4104, SIZE_MAX, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        void *untouched = (void *)&bad, *out = untouched;
        int error = posix_memalign(&out, opaque_size(bad[i]), 64);
        rule("posix-memalign-einval", error == EINVAL, "alignment %zu gave %d", bad[i], error);
        rule("posix-memalign-out", out == untouched || out == NULL || error == 0, "alignment %zu: failed but gave %p",
             bad[i], out);
        if (subject_is_goalloc())
            assert_ptr_equal(out, untouched);
        if (error == 0)
            free(out);
    }
}

CASE(aligned_alloc_refuses_bad_alignments) {
    static const size_t bad[] = {0, 3, 12, 24, 100, 4097};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        void *p = opaque(aligned_alloc(opaque_size(bad[i]), bad[i] * 2));
        rule("aligned-alloc-einval", p == NULL && errno == EINVAL, "alignment %zu gave %p, errno %d", bad[i], p, errno);
        free(p);
    }
}

/* The largest alignments cannot be served; the answer is a failure, not an endless search or a wrapped sum. */
CASE(absurd_alignments_are_refused) {
    survivable("absurd-alignment");
    /* goalloc: all that memory could not hold. 2 to the power of 40 and more were once granted, after seconds. */
    unsigned first_bits = 48;
    while (subject_is_goalloc() &&
           (size_t)1 << (first_bits - 2) > (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE))
        first_bits--;
    size_t resident_before_bytes = resident_bytes();
    for (unsigned bits = first_bits; bits < 64; bits++) {
        errno = 0;
        void *p = opaque(aligned_alloc(opaque_size((size_t)1 << bits), 64));
        rule("absurd-alignment", p == NULL && (errno == ENOMEM || errno == EINVAL), "alignment 2^%u gave %p, errno %d",
             bits, p, errno);
        void *out = NULL;
        int error = posix_memalign(&out, opaque_size((size_t)1 << bits), 64);
        rule("absurd-alignment", error == ENOMEM || error == EINVAL, "posix_memalign 2^%u gave %d", bits, error);
    }
    if (subject_is_goalloc() && resident_bytes() > resident_before_bytes + MIB)
        fail_msg("refusing absurd alignments took %zu KiB of memory", (resident_bytes() - resident_before_bytes) >> 10);
}

CASE(valloc_and_pvalloc) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!subject_has("valloc"))
        skip();
    /* A zero-sized request may be answered by NULL or by any unique address. */
    for (size_t size = subject_is_goalloc() ? 0 : 1; size < 5 * page; size += 511) {
        unsigned char *p = opaque(valloc(size));
        assert_non_null(p);
        rule("valloc", (uintptr_t)p % page == 0, "valloc(%zu) gave %p", size, (void *)p);
        assert_true(malloc_usable_size(p) >= size);
        memset(p, 1, size);
        free(p);
        if (!subject_has("pvalloc"))
            continue;
        assert_non_null(p = opaque(pvalloc(size)));
        size_t rounded = (size + page - 1) / page * page;
        rule("pvalloc", (uintptr_t)p % page == 0 && malloc_usable_size(p) >= rounded,
             "pvalloc(%zu) gave %p with %zu usable bytes", size, (void *)p, malloc_usable_size(p));
        memset(p, 1, size);
        free(p);
    }
}

CASE(realloc_of_aligned_objects_keeps_contents) {
    for (size_t align = 16; align <= 64 * KIB; align *= 2)
        for (size_t size = 1; size < 50000; size = size * 3 + 5) {
            unsigned char *p = aligned(ALIGNED_ALLOC, align, size);
            assert_non_null(p);
            pattern_fill(p, size, align);
            assert_non_null(p = opaque(realloc(p, size * 2)));
            assert_true(pattern_holds(p, size, align));
            assert_non_null(p = opaque(realloc(p, size / 2 + 1)));
            assert_true(pattern_holds(p, size / 2 + 1, align));
            free(p);
        }
}
