/* SPDX-License-Identifier: MIT
 *
 * peaks.c: how far a heap outgrows its goals and its memory limit. Threads replace chains of nodes of a heap of
 * live_mib; what is printed are measurements, which depend on the host and what else it does. What always holds is
 * tested in tests/goalloc/test_collecting.c and test_pacer.c.
 *
 *   peaks [live_mib [allocated_mib [threads]]]        by default 6, 512, 4
 *
 *   GOGC=off GOMEMLIMIT=24MiB build/tests/pacing/peaks-classic-tiny-linear
 *   taskset -c 0 build/tests/pacing/peaks-classic-tiny-sizeclass 1 400 4
 */
#include "goalloc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { NODE_BYTES = 64, CHAIN = 64, CHAINS_PER_MIB = (1 << 20) / NODE_BYTES / CHAIN, MOST_THREADS = 64 };

struct node {
    struct node *next;
    uint64_t unused[7];
};

static const struct goalloc_type node_type = {NODE_BYTES, 1, NULL};
static struct node **slots; /* a registered root: chains of CHAIN nodes each */
static size_t chains, allocated_chains;

static void *replace(void *first) {
    struct node **mine = first;
    uint64_t random = (uintptr_t)(mine - slots) + 1;
    if (!goalloc_thread_attach())
        exit(1);
    for (size_t i = 0; i < allocated_chains; i++) {
        struct node *head = NULL;
        for (unsigned k = 0; k < CHAIN; k++) {
            struct node *node = goalloc_new(&node_type, 1);
            if (node == NULL)
                exit(1);
            goalloc_store(&node->next, head);
            head = node;
        }
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        goalloc_store(&mine[i < chains ? i : (random >> 33) % chains], head);
    }
    goalloc_thread_detach();
    return NULL;
}

static void print_cycles(void) {
    static struct goalloc_gc_cycle cycles[GOALLOC_GC_CYCLES_KEPT];
    uint64_t first, highest = 0;
    double furthest = 0;
    size_t count = goalloc_gc_cycles(0, cycles, GOALLOC_GC_CYCLES_KEPT, &first);
    for (size_t i = 0; i < count; i++) {
        double share = (double)cycles[i].peak_live_bytes / (double)cycles[i].goal_bytes;
        furthest = share > furthest ? share : furthest;
        highest = cycles[i].peak_live_bytes > highest ? cycles[i].peak_live_bytes : highest;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("%zu cycles; first peak %.1f MiB at a goal of %.1f; highest peak %.1f MiB, furthest beyond its goal %.2f; "
           "RSS %.1f MiB\n",
           count, count != 0 ? (double)cycles[0].peak_live_bytes / (1 << 20) : 0,
           count != 0 ? (double)cycles[0].goal_bytes / (1 << 20) : 0, (double)highest / (1 << 20), furthest,
           (double)usage.ru_maxrss / 1024);
}

int main(int argc, char **argv) {
    size_t live_mib = argc > 1 ? (size_t)atoi(argv[1]) : 6, allocated_mib = argc > 2 ? (size_t)atoi(argv[2]) : 512;
    unsigned threads = argc > 3 ? (unsigned)atoi(argv[3]) : 4;
    if (live_mib < 1 || threads < 1 || threads > MOST_THREADS || live_mib * CHAINS_PER_MIB < threads)
        return 2;
    chains = live_mib * CHAINS_PER_MIB / threads;
    allocated_chains = allocated_mib * CHAINS_PER_MIB / threads;
    slots = calloc(chains * threads, sizeof *slots);
    if (slots == NULL || !goalloc_thread_attach() || goalloc_root_add(slots, chains * threads) != 0)
        return 1;
    goalloc_thread_detach();
    pthread_t ids[MOST_THREADS];
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, replace, &slots[i * chains]) != 0)
            return 1;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    print_cycles();
    return 0;
}
