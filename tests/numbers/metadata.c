/* SPDX-License-Identifier: MIT
 *
 * metadata [LIVE_BYTES [SEED]]: what the preloaded manual build of goalloc spends on itself when that much is live in
 * objects of 16 to 112 B, drawn uniformly. One line: axes, objects, requested, allocated and metadata bytes, their
 * ratio.
 */
#define _GNU_SOURCE
#include "goalloc.h"
#include "rng.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { SMALLEST = 16, LARGEST = 112 };

static void *needed(const char *name) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol != NULL)
        return symbol;
    fprintf(stderr, "metadata: no %s: preload a manual build, LD_PRELOAD=build/lib/libgoalloc-manual-....so\n", name);
    exit(2);
}

int main(int argc, char **argv) {
    const uint64_t live_bytes = argc > 1 ? strtoull(argv[1], NULL, 10) : UINT64_C(256) << 20;
    const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    void *(*take)(size_t) = (void *(*)(size_t))needed("goalloc_malloc");
    int (*count)(uint64_t *) = (int (*)(uint64_t *))needed("goalloc_counters");
    const char *(*axes)(void) = (const char *(*)(void))needed("goalloc_axes");
    uint64_t before[GOALLOC_COUNTERS], after[GOALLOC_COUNTERS], requested = 0, objects = 0;
    struct rng rng;
    rng_seed(&rng, seed, 0);
    count(before);
    while (requested < live_bytes) {
        size_t size = rng_between(&rng, SMALLEST, LARGEST);
        unsigned char *p = take(size);
        if (p == NULL) {
            fprintf(stderr, "metadata: out of memory with %llu B live\n", (unsigned long long)requested);
            return 1;
        }
        *p = 1; /* live and resident */
        requested += size;
        objects++;
    }
    count(after);
    /* allocated and metadata: see goalloc_counters. Before: what the C library itself has taken by now. */
    uint64_t allocated = after[0] - before[0], metadata = after[3];
    printf("%-24s %9llu %11llu %11llu %10llu %20.3f %%\n", axes(), (unsigned long long)objects,
           (unsigned long long)requested, (unsigned long long)allocated, (unsigned long long)metadata,
           100.0 * (double)metadata / (double)allocated);
    return 0;
}
