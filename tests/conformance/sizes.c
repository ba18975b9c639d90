/* SPDX-License-Identifier: MIT
 *
 * sizes: zero, absurd and very large requests, overflow, errno, usable size, and libc's own use of the allocator.
 */
#include "conformance.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sizes that no allocator can serve: C objects are at most PTRDIFF_MAX bytes. */
static const size_t absurd_sizes[] = {(size_t)PTRDIFF_MAX + 1,
                                      (size_t)PTRDIFF_MAX + 4096,
                                      SIZE_MAX / 2 + 17,
                                      SIZE_MAX - 65536,
                                      SIZE_MAX - 8192,
                                      SIZE_MAX - 4097,
                                      SIZE_MAX - 4096,
                                      SIZE_MAX - 4095,
                                      SIZE_MAX - 64,
                                      SIZE_MAX - 16,
                                      SIZE_MAX - 15,
                                      SIZE_MAX - 8,
                                      SIZE_MAX - 7,
                                      SIZE_MAX - 1,
                                      SIZE_MAX,
                                      PTRDIFF_MAX,
                                      PTRDIFF_MAX - 4096,
                                      PTRDIFF_MAX - 65536};
enum { ABSURD = sizeof absurd_sizes / sizeof *absurd_sizes };

static void refused(const char *function, void *p, size_t size) {
    int error = errno;
    rule("absurd-size", opaque(p) == NULL, "%s(%zu) gave %p", function, size, p);
    rule("absurd-size-errno", error == ENOMEM, "%s(%zu) left errno %d", function, size, error);
}

CASE(absurd_sizes_are_refused) {
    for (size_t i = 0; i < ABSURD; i++) {
        size_t size = opaque_size(absurd_sizes[i]);
        errno = 0;
        refused("malloc", malloc(size), size);
        errno = 0;
        refused("calloc", calloc(1, size), size);
        errno = 0;
        refused("calloc", calloc(size, 1), size);
        errno = 0;
        refused("realloc(NULL)", realloc(NULL, size), size);
        errno = 0;
        refused("aligned_alloc", aligned_alloc(64, size), size);
        errno = 0;
        refused("aligned_alloc of 1 MiB", aligned_alloc(MIB, size), size);
    }
}

CASE(absurd_sizes_are_refused_by_old_functions) {
    for (size_t i = 0; i < ABSURD; i++) {
        size_t size = opaque_size(absurd_sizes[i]);
        errno = 0;
        if (subject_has("memalign"))
            refused("memalign", memalign(128, size), size);
        errno = 0;
        if (subject_has("valloc"))
            refused("valloc", valloc(size), size);
        errno = 0;
        if (subject_has("pvalloc"))
            refused("pvalloc", pvalloc(size), size);
        errno = 0;
        refused("reallocarray(NULL)", reallocarray(NULL, 1, size), size);
        void *untouched = (void *)&errno, *out = untouched;
        int error = posix_memalign(&out, 64, size);
        rule("absurd-size", error == ENOMEM, "posix_memalign(%zu) gave %d", size, error);
        rule("posix-memalign-out", out == untouched || out == NULL, "posix_memalign(%zu) failed but gave %p", size,
             out);
    }
}

CASE(products_that_overflow_are_refused) {
    static const size_t factors[][2] = {{SIZE_MAX, 2},
                                        {2, SIZE_MAX},
                                        {SIZE_MAX / 2 + 1, 2},
                                        {(size_t)1 << 32, (size_t)1 << 32},
                                        {((size_t)1 << 32) + 1, (size_t)1 << 32},
                                        {SIZE_MAX / 16 + 1, 16},
                                        {SIZE_MAX / 16 + 2, 16},
                                        {3, SIZE_MAX / 3 + 1},
                                        {SIZE_MAX, SIZE_MAX}};
    unsigned char *kept = get(100);
    assert_non_null(kept);
    pattern_fill(kept, 100, 7);
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++) {
        size_t a = opaque_size(factors[i][0]), b = opaque_size(factors[i][1]);
        errno = 0;
        void *p = opaque(calloc(a, b));
        rule("overflow", p == NULL && errno == ENOMEM, "calloc(%zu, %zu) gave %p, errno %d", a, b, p, errno);
        errno = 0;
        p = opaque(reallocarray(NULL, a, b));
        rule("overflow", p == NULL && errno == ENOMEM, "reallocarray(NULL, %zu, %zu) gave %p, errno %d", a, b, p,
             errno);
        errno = 0;
        p = opaque(reallocarray(opaque(kept), a, b));
        rule("overflow", p == NULL && errno == ENOMEM, "reallocarray(p, %zu, %zu) gave %p, errno %d", a, b, p, errno);
    }
    assert_true(pattern_holds(kept, 100, 7));
    free(kept);
}

static void *zero_sized(unsigned how) {
    void *p = NULL;
    switch (how % 6) {
    case 0:
        return get(0);
    case 1:
        return opaque(calloc(0, 8));
    case 2:
        return opaque(calloc(8, 0));
    case 3:
        return opaque(realloc(NULL, 0));
    case 4:
        return opaque(aligned_alloc(64, 0));
    default:
        return posix_memalign(&p, 64, 0) == 0 ? opaque(p) : NULL;
    }
}

/* C17 7.22.3: a null pointer, or as if the size were some nonzero value: unique while it lives. */
CASE(zero_size_gives_null_or_a_unique_object) {
    enum { COUNT = 3000 };
    static void *objects[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        objects[i] = zero_sized(i);
    for (unsigned i = 0; i < COUNT; i++)
        for (unsigned j = 0; objects[i] != NULL && j < i; j++)
            if (objects[i] == objects[j])
                rule("zero-size", false, "zero-sized requests of kind %u and %u gave the same %p", i % 6, j % 6,
                     objects[i]);
    if (subject_is_goalloc())
        for (unsigned i = 0; i < COUNT; i++)
            assert_non_null(objects[i]);
    for (unsigned i = 0; i < COUNT; i++)
        free(objects[i]);
}

CASE(free_of_null_does_nothing) {
    errno = 4711;
    free(opaque(NULL));
    assert_int_equal(errno, 4711);
    assert_int_equal(malloc_usable_size(opaque(NULL)), 0);
}

/* POSIX.1-2024 and glibc since 2.33: free keeps errno, also when it gives memory back to the system. */
CASE(free_keeps_errno) {
    static const size_t sizes[] = {1, 8, 24, 100, 1000, 5000, 32 * KIB, 33 * KIB, 300 * KIB, 3 * MIB, 70 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *objects[64];
        size_t count = sizes[i] > MIB ? 2 : 64;
        for (size_t k = 0; k < count; k++) {
            assert_non_null(objects[k] = get(sizes[i]));
            *(volatile char *)objects[k] = 1;
        }
        for (size_t k = 0; k < count; k++) {
            errno = 4711;
            free(objects[k]);
            rule("free-errno", errno == 4711, "free of %zu bytes left errno %d", sizes[i], errno);
        }
    }
}

/* Every byte that malloc_usable_size promises can be written without touching a neighbour. */
CASE(usable_size_is_writable) {
    enum { COUNT = 512 };
    static unsigned char *objects[COUNT];
    static size_t usable[COUNT];
    for (size_t base = 0; base < 70000; base += base < 4096 ? COUNT / 2 : 17 * COUNT) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t size = base + (base < 4096 ? i : i * 17);
            assert_non_null(objects[i] = get(size));
            usable[i] = malloc_usable_size(objects[i]);
            rule("usable-size", usable[i] >= size, "malloc_usable_size of a %zu-byte object is %zu", size, usable[i]);
            pattern_fill(objects[i], usable[i], base + i);
        }
        for (size_t i = 0; i < COUNT; i++) {
            if (!pattern_holds(objects[i], usable[i], base + i))
                fail_msg("object %zu of %zu usable bytes was overwritten by a neighbour", base + i, usable[i]);
            assert_int_equal(malloc_usable_size(objects[i]), usable[i]);
            free(objects[i]);
        }
    }
}

/* Objects that lay over each other would share more than this; a page of each would say no more. */
enum { TOUCHED_EVERY = 256 * KIB };

static void touch(unsigned char *p, size_t size, size_t tag) {
    for (size_t at = 0; at < size; at += TOUCHED_EVERY)
        p[at] = pattern_byte(tag, at);
    p[size - 1] = pattern_byte(tag, 1);
}

static bool touched(const unsigned char *p, size_t size, size_t tag) {
    for (size_t at = 0; at < size - 1; at += TOUCHED_EVERY)
        if (p[at] != pattern_byte(tag, at))
            return false;
    return p[size - 1] == pattern_byte(tag, 1);
}

CASE(objects_larger_than_an_arena) {
    static const size_t sizes[] = {63 * MIB, 64 * MIB - 1, 64 * MIB, 64 * MIB + 1, 65 * MIB, 129 * MIB};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    for (int round = 0; round < 2; round++) {
        unsigned char *objects[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            assert_non_null(objects[i] = get(sizes[i]));
            rule("alignment", (uintptr_t)objects[i] % _Alignof(max_align_t) == 0, "%zu bytes at %p", sizes[i],
                 (void *)objects[i]);
            assert_true(malloc_usable_size(objects[i]) >= sizes[i]);
            touch(objects[i], sizes[i], i);
        }
        for (size_t i = 0; i < COUNT; i++) {
            if (!touched(objects[i], sizes[i], i))
                fail_msg("the object of %zu bytes, round %d, does not hold what was written to it", sizes[i], round);
            free(objects[i]);
        }
    }
}

/* Whether so much address space is granted is the system's business; a pointer that is given must be good, and the
 * records kept of it must not eat the memory. In a process of its own: a subject that keeps the mapping for later makes
 * every fork after it fail. */
CHILD(terabytes) {
    for (unsigned bits = 32; bits < 63; bits++) {
        size_t size = opaque_size((size_t)1 << bits);
        errno = 0;
        unsigned char *p = get(size);
        if (p == NULL && errno != ENOMEM)
            return (int)bits;
        if (resident_bytes() > 400 * (size_t)MIB)
            return 100 + (int)bits;
        if (p == NULL)
            continue;
        p[0] = p[size / 2] = p[size - 1] = 1;
        free(p);
    }
    return 0;
}

CASE(terabytes_are_served_or_refused) {
    char output[64];
    int status = run_child("terabytes", output, sizeof output);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -status;
    rule("terabytes", code <= 100, "malloc(2^%d) made more than 400 MiB resident", code - 100);
    rule("absurd-size-errno", code <= 0, "malloc(2^%d) failed with another errno than ENOMEM", code);
    rule("terabytes", code == 0, "died with status 0x%x", (unsigned)status);
}

CASE(libc_allocates_through_the_subject) {
    char *copy = opaque(strdup("a string that strdup copies"));
    assert_non_null(copy);
    assert_true(malloc_usable_size(copy) >= strlen(copy) + 1);
    free(copy);
    char *text = NULL;
    size_t text_size = 0;
    FILE *stream = open_memstream(&text, &text_size);
    assert_non_null(stream);
    for (int i = 0; i < 20000; i++)
        fprintf(stream, "%d ", i);
    assert_int_equal(fclose(stream), 0);
    assert_true(malloc_usable_size(text) > text_size);
    stream = fmemopen(text, text_size, "r");
    char *line = get(1);
    size_t line_size = 1;
    assert_int_equal(getline(&line, &line_size, stream), (ssize_t)text_size);
    assert_memory_equal(line, text, text_size);
    fclose(stream);
    free(line);
    free(text);
    char *directory = getcwd(NULL, 0);
    assert_non_null(directory);
    free(directory);
}

CASE(sized_frees_of_c23) {
    void (*free_sized)(void *, size_t) = NULL;
    void (*free_aligned_sized)(void *, size_t, size_t) = NULL;
    if (!subject_has("free_sized") || !subject_has("free_aligned_sized"))
        skip();
    *(void **)&free_sized = dlsym(RTLD_DEFAULT, "free_sized");
    *(void **)&free_aligned_sized = dlsym(RTLD_DEFAULT, "free_aligned_sized");
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
    for (size_t size = 0; size < 100000; size += size < 300 ? 1 : 997) {
        errno = 4711;
        free_sized(get(size), size);
        free_sized(opaque(calloc(1, size)), size);
        free_sized(opaque(realloc(get(10), size + 1)), size + 1);
        for (size_t align = 8; align <= 64 * KIB; align *= 8)
            free_aligned_sized(opaque(aligned_alloc(align, size)), align, size);
        assert_int_equal(errno, 4711);
    }
}

/* ---- what is freed leaves the process; how soon, and how much stays, is each allocator's own */

enum { LEFT_BYTES = 32 * MIB };

static void expect_gone(size_t before_bytes, const char *what) {
    size_t now_bytes = resident_bytes();
    if (now_bytes > before_bytes + LEFT_BYTES)
        fail_msg("%s leaves %zu KiB resident; expected at most %d", what, (now_bytes - before_bytes) >> 10,
                 LEFT_BYTES / KIB);
}

CASE(a_spike_of_small_objects_leaves) {
    if (!subject_is_goalloc())
        skip();
    enum { COUNT = 64 * KIB };
    static unsigned char *objects[COUNT];
    memset(objects, 1, sizeof objects); /* resident from now on */
    size_t before_bytes = resident_bytes();
    for (size_t i = 0; i < COUNT; i++)
        memset(objects[i] = get(KIB), 1, KIB);
    for (size_t i = 0; i < COUNT; i++)
        free(objects[i]);
    expect_gone(before_bytes, "a spike of 64 MiB of small objects");
}

CASE(a_table_that_doubled_leaves) {
    if (!subject_is_goalloc())
        skip();
    size_t before_bytes = resident_bytes(), size = 64 * KIB;
    unsigned char *table = get(size);
    memset(table, 1, size);
    for (; size < 256 * MIB; size *= 2) {
        assert_non_null(table = opaque(realloc(table, 2 * size)));
        assert_int_equal(table[size - 1], 1);
        memset(table + size, 1, size);
    }
    if (resident_bytes() > before_bytes + size + LEFT_BYTES)
        fail_msg("a table of 256 MiB that doubled takes %zu MiB", (resident_bytes() - before_bytes) / MIB);
    assert_non_null(table = opaque(realloc(table, MIB)));
    expect_gone(before_bytes, "a table of 256 MiB that was cut to one");
    free(table);
    expect_gone(before_bytes, "a table of 256 MiB that was freed");
}

CASE(malloc_trim_gives_back) {
    if (!subject_is_goalloc())
        skip();
    enum { COUNT = 3000 };
    static unsigned char *objects[COUNT];
    malloc_trim(0);
    size_t before_bytes = resident_bytes();
    for (size_t i = 0; i < COUNT; i++)
        memset(objects[i] = get(KIB), 1, KIB);
    for (size_t i = 0; i < COUNT; i++)
        free(objects[i]);
    int first = malloc_trim(0), second = malloc_trim(0); /* nothing allocates in between */
    assert_int_equal(first, 1);
    assert_int_equal(second, 0);
    if (resident_bytes() > before_bytes + MIB)
        fail_msg("3 MB of free objects leave %zu KiB after malloc_trim", (resident_bytes() - before_bytes) >> 10);
}
