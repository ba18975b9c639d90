/* SPDX-License-Identifier: MIT
 *
 * stops: how long the world stands still while one thread zeroes, clears, moves and copies large blocks, on a build that
 * collects. The first row of each size is what to compare with: the same on small blocks, while as large ones are held.
 * Times are shown and judge nothing; that this work is done in pieces is tested in tests/goalloc/test_stops.c.
 *
 *   stops [LARGEST_MIB [COLLECTIONS [SMALLEST_MIB]]]     by default 1024, 50, 1: blocks of 1, 4, 16, ... MiB, so many
 *                                                        collections for each row. The largest size takes about five
 *                                                        times itself of memory.
 *
 * A thread that waits for a processor holds a stop up as well: on a machine that does other things, look at a run under
 * `chrt -f 1`.
 */
#include "goalloc.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALL_BYTES = 4096, MOST_MIB = 1024, MOST_COLLECTIONS = 100000 };

static const struct goalloc_type words = {8, 1, NULL}, bytes = {8, 0, NULL};

/* What the other thread does over and over. a, b: blocks of `size_bytes` of its type. */
struct work {
    const char *name;
    const struct goalloc_type *type;
    void (*once)(const struct goalloc_type *type, void *a, void *b, size_t size_bytes);
};

static void *new_block(const struct goalloc_type *type, size_t size_bytes) {
    void *block = goalloc_new(type, size_bytes / 8);
    if (block == NULL) {
        fprintf(stderr, "stops: no memory for a block of %zu MiB: name a smaller LARGEST_MIB\n", size_bytes >> 20);
        exit(1);
    }
    return block;
}

static void make(const struct goalloc_type *type, void *a, void *b, size_t size_bytes) {
    (void)a;
    (void)b;
    new_block(type, size_bytes);
}

static void make_bytes(const struct goalloc_type *type, void *a, void *b, size_t size_bytes) {
    (void)type;
    (void)a;
    (void)b;
    if (goalloc_bytes(size_bytes, true) == NULL)
        exit(1);
}

static void clear(const struct goalloc_type *type, void *a, void *b, size_t size_bytes) {
    (void)b;
    goalloc_clear(a, type, size_bytes / 8);
}

/* Over itself, by an odd number of words. */
static void move(const struct goalloc_type *type, void *a, void *b, size_t size_bytes) {
    (void)b;
    goalloc_move((char *)a + 56, a, type, size_bytes / 8 - 7);
}

static void copy(const struct goalloc_type *type, void *a, void *b, size_t size_bytes) {
    goalloc_move(b, a, type, size_bytes / 8);
}

static const struct work works[] = {
    {"new, pointers", &words, make},    {"new, typed bytes", &bytes, make},  {"new, zeroed bytes", &bytes, make_bytes},
    {"clear, pointers", &words, clear}, {"clear, bytes", &bytes, clear},     {"move, pointers", &words, move},
    {"move, bytes", &bytes, move},      {"copy, pointers", &words, copy},    {"copy, bytes", &bytes, copy},
};
enum { WORKS = sizeof works / sizeof works[0] };

struct worker {
    const struct work *work; /* NULL: all of them, on small blocks */
    size_t size_bytes;       /* of those that it holds, and works on where it works on large ones */
    atomic_bool ready, stop;
    unsigned long done;
};

static bool uses_blocks(const struct work *work) {
    return work->once != make && work->once != make_bytes;
}

static void *run(void *argument) {
    struct worker *w = argument;
    if (!goalloc_thread_attach())
        exit(1);
    const struct goalloc_type *type = w->work != NULL ? w->work->type : &words;
    bool blocks = w->work == NULL || uses_blocks(w->work);
    /* Held by this thread's stack. */
    void *volatile a = blocks ? new_block(type, w->size_bytes) : NULL;
    void *volatile b = blocks ? new_block(type, w->size_bytes) : NULL;
    atomic_store(&w->ready, true);
    for (; !atomic_load_explicit(&w->stop, memory_order_relaxed); w->done++) {
        const struct work *work = w->work != NULL ? w->work : &works[w->done % WORKS];
        work->once(type, a, b, w->work != NULL ? w->size_bytes : SMALL_BYTES);
        goalloc_safepoint();
    }
    goalloc_thread_detach();
    return NULL;
}

static int compare(const void *x, const void *y) {
    uint64_t a = ((const struct goalloc_gc_pause *)x)->length_ns, b = ((const struct goalloc_gc_pause *)y)->length_ns;
    return a < b ? -1 : a > b;
}

static uint64_t pauses_so_far(void) {
    struct goalloc_gc_sums sums;
    if (!goalloc_read_gc(&sums)) {
        fputs("stops: this build has no collector\n", stderr);
        exit(2);
    }
    return sums.pauses;
}

static void print_row(const struct worker *w, uint64_t first) {
    static struct goalloc_gc_pause pauses[GOALLOC_GC_PAUSES_KEPT];
    char size[32];
    size_t count = goalloc_gc_pauses(first, pauses, GOALLOC_GC_PAUSES_KEPT, &first);
    if (count == 0)
        return;
    snprintf(size, sizeof size, "%zu MiB", w->size_bytes >> 20);
    qsort(pauses, count, sizeof pauses[0], compare);
    printf("%-18s %9s %8lu %7zu %9.3f %9.3f %11.3f\n", w->work != NULL ? w->work->name : "small blocks", size, w->done,
           count, (double)pauses[count / 2].length_ns / 1e6, (double)pauses[count * 99 / 100].length_ns / 1e6,
           (double)pauses[count - 1].length_ns / 1e6);
    fflush(stdout);
}

/* Collections beside one that works. What it has left is gone before the next one begins. */
static void measure(const struct work *work, size_t size_bytes, unsigned collections) {
    struct worker w = {.work = work, .size_bytes = size_bytes};
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, &w) != 0)
        exit(1);
    while (!atomic_load(&w.ready))
        sched_yield();
    uint64_t first = pauses_so_far();
    for (unsigned i = 0; i < collections; i++)
        goalloc_collect();
    atomic_store(&w.stop, true);
    pthread_join(thread, NULL);
    print_row(&w, first);
    goalloc_collect();
    goalloc_purge();
}

int main(int argc, char **argv) {
    int largest_mib = argc > 1 ? atoi(argv[1]) : MOST_MIB, collections = argc > 2 ? atoi(argv[2]) : 50,
        smallest_mib = argc > 3 ? atoi(argv[3]) : 1;
    if (largest_mib > MOST_MIB || collections < 1 || collections > MOST_COLLECTIONS || smallest_mib < 1 ||
        smallest_mib > largest_mib) {
        fprintf(stderr, "usage: stops [LARGEST_MIB [COLLECTIONS [SMALLEST_MIB]]]: at most %d and %d\n", MOST_MIB,
                MOST_COLLECTIONS);
        return 2;
    }
    if (!goalloc_thread_attach())
        return 1;
    printf("%s\n%-18s %9s %8s %7s %9s %9s %11s\n", goalloc_axes(), "work", "block", "done", "stops", "p50 ms", "p99 ms",
           "longest ms");
    for (size_t size_mib = (size_t)smallest_mib; size_mib <= (size_t)largest_mib; size_mib *= 4) {
        measure(NULL, size_mib << 20, (unsigned)collections);
        for (size_t i = 0; i < WORKS; i++)
            measure(&works[i], size_mib << 20, (unsigned)collections);
    }
    return 0;
}
