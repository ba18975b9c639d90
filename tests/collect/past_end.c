/* SPDX-License-Identifier: MIT
 *
 * past_end: objects to which the only pointer is one past their end, as GOALLOC_PAST_END has it: kept wherever the
 * pointer is (on), where it is on a stack (stacks), or not to be counted on (off). Of neighbours every other one is held,
 * so that to keep the wrong one shows. GOALLOC_DETERMINISTIC=1 makes what is left exact.
 */
#include "goalloc.h"
#include "wipe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1200, LONG_WORDS = 40000 / 512 + 1 };

#define EXPECT(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "past_end, line %d: expected %s; ", __LINE__, #condition);                                 \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Tiny ones, those that fill a slot or a granule to the last byte and those that do not, the longest without a header,
 * with one, the longest small ones, whole pages, several oblets. */
static const size_t sizes[] = {
    1, 2, 4, 7, 8, 12, 15, 16, 24, 32, 48, 64, 100, 128, 208, 496, 504, 512, 520, 568, 1016, 1024, 1144, 2048, 4096,
    8184, 8192, 16384, 32744, 32752, 32760, 32768, 40960, 65536, 300000, 1 << 20,
};

static const uintptr_t disguise = UINT64_C(0xa5a5a5a5a5a5a5a5);
static uintptr_t hidden[MOST];
static void *roots[MOST];

static struct goalloc_type type_of(size_t size_bytes) {
    static uint64_t no_masks[(1 << 20) / 512 + 1] = {1}; /* the first word may point */
    return (struct goalloc_type){size_bytes, 1, size_bytes > 512 ? no_masks : NULL};
}

static size_t number_of(size_t size_bytes) {
    size_t several_spans = (size_t)256 * 1024 / size_bytes;
    return several_spans > MOST ? MOST : several_spans < 12 ? 12 : several_spans;
}

static __attribute__((noinline)) void *make(size_t size_bytes, bool scan, size_t i) {
    static struct goalloc_type types[sizeof sizes / sizeof sizes[0]];
    size_t k = 0;
    while (sizes[k] != size_bytes)
        k++;
    types[k] = type_of(size_bytes);
    char *object = scan ? goalloc_new(&types[k], 1) : goalloc_bytes(size_bytes, true);
    EXPECT(object != NULL, "out of memory");
    object[size_bytes - 1] = (char)(i * 7 + 1);
    hidden[i] = (uintptr_t)object ^ disguise;
    return object + size_bytes;
}

static __attribute__((noinline)) bool is_whole(size_t size_bytes, size_t i) {
    struct goalloc_object o;
    char *object = (char *)(hidden[i] ^ disguise);
    return goalloc_object_of(object, &o) && object[size_bytes - 1] == (char)(i * 7 + 1) &&
           (char *)o.base + o.size_bytes >= object + size_bytes;
}

static __attribute__((noinline)) void wipe(void) {
    wipe_below(65536);
}

/* What is dead is taken again, and overwritten. */
static __attribute__((noinline)) void collect(size_t size_bytes, bool scan, size_t n) {
    static struct goalloc_type types[sizeof sizes / sizeof sizes[0]];
    size_t k = 0;
    while (sizes[k] != size_bytes)
        k++;
    types[k] = type_of(size_bytes);
    for (int times = 0; times < 2; times++) {
        wipe();
        goalloc_collect();
        for (size_t i = 0; i < n; i++) {
            char *object = scan ? goalloc_new(&types[k], 1) : goalloc_bytes(size_bytes, true);
            EXPECT(object != NULL, "out of memory");
            object[size_bytes - 1] = 0;
        }
    }
}

static size_t count_held(size_t size_bytes, size_t n) {
    size_t whole = 0;
    for (size_t i = 0; i < n; i += 2)
        whole += is_whole(size_bytes, i);
    return whole;
}

static void expect_held(size_t size_bytes, bool scan, size_t n, const char *by) {
    size_t whole = count_held(size_bytes, n), all = (n + 1) / 2;
    EXPECT(whole == all, "%zu of %zu %s objects of %zu bytes are kept by pointers one past their ends %s", whole, all,
           scan ? "typed" : "pointer-free", size_bytes, by);
}

static __attribute__((noinline)) void fill_slots(void **slots, size_t size_bytes, bool scan, size_t n) {
    for (size_t i = 0; i < n; i++) {
        void *end = make(size_bytes, scan, i);
        if (i % 2 == 0)
            goalloc_store(&slots[i], end);
    }
}

static void in_roots(size_t size_bytes, bool scan) {
    size_t n = number_of(size_bytes);
    fill_slots(roots, size_bytes, scan, n);
    collect(size_bytes, scan, n);
    expect_held(size_bytes, scan, n, "in roots");
    for (size_t i = 0; i < n; i++)
        goalloc_store(&roots[i], NULL);
}

/* The last of them in an object of its own, the others in one that is large. */
static void in_the_heap(size_t size_bytes, bool scan) {
    static uint64_t masks[MOST * 8 / 512 + 1];
    static const struct goalloc_type slots_type = {MOST * 8, UINT64_MAX, masks};
    memset(masks, 0xff, sizeof masks);
    size_t n = number_of(size_bytes);
    roots[0] = goalloc_new(&slots_type, 1);
    fill_slots(roots[0], size_bytes, scan, n);
    collect(size_bytes, scan, n);
    expect_held(size_bytes, scan, n, "in the heap");
    goalloc_store(&roots[0], NULL);
}

static __attribute__((noinline)) void on_the_stack(size_t size_bytes, bool scan) {
    void *volatile slots[MOST] = {NULL};
    size_t n = number_of(size_bytes);
    fill_slots((void **)slots, size_bytes, scan, n);
    collect(size_bytes, scan, n);
    expect_held(size_bytes, scan, n, "on the stack");
    slots[0] = NULL;
}

/* In the heap and in roots such pointers must not be: one leads to the slot behind, which may be free or have never been
 * an object. The collector then either finds nothing amiss or ends the process in a line that says what would help. */
static void refused(size_t size_bytes) {
    size_t n = number_of(size_bytes);
    fill_slots(roots, size_bytes, true, n);
    for (int times = 0; times < 4; times++)
        goalloc_collect();
}

static void in_roots_off(size_t size_bytes) {
    int ends[2], status;
    char said[600] = "";
    EXPECT(pipe(ends) == 0, "no pipe");
    pid_t child = fork();
    EXPECT(child >= 0, "no process");
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        refused(size_bytes);
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t used = 0, more; (more = read(ends[0], said + used, sizeof said - 1 - (size_t)used)) > 0;)
        used += more;
    close(ends[0]);
    EXPECT(waitpid(child, &status, 0) == child, "no child");
    EXPECT(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
                           strstr(said, "found a pointer to the free object") != NULL &&
                           strstr(said, "GOALLOC_PAST_END=on") != NULL),
           "with %zu bytes the process ends with status %#x and says: %s", size_bytes, (unsigned)status, said);
}

static void sizes_beyond_all_fail(void) {
    for (size_t below = 0; below < 20; below++) {
        EXPECT(goalloc_bytes(SIZE_MAX - below, false) == NULL, "SIZE_MAX - %zu bytes are granted", below);
        EXPECT(goalloc_bytes(PTRDIFF_MAX - below, false) == NULL, "PTRDIFF_MAX - %zu bytes are granted", below);
    }
    static const struct goalloc_type most = {SIZE_MAX - 7, 1, NULL};
    EXPECT(goalloc_new(&most, 1) == NULL, "SIZE_MAX - 7 bytes are granted");
}

/* Empty objects share an address; nothing lies before it that could be kept. */
static void empty_objects_are_no_objects(void) {
    struct goalloc_object o;
    EXPECT(!goalloc_object_of(goalloc_bytes(0, false), &o), "an empty object has a slot");
}

int main(void) {
    char knob[16];
    EXPECT(goalloc_thread_attach() && goalloc_root_add(roots, MOST) == 0, "out of memory");
    EXPECT(goalloc_knob("past_end", knob, sizeof knob) == 0, "there is no such knob");
    bool on = strcmp(knob, "on") == 0, stacks = strcmp(knob, "stacks") == 0, off = strcmp(knob, "off") == 0;
    EXPECT(on || stacks || off, "it is '%s'", knob);
    struct goalloc_gc_sums sums;
    bool collects = goalloc_read_gc(&sums);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++)
        for (int scan = 0; scan <= (sizes[k] % 8 == 0); scan++) {
            if (on || !collects) {
                in_roots(sizes[k], scan);
                in_the_heap(sizes[k], scan);
            }
            if (on || stacks || !collects)
                on_the_stack(sizes[k], scan);
        }
    static const size_t filling[] = {32, 64, 512, 568, 1144};
    for (size_t k = 0; !on && collects && k < sizeof filling / sizeof filling[0]; k++)
        in_roots_off(filling[k]);
    sizes_beyond_all_fail();
    empty_objects_are_no_objects();
    return 0;
}
