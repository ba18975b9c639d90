/* SPDX-License-Identifier: MIT
 *
 * dies_allocating: a handler of SIGABRT that uses the heap which was found broken. Included behind dies.h, in tests of
 * manual builds.
 */
#ifndef TESTS_DIES_ALLOCATING_H
#define TESTS_DIES_ALLOCATING_H

/* Each exit status says what went wrong. */
static void expect_filled(const char *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (p[i] != (char)size)
            _exit(11);
}

static void allocate_on_abort(int number) {
    (void)number;
    static int calls;
    if (calls++ != 0)
        _exit(10); /* the death of a death */
    for (size_t size = 0; size < 300000; size = size * 3 + 1) {
        char *p = goalloc_malloc(size), *q = goalloc_calloc(size, 1), *r = goalloc_aligned_alloc(4096, size);
        if (p == NULL || q == NULL || r == NULL || (uintptr_t)r % 4096 != 0)
            _exit(12);
        if (size != 0 && (q[0] != 0 || memcmp(q, q + 1, size - 1) != 0))
            _exit(13);
        if (goalloc_usable_size(p) < size || goalloc_usable_size(r) < size)
            _exit(14);
        memset(p, (int)size, size);
        p = goalloc_realloc(p, size * 2 + 1);
        if (p == NULL)
            _exit(15);
        expect_filled(p, size);
        goalloc_free(p);
        goalloc_free(q);
        goalloc_free(r);
    }
    goalloc_purge();
}

#endif
