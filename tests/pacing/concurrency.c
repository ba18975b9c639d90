/* SPDX-License-Identifier: MIT
 *
 * concurrency.c: does the program run while the heap is marked? A benchmark: of every mark phase longer than 5 ms it
 * takes the CPU that went into neither marking nor assists, and divides by 0.75 x min(threads, processors) x the
 * phase's length, which is what Go's pacer leaves to a program. At least half of that is wanted; exit 1 when a phase
 * has less. What the process got of the host in those phases is printed beside it: on a loaded host that is the bound.
 *
 *   GOMAXPROCS=2 concurrency-greentea [THREADS [LIVE_MIB [CYCLES]]]
 */
#include "../goalloc/unity_collecting.h"

#include <stdlib.h>

enum { CHAIN = 64, MOST_THREADS = 16, MOST_PHASES = 1000 };
static const uint64_t shortest_ns = 5000000;

struct node {
    struct node *next;
    uint64_t value[7];
};

static const struct goalloc_type node_type = {sizeof(struct node), 1, NULL};
static struct node **slots;
static size_t chains;
static unsigned threads = 2;
static uint32_t stop;

static void *mutate(void *arg) {
    uint64_t random = (uintptr_t)arg + 1;
    goalloc_thread_attach();
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t at = (random >> 33) % (chains / threads) + (uintptr_t)arg * (chains / threads);
        struct node *head = NULL;
        /* Some work of its own between requests, as programs have. */
        for (const struct node *node = slots[at]; node != NULL; node = node->next)
            random += node->value[0];
        for (unsigned i = 0; i < CHAIN; i++) {
            struct node *node = goalloc_new(&node_type, 1);
            if (node == NULL)
                exit(1);
            node->value[0] = random;
            goalloc_store(&node->next, head);
            head = node;
        }
        goalloc_store(&slots[at], head);
    }
    goalloc_thread_detach();
    return NULL;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct phase {
    uint64_t process_ns, watcher_ns;
};

static struct phase look(void) {
    return (struct phase){os_process_cpu_ns(), os_thread_cpu_ns()};
}

static void await_phase(uint32_t phase) {
    while (__atomic_load_n(&gc.phase, __ATOMIC_ACQUIRE) != phase)
        os_wait_while(&gc.phase, phase == GC_MARK ? GC_OFF : GC_MARK, 100000);
}

/* The program's share of one phase, in *got what the process got of all processors; 0: the phase was too short. */
static double watch(unsigned processors, double *got) {
    await_phase(GC_OFF);
    await_phase(GC_MARK);
    uint64_t begun_ns = os_now_ns();
    struct phase before = look();
    await_phase(GC_OFF);
    uint64_t length_ns = os_now_ns() - begun_ns;
    struct phase after = look();
    if (length_ns < shortest_ns)
        return 0;
    uint64_t process_ns = after.process_ns - before.process_ns;
    double program_ns = (double)process_ns - (double)(after.watcher_ns - before.watcher_ns) -
                        (double)__atomic_load_n(&gc.worker_ns, __ATOMIC_RELAXED) -
                        (double)__atomic_load_n(&gc.assist_ns, __ATOMIC_RELAXED);
    unsigned wanted = threads < processors ? threads : processors;
    *got = (double)process_ns / ((double)length_ns * processors);
    double share = program_ns / (0.75 * wanted * (double)length_ns);
    return share > 0 ? share : 1e-9;
}

int main(int argc, char **argv) {
    unsigned live_mib = 256, cycles = 30, phases = 0, below = 0;
    threads = argc > 1 ? (unsigned)atoi(argv[1]) : threads;
    live_mib = argc > 2 ? (unsigned)atoi(argv[2]) : live_mib;
    cycles = argc > 3 ? (unsigned)atoi(argv[3]) : cycles;
    if (threads < 1 || threads > MOST_THREADS || cycles > MOST_PHASES)
        return 2;
    chains = (size_t)live_mib * 1048576 / sizeof(struct node) / CHAIN;
    slots = calloc(chains, sizeof *slots);
    if (slots == NULL || !goalloc_thread_attach() || goalloc_root_add(slots, chains) != 0)
        return 1;
    goalloc_thread_detach();
    pthread_t ids[MOST_THREADS];
    for (unsigned i = 0; i < threads; i++)
        pthread_create(&ids[i], NULL, mutate, (void *)(uintptr_t)i);
    static double shares[MOST_PHASES], gots[MOST_PHASES], of_got[MOST_PHASES];
    while (gc.marked_bytes < (uint64_t)live_mib * 9 / 10 << 20)
        usleep(10000);
    for (unsigned i = 0; i < cycles; i++) {
        double got, share = watch(gc_settings.procs, &got);
        if (share == 0)
            continue;
        shares[phases] = share;
        of_got[phases] = share / got;
        gots[phases++] = got;
        below += share < 0.5;
    }
    stop = 1;
    for (unsigned i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    if (phases == 0) {
        puts("no mark phase was longer than 5 ms");
        return 2;
    }
    qsort(shares, phases, sizeof shares[0], by_size);
    qsort(of_got, phases, sizeof of_got[0], by_size);
    qsort(gots, phases, sizeof gots[0], by_size);
    printf(
        "%u mark phases over 5 ms, %u threads, %u MiB, GOMAXPROCS %u: the program's share of what Go leaves it is at "
        "least %.2f, median %.2f; %u below 0.50; the process got %.2f of its processors (median), and of that the "
        "program's share is at least %.2f, median %.2f\n",
        phases, threads, live_mib, gc_settings.procs, shares[0], shares[phases / 2], below, gots[phases / 2], of_got[0],
        of_got[phases / 2]);
    return below != 0;
}
