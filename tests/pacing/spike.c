/* SPDX-License-Identifier: MIT
 *
 * spike [rest|collected|busy]: 10 MiB that live, 300 MiB of small objects that die, and what is resident 0.1, 1 and 5
 * seconds later, in KiB. The program rests after one collection; rests after two, so that nothing counts as dense any
 * more; or goes on allocating some hundreds of MB a second. spike.go does the same; spike.sh runs all builds and Go. A
 * measurement, no test.
 */
#include "goalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct node {
    struct node *next;
    uint64_t pad[6];
};
static const struct goalloc_type node_type = {sizeof(struct node), 1, NULL};

enum { LIVE_BYTES = 10 << 20, SPIKE_BYTES = 300 << 20, BUSY_NODES = 100000, BUSY_US = 5000 };

static struct node *roots[3]; /* what lives, the spike, the latest */

static long resident_kib(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

__attribute__((noinline)) static void fill(struct node **list, size_t bytes) {
    for (size_t i = 0; i < bytes / sizeof(struct node); i++) {
        struct node *node = goalloc_new(&node_type, 1);
        if (node == NULL)
            exit(3);
        goalloc_store(&node->next, *list);
        goalloc_store(list, node);
    }
}

/* No word of the stack is to keep the spike. */
__attribute__((noinline)) static void wipe_stack(void) {
    volatile char bytes[16384];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

static void wait_until(double until, int busy) {
    while (now() < until) {
        for (int i = 0; busy && i < BUSY_NODES; i++)
            goalloc_store(&roots[2], goalloc_new(&node_type, 1));
        usleep(BUSY_US);
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "collected";
    int collections = strcmp(what, "rest") == 0 ? 1 : strcmp(what, "collected") == 0 ? 2 : 0;
    if (!goalloc_thread_attach() || goalloc_root_add(roots, 3) != 0)
        return 3;
    fill(&roots[0], LIVE_BYTES);
    fill(&roots[1], SPIKE_BYTES);
    wipe_stack();
    long peak_kib = resident_kib();
    goalloc_store(&roots[1], NULL);
    for (int i = 0; i < collections; i++)
        goalloc_collect();
    static const double after[] = {0.1, 1, 5};
    double begun = now();
    printf("%ld", peak_kib);
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
        wait_until(begun + after[i], collections == 0);
        printf(" %ld", resident_kib());
    }
    printf("\n");
    return 0;
}
