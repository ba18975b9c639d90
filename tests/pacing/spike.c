/* SPDX-License-Identifier: MIT
 *
 * spike [rest|collected|busy]: 10 MiB that live, 300 MiB of small objects that die, and what is resident 0.1, 1 and 5
 * seconds later, in KiB. The program rests after one collection; rests after two, so that nothing counts as dense any
 * more; or goes on allocating some hundreds of MB a second. spike.go does the same; spike.sh runs all builds and Go. A
 * measurement, no test.
 */
#include "goalloc.h"
#include "spike.h"

#include <stdlib.h>
#include <string.h>

static const struct goalloc_type node_type = {sizeof(struct node), 1, NULL};

static struct node *roots[3]; /* what lives, the spike, the latest */

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

static void work(void) {
    for (int i = 0; i < BUSY_NODES; i++)
        goalloc_store(&roots[2], goalloc_new(&node_type, 1));
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
    print_residents(peak_kib, collections == 0 ? work : NULL);
    return 0;
}
