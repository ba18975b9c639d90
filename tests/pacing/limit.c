/* SPDX-License-Identifier: MIT
 *
 * limit.c: a program whose live heap does not fit GOMEMLIMIT must go on, because the collector may take half of the CPU
 * and not all of it (claim PA-04, Go mgclimit.go). It replaces nodes of a heap of LIVE_MIB without end. At first every
 * allocation pays by assisting; then the limiter has to come on. tests/goalloc/test_collecting.c shows that nobody
 * assists while it is.
 *
 *   limit              ends when the limiter has come on and AFTER_MIB more have been allocated, or with MOST_MIB. How soon
 *                      it comes on depends on when the collector's threads get a processor. Fails if the collector took
 *                      more than half of the CPU, and a second, and the limiter did not come on.
 *   limit --measure    allocates MEASURED_MIB whatever happens and prints the CPU it took: with and without a limit,
 * the ratio is the slowdown
 */
#include "goalloc.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NODE_BYTES = 64, NODES_PER_MIB = (1 << 20) / NODE_BYTES, CHAIN = 256 };
enum { LIVE_MIB = 32, MOST_MIB = 4096, AFTER_MIB = 64, MEASURED_MIB = 1024 };

struct node {
    struct node *next;
    uint64_t value, unused[6];
};

static const struct goalloc_type node_type = {NODE_BYTES, 1, NULL};
static struct node **slots; /* a registered root: chains of CHAIN nodes each */

static uint64_t metric(const char *name) {
    uint64_t value = 0;
    if (!goalloc_read_metric(name, &value, 1)) {
        fprintf(stderr, "limit: this build has no %s\n", name);
        exit(2);
    }
    return value;
}

static uint64_t cpu_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void replace_chain(size_t at) {
    struct node *head = NULL;
    for (unsigned i = 0; i < CHAIN; i++) {
        struct node *node = goalloc_new(&node_type, 1);
        if (node == NULL) {
            fprintf(stderr, "limit: out of memory\n");
            exit(1);
        }
        node->value = at;
        goalloc_store(&node->next, head);
        head = node;
    }
    goalloc_store(&slots[at], head);
}

static void replace_mib(size_t chains) {
    static uint64_t random = 1;
    for (unsigned i = 0; i < NODES_PER_MIB / CHAIN; i++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        replace_chain((random >> 33) % chains);
    }
}

/* The bucket has never been full: then what was poured into it, less what the program drained, is below its second. The
 * limiter counts assists and, while marking, a quarter of all CPU. Marking lasted for at least the CPU that it took. */
static int check_never_on(uint64_t process_ns, uint64_t cycles) {
    enum { SECOND_NS = 1000000000, UPDATES_NS = 100000000 /* what the last windows have not poured yet */ };
    struct goalloc_gc_sums sums;
    if (!goalloc_read_gc(&sums))
        return 2;
    uint64_t counted_ns = sums.assist_cpu_ns + (sums.assist_cpu_ns + sums.mark_cpu_ns) / 4;
    fprintf(stderr, "limit: never on in %llu cycles for %d MiB; counted for the collector: %.2f s or more of %.2f s of CPU\n",
            (unsigned long long)cycles, MOST_MIB, (double)counted_ns / 1e9, (double)process_ns / 1e9);
    if (2 * counted_ns <= process_ns + SECOND_NS + UPDATES_NS)
        return 0;
    fprintf(stderr, "limit: FAILED: that is more than half and a second, so the limiter had to come on\n");
    return 1;
}

static int check(size_t chains) {
    unsigned mib = 0;
    uint64_t came_on = 0, process_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (; mib < MOST_MIB && came_on == 0; mib++) {
        replace_mib(chains);
        came_on = metric("/gc/limiter/last-enabled:gc-cycle");
    }
    uint64_t cycles = metric("/gc/cycles/total:gc-cycles");
    if (came_on == 0)
        return check_never_on(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process_ns, cycles);
    for (unsigned more = 0; more < AFTER_MIB; more++)
        replace_mib(chains);
    printf("on in cycle %llu, after %u MiB; %llu cycles for the next %u\n", (unsigned long long)came_on, mib,
           (unsigned long long)(metric("/gc/cycles/total:gc-cycles") - cycles), AFTER_MIB);
    return 0;
}

static int measure(size_t chains) {
    bool limited = getenv("GOMEMLIMIT") != NULL;
    while (limited && metric("/gc/limiter/last-enabled:gc-cycle") == 0)
        replace_mib(chains); /* the bucket's leeway: once, a second of each processor */
    uint64_t cycles = metric("/gc/cycles/total:gc-cycles");
    uint64_t process_ns = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), thread_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned mib = 0; mib < MEASURED_MIB; mib++)
        replace_mib(chains);
    cycles = metric("/gc/cycles/total:gc-cycles") - cycles;
    printf("%.3f ms of CPU per MiB, %.3f of them the program's thread; %llu cycles for %d MiB\n",
           (double)(cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - process_ns) / 1e6 / MEASURED_MIB,
           (double)(cpu_ns(CLOCK_THREAD_CPUTIME_ID) - thread_ns) / 1e6 / MEASURED_MIB, (unsigned long long)cycles,
           MEASURED_MIB);
    return 0;
}

int main(int argc, char **argv) {
    size_t chains = (size_t)LIVE_MIB * NODES_PER_MIB / CHAIN;
    slots = calloc(chains, sizeof *slots);
    if (slots == NULL || !goalloc_thread_attach() || goalloc_root_add(slots, chains) != 0)
        return 1;
    for (size_t i = 0; i < chains; i++)
        replace_chain(i);
    return argc > 1 && strcmp(argv[1], "--measure") == 0 ? measure(chains) : check(chains);
}
