/* SPDX-License-Identifier: MIT
 * arena: hints, the page table across arenas, the zero watermark, refused addresses. */
#include "unity_manual.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PLAIN_BUILD = 0 }; /* sanitizers keep Go's addresses for themselves */
#else
enum { PLAIN_BUILD = 1 };
#endif

static struct arena_space *fresh_space(void) {
    struct arena_space *a = meta_alloc(sizeof *a, 64);
    assert_non_null(a);
    assert_true(arena_space_init(a, os_address_limit_bytes() != SIZE_MAX));
    return a;
}

/* Runs check in a child, because reservations outlive a test. The child exits 0 when check returns true. */
static void in_child(bool (*check)(void)) {
    pid_t pid = fork();
    if (pid == 0)
        _exit(check() ? 0 : 1);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool first_arena_is_go_s(void) {
    struct arena_space *a = fresh_space();
    size_t got;
    uintptr_t first = arena_reserve(a, 1, &got);
    uintptr_t second = arena_reserve(a, ARENA_BYTES + 1, &got);
    return first == 0xc000000000 && second == first + ARENA_BYTES && got == 2 * ARENA_BYTES;
}

static void first_hint(void **state) {
    (void)state;
    if (!PLAIN_BUILD)
        skip();
    in_child(first_arena_is_go_s);
}

static bool taken_hint_is_dropped(void) {
    mmap((void *)0xc000000000, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    struct arena_space *a = fresh_space();
    size_t got;
    uintptr_t first = arena_reserve(a, 1, &got);
    return first == 0x1c000000000 && arena_of(a, first) != NULL;
}

static void second_hint(void **state) {
    (void)state;
    if (!PLAIN_BUILD)
        skip();
    in_child(taken_hint_is_dropped);
}

static bool all_hints_taken(void) {
    struct arena_space *a = fresh_space();
    a->hint_count = 0;
    size_t got;
    uintptr_t first = arena_reserve(a, 1, &got);
    if (first == 0 || first % ARENA_BYTES != 0 || a->hint_count != 2)
        return false;
    /* Go malloc.go:699: upwards is tried first. */
    if (a->hints[0].down || a->hints[0].address != first + got || !a->hints[1].down || a->hints[1].address != first)
        return false;
    return arena_reserve(a, 1, &got) != 0 && arena_of(a, first) != NULL;
}

static void hints_used_up(void **state) {
    (void)state;
    in_child(all_hints_taken);
}

static bool limited_space_steps_small(void) {
    struct rlimit limit = {512 << 20, 512 << 20};
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        return false;
    struct arena_space a = {0};
    size_t got;
    if (!arena_space_init(&a, os_address_limit_bytes() != SIZE_MAX))
        return false;
    uintptr_t first = arena_reserve(&a, 1, &got);
    return first != 0 && got == ARENA_MIN_STEP_BYTES && arena_reserve(&a, 1, &got) == first + got &&
           arena_reserve(&a, (size_t)1 << 30, &got) == 0;
}

static void limited_space(void **state) {
    (void)state;
    if (!PLAIN_BUILD)
        skip(); /* a sanitizer's shadow does not fit below any limit */
    in_child(limited_space_steps_small);
}

static void spans_across_arenas(void **state) {
    (void)state;
    struct arena_space *a = fresh_space();
    size_t got;
    uintptr_t base = arena_reserve(a, 2 * ARENA_BYTES, &got);
    assert_int_not_equal(base, 0);
    static struct span s;
    uintptr_t run = base + ARENA_BYTES - 3 * GOALLOC_PAGE_BYTES;
    arena_set_spans(a, run, 7, &s);
    assert_null(arena_span_of(a, run - 1));
    for (size_t i = 0; i < 7; i++)
        assert_ptr_equal(arena_span_of(a, run + i * GOALLOC_PAGE_BYTES + i), &s);
    assert_null(arena_span_of(a, run + 7 * GOALLOC_PAGE_BYTES));
    arena_set_spans(a, run, 7, NULL);
    assert_null(arena_span_of(a, run));
    /* Anything may be asked. */
    uintptr_t odd[] = {0, 1, (uintptr_t)&s, UINTPTR_MAX, (uintptr_t)1 << 47, (uintptr_t)1 << 63};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_null(arena_span_of(a, odd[i]));
}

static void zero_watermark(void **state) {
    (void)state;
    struct arena_space *a = fresh_space();
    size_t got;
    uintptr_t base = arena_reserve(a, 2 * ARENA_BYTES, &got);
    assert_false(arena_needs_zero(a, base, 4));
    assert_true(arena_needs_zero(a, base, 1));
    assert_true(arena_needs_zero(a, base + 3 * GOALLOC_PAGE_BYTES, 4));
    assert_true(arena_needs_zero(a, base + 6 * GOALLOC_PAGE_BYTES, 1));
    assert_false(arena_needs_zero(a, base + 7 * GOALLOC_PAGE_BYTES, 1));
    /* A run over the border is old when either part is. */
    assert_false(arena_needs_zero(a, base + ARENA_BYTES, 2));
    assert_true(arena_needs_zero(a, base + ARENA_BYTES - GOALLOC_PAGE_BYTES, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_hint),    cmocka_unit_test(second_hint),    cmocka_unit_test(hints_used_up),
        cmocka_unit_test(limited_space), cmocka_unit_test(zero_watermark), cmocka_unit_test(spans_across_arenas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
