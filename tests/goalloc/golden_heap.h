/* SPDX-License-Identifier: MIT
 *
 * Comparing goalloc with a golden: a child with a heap that nobody has used prints what goalloc decides in the golden's
 * own form, and all lines must agree. A build with Green Tea's layout is compared with what Go printed under
 * greenteagc, NAME-greentea, wherever that is another file. Include unity_traced.h before this.
 */
#ifndef TESTS_GOLDEN_HEAP_H
#define TESTS_GOLDEN_HEAP_H

#include "golden.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PLAIN_BUILD = 0 }; /* sanitizers keep Go's addresses for themselves */
#else
enum { PLAIN_BUILD = 1 };
#endif

/* Longer than any line, comments with it: a comment cut in two would be half a line of data. */
enum { GOLDEN_LINE_BYTES = 4096 };

/* Prints what goalloc does; golden is the file to replay, where there is something to replay. */
typedef void golden_producer(FILE *out, FILE *golden);

static const struct goalloc_type golden_pointer = {8, 1, NULL};

/* Where Go's hints are refused the kernel would choose each arena by itself: let them follow one another there, too. */
static void golden_place_arenas(void) {
    const size_t room_bytes = (size_t)16 << 30;
    char *room = mmap(NULL, room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return;
    munmap(room, room_bytes);
    heap.arenas.hints[0].address = ((uintptr_t)room + ARENA_BYTES - 1) & ~(uintptr_t)(ARENA_BYTES - 1);
}

/* Ends the child: what it has printed so far is compared, so that the line is named. */
_Noreturn static void golden_give_up(FILE *out, const char *why) {
    fprintf(out, "gave up: %s\n", why);
    fflush(out);
    _exit(3);
}

/* Never returns. */
static void golden_child(golden_producer *produce, FILE *out, const char *name) {
    setenv("GOALLOC_PRESET", "faithful", 1);
    setenv("GOGC", "off", 1);                /* as measure.Begin does */
    setenv("GOALLOC_DETERMINISTIC", "1", 1); /* nobody sweeps beside the test */
    if (!heap_init())
        golden_give_up(out, "no heap");
    if (!PLAIN_BUILD)
        golden_place_arenas();
    produce(out, golden_open(name));
    _exit(fflush(out) == 0 ? 0 : 3);
}

static void golden_compare_lines(FILE *golden, FILE *ours, const char *name) {
    char want[GOLDEN_LINE_BYTES], got[GOLDEN_LINE_BYTES];
    for (unsigned line = 1;; line++) {
        int more_wanted = golden_line(golden, want, sizeof want), more_got = golden_line(ours, got, sizeof got);
        if (!more_wanted && !more_got) {
            assert_true(line > 1);
            return;
        }
        if (!more_wanted || !more_got || strcmp(want, got) != 0)
            fail_msg("%s, line %u: Go '%s', goalloc '%s'", name, line, more_wanted ? want : "(end)",
                     more_got ? got : "(end)");
    }
}

static void golden_compare(const char *classic, golden_producer *produce) {
    char greentea[64];
    snprintf(greentea, sizeof greentea, "%s-greentea", classic);
    const char *name = AXIS_INLINE_MARKS && golden_exists(greentea) ? greentea : classic;
    FILE *golden = golden_open(name);
    FILE *ours = tmpfile();
    assert_non_null(ours);
    pid_t pid = fork();
    if (pid == 0)
        golden_child(produce, ours, name);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    rewind(ours);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        print_error("%s: the child ended with status %x\n", name, (unsigned)status);
    golden_compare_lines(golden, ours, name);
    assert_int_equal(status, 0);
    fclose(ours);
    fclose(golden);
}

/* An object of n bytes, one with pointers made of them. *pages: what the heap gave for it, 0 for a slot in use. */
static char *golden_alloc(size_t n, bool pointers, size_t *pages) {
    size_t before = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED);
    char *p = pointers ? goalloc_new(&golden_pointer, n / 8) : goalloc_bytes(n, true);
    if (p == NULL)
        abort(); /* out of memory */
    *pages = __atomic_load_n(&heap.pages_in_use, __ATOMIC_RELAXED) - before;
    return p;
}

static char *golden_to_fresh_span(size_t n, bool pointers, size_t *pages) {
    char *p;
    do
        p = golden_alloc(n, pointers, pages);
    while (*pages == 0);
    return p;
}

/* The largest request that a slot of the class holds. */
static size_t golden_request(unsigned size_class, bool pointers) {
    size_t size_bytes = gclass_size(size_class);
    if (pointers && size_bytes > HEAP_BITS_MAX_OBJECT_BYTES)
        return size_bytes - 8;
    return size_bytes < HEAP_MAX_SMALL_BYTES ? size_bytes : HEAP_MAX_SMALL_BYTES;
}

#endif
