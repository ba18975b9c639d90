/* SPDX-License-Identifier: MIT
 *
 * path_cost PATH COUNT: allocates COUNT objects by one of the typed interface's five paths, from a fresh span on. Its
 * instructions are counted by callgrind, within path_cost_take only (scripts/allocator-numbers.sh).
 *
 *   tiny     4 B, four of them to a block      header   1024 B with pointers and a type header
 *   noscan   64 B without pointers             large    64 KiB without pointers, not to be zeroed
 *   bitmap   64 B with pointers
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "numbers"
#include "gc-nogc.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include <stdio.h>

static const struct goalloc_type node_64 = {64, 0x3, NULL};

static void *take_tiny(void) {
    return goalloc_bytes(4, true);
}
static void *take_noscan(void) {
    return goalloc_bytes(64, true);
}
static void *take_bitmap(void) {
    return goalloc_new(&node_64, 1);
}
static void *take_header(void) {
    return goalloc_new(&node_64, 16);
}
static void *take_large(void) {
    return goalloc_bytes(64 << 10, false);
}

static const struct path {
    const char *name;
    void *(*take)(void);
} paths[] = {
    {"tiny", take_tiny},     {"noscan", take_noscan}, {"bitmap", take_bitmap},
    {"header", take_header}, {"large", take_large},
};

/* What is counted: the call as a program makes it, and all below. */
__attribute__((noinline)) static void path_cost_take(void *(*take)(void)) {
    if (take() == NULL)
        os_die("out of memory");
}

int main(int argc, char **argv) {
    size_t count = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    for (size_t i = 0; count > 0 && i < sizeof paths / sizeof paths[0]; i++) {
        if (strcmp(paths[i].name, argv[1]) != 0)
            continue;
        if (paths[i].take() == NULL) /* the thread has a cache, its class a span */
            os_die("out of memory");
        for (size_t n = 0; n < count; n++)
            path_cost_take(paths[i].take);
        return 0;
    }
    fprintf(stderr, "usage: %s tiny|noscan|bitmap|header|large COUNT\n", argv[0]);
    return 2;
}
