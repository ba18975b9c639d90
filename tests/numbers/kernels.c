/* SPDX-License-Identifier: MIT
 *
 * kernels [RUNS]: what scanning one page of objects costs, by the portable kernel and by the one of AVX2 and BMI2 that
 * Green Tea takes where it can. After Go's BenchmarkScanSpanPacked (internal/runtime/gc/scan/scan_test.go in 1.26):
 * random pointer bits, pages in random order, the same objects grey in each page, none to all of them in 11 steps; a
 * working set of one page, of three quarters of a second-level cache, and of much more than any cache.
 *
 * The two are run in turn, RUNS times (default 31) each after the other, and what is shown is the median of the ratios
 * of neighbours, with the interval that two order statistics bound at 95 % or more. "faster" and "slower" count the
 * cells whose whole interval lies on one side of 1.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "numbers"
#include "gc-greentea.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include "rng.h"
#include "stats.h"

enum { STEPS = 11, MAX_RUNS = 1001, RUN_NS = 40000, SEED = 42 };

struct set {
    const char *name;
    unsigned pages;
};

static struct {
    uintptr_t (*pages)[KERNEL_PAGE_WORDS];
    uint64_t (*bits)[KERNEL_WORDS];
    uint32_t *order;
    uint64_t objects[TEA_WORDS + 1];
    uintptr_t found[KERNEL_FOUND];
    uint64_t sum;
} in;

static struct rng rng;

static void *memory(size_t size_bytes) {
    void *p =
        aligned_alloc(GOALLOC_PAGE_BYTES, (size_bytes + GOALLOC_PAGE_BYTES - 1) & ~(size_t)(GOALLOC_PAGE_BYTES - 1));
    if (p == NULL)
        os_die("out of memory");
    return p;
}

static void shuffle(uint32_t *order, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        order[i] = i;
    for (unsigned i = count; i > 1; i--) {
        unsigned k = (unsigned)rng_below(&rng, i);
        uint32_t other = order[i - 1];
        order[i - 1] = order[k];
        order[k] = other;
    }
}

static void fill(unsigned pages) {
    in.pages = memory((size_t)pages * sizeof *in.pages);
    in.bits = memory((size_t)pages * sizeof *in.bits);
    in.order = memory((size_t)pages * sizeof *in.order);
    for (unsigned p = 0; p < pages; p++) {
        for (unsigned i = 0; i < KERNEL_PAGE_WORDS; i++)
            in.pages[p][i] = GOALLOC_PAGE_BYTES + (uintptr_t)p * KERNEL_PAGE_WORDS + i;
        for (unsigned i = 0; i < KERNEL_WORDS; i++)
            in.bits[p][i] = rng_next(&rng);
    }
    shuffle(in.order, pages);
}

static void drop(void) {
    free(in.pages);
    free(in.bits);
    free(in.order);
}

KERNEL_INLINE void scan(unsigned page, unsigned nelems, unsigned object_words, unsigned count, bool vector) {
    uint64_t words[KERNEL_WORDS + 2];
    kernel_clear(words, KERNEL_WORDS + 2);
    kernel_expand(words, in.objects, nelems, object_words, count, vector);
    unsigned found = kernel_gather((uintptr_t)in.pages[page], words, in.bits[page], in.found, vector);
    in.sum += found != 0 ? in.found[found - 1] + found : 0;
}

__attribute__((noinline)) static void scan_portable(unsigned page, unsigned nelems, unsigned words, unsigned count) {
    scan(page, nelems, words, count, false);
}

KERNEL_VECTOR __attribute__((noinline)) static void scan_vector(unsigned page, unsigned nelems, unsigned words,
                                                                unsigned count) {
    scan(page, nelems, words, count, true);
}

struct cell {
    unsigned pages, nelems, object_words, grey;
};

/* ns per page. */
static double run(const struct cell *c, unsigned turns, unsigned *at, bool vector) {
    uint64_t begun_ns = os_now_ns();
    for (unsigned i = 0; i < turns; i++) {
        unsigned page = in.order[*at];
        *at = *at + 1 == c->pages ? 0 : *at + 1;
        if (vector)
            scan_vector(page, c->nelems, c->object_words, c->grey);
        else
            scan_portable(page, c->nelems, c->object_words, c->grey);
    }
    return (double)(os_now_ns() - begun_ns) / turns;
}

struct outcome {
    double portable_ns, ratio, low, high;
};

static struct outcome compare(const struct cell *c, unsigned runs) {
    static double ratios[MAX_RUNS], portable[MAX_RUNS];
    unsigned at = 0, turns = 1;
    while (turns < 1 << 16 && run(c, turns, &at, false) * turns < RUN_NS)
        turns *= 2;
    for (unsigned i = 0; i < runs; i++) {
        bool vector_first = i % 2 != 0;
        double first = run(c, turns, &at, vector_first), second = run(c, turns, &at, !vector_first);
        portable[i] = vector_first ? second : first;
        ratios[i] = vector_first ? first / second : second / first;
    }
    struct stats_interval ratio = stats_median_interval(ratios, runs);
    return (struct outcome){stats_median(portable, runs), stats_median(ratios, runs), ratio.low, ratio.high};
}

static void set_grey(const uint32_t *order, unsigned count) {
    memset(in.objects, 0, sizeof in.objects);
    for (unsigned i = 0; i < count; i++)
        in.objects[order[i] / 64] |= UINT64_C(1) << order[i] % 64;
}

static void compare_set(const struct set *set, unsigned runs) {
    unsigned faster = 0, slower = 0, cells = 0;
    rng_seed(&rng, SEED, 0);
    fill(set->pages);
    printf(
        "\n%s, %u pages: AVX2's time over portable's, by per cent of the page's objects; portable's at 100, ns/page\n",
        set->name, set->pages);
    printf("%6s", "bytes");
    for (unsigned step = 0; step < STEPS; step++)
        printf(" %6u", step * 100 / (STEPS - 1));
    printf(" %9s\n", "ns");
    for (unsigned class = GOALLOC_CLASS_OF_16; class <= GOALLOC_CLASS_OF_512; class ++) {
        struct cell c = {.pages = set->pages, .object_words = (unsigned)gclass_size(class) / 8};
        struct outcome o = {0};
        uint32_t order[TEA_WORDS * 64];
        c.nelems = span_objects(GOALLOC_PAGE_BYTES, gclass_size(class), true, true);
        shuffle(order, c.nelems);
        printf("%6zu", gclass_size(class));
        for (unsigned step = 0; step < STEPS; step++) {
            c.grey = (c.nelems * step + (STEPS - 1) / 2) / (STEPS - 1);
            set_grey(order, c.grey);
            o = compare(&c, runs);
            printf(" %5.2f%c", o.ratio, o.high < 1 ? '+' : o.low > 1 ? '-' : '~');
            cells++;
            faster += o.high < 1;
            slower += o.low > 1;
        }
        printf(" %9.0f\n", o.portable_ns);
    }
    printf("AVX2 faster in %u, slower in %u of %u cells\n", faster, slower, cells);
    drop();
}

int main(int argc, char **argv) {
    int runs = argc > 1 ? atoi(argv[1]) : 31;
    if (runs < STATS_LEAST_FOR_INTERVAL || runs > MAX_RUNS) {
        fprintf(stderr, "kernels: RUNS is '%s': %d to %d\n", argv[1], STATS_LEAST_FOR_INTERVAL, MAX_RUNS);
        return 2;
    }
    printf("AVX-512 with GFNI (Go 1.26's kernels): %s\n",
           __builtin_cpu_supports("gfni") && __builtin_cpu_supports("avx512vbmi") ? "this processor has it; not built"
                                                                                  : "n/a on this processor");
    if (!kernel_vector_runs()) {
        puts("AVX2 with BMI2: n/a on this processor; the portable kernel is all there is");
        return 0;
    }
    puts("+ AVX2 faster, - slower: the whole 95 % interval of the ratio says so; ~ neither");
    const struct set sets[] = {{"one page", 1}, {"second-level cache", 96}, {"memory", 32768}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        compare_set(&sets[i], (unsigned)runs);
    return in.sum == 0; /* keeps the work */
}
