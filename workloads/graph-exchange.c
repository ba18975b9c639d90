/* SPDX-License-Identifier: MIT
 *
 * graph-exchange.c: threads make small graphs and swap them through slots that all of them see; whoever gets a graph
 * turns parts of it round, and drops it later.
 */
#include "workload.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { SLOTS = 64, NODES_MIN = 16, NODES_MAX = 127, TURNS = 8, POINTS = 200 };

static const struct workload_param params[] = {
    {"threads", 2, 2, "threads that exchange"},
    {"live", 4, 1, "MiB of graphs in all threads' hands together, about; the 64 slots hold 150 KiB besides"},
    {"rounds", 200, 1, "thousand graphs made and exchanged by all threads together"},
    {NULL, 0, 0, NULL},
};

/* A binary tree, whose nodes are linked in a ring, too. */
struct node {
    struct node *left, *right, *next;
    uint64_t value;
};

HEAP_TYPE(node_type, struct node,
          HEAP_POINTER(struct node, left) | HEAP_POINTER(struct node, right) | HEAP_POINTER(struct node, next));

struct graph_exchange {
    unsigned threads;
    uint64_t graphs, rounds;  /* of one thread: in its hands; to make */
    atomic_uint_fast64_t sum; /* of what all dropped graphs held: whoever drops which is chance */
};

/* Roots of the program, each under a lock: static, because a conservative collector never forgets a root. */
static struct node *slots[SLOTS];
static pthread_mutex_t locks[SLOTS];

static void *graph_exchange_setup(struct bench *b) {
    struct graph_exchange *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->graphs = (bench_param(b, "live") << 20) / sizeof(struct node) / ((NODES_MIN + NODES_MAX) / 2) / s->threads;
    s->rounds = bench_param(b, "rounds") * 1000 / s->threads;
    if (s->graphs < 2)
        bench_fail(b, "live is %llu MiB for %u threads; every thread needs two graphs",
                   (unsigned long long)bench_param(b, "live"), s->threads);
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_mutex_init(&locks[i], NULL);
    if (heap_root_add(slots, SLOTS) != 0)
        bench_fail(b, "there is no memory for %d roots", SLOTS);
    return s;
}

static void graph_exchange_teardown(struct bench *b, void *state) {
    (void)b, (void)state;
    heap_root_remove(slots);
    for (unsigned i = 0; i < SLOTS; i++)
        pthread_mutex_destroy(&locks[i]);
}

/* ---- a graph, by its root */

static struct node *new_node(struct bench_thread *t) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    if (!HEAP_TRACED) { /* a traced object is born clear */
        node->left = NULL;
        node->right = NULL;
    }
    node->value = rng_next(&t->rng);
    t->ops++;
    t->live_bytes += sizeof *node;
    return node;
}

/* Each node goes down from the root by the bits of its value, and becomes a leaf. */
static struct node *make(struct bench_thread *t) {
    struct node *root = new_node(t);
    heap_store(&root->next, root);
    for (uint64_t n = rng_between(&t->rng, NODES_MIN, NODES_MAX); n > 1; n--) {
        struct node *node = new_node(t), **child = &root;
        uint64_t way = node->value;
        for (struct node *at = root; at != NULL; at = *child, way = way >> 1 | way << 63)
            child = way & 1 ? &at->right : &at->left;
        heap_store(child, node);
        heap_store(&node->next, root->next);
        heap_store(&root->next, node);
    }
    return root;
}

/* Swaps children on a way down. One draw whatever the graph: the thread's stream must not depend on what it got. */
static void turn(struct bench_thread *t, struct node *at) {
    uint64_t way = rng_next(&t->rng);
    for (unsigned i = 0; i < TURNS && at != NULL; i++, way >>= 1) {
        struct node *left = at->left;
        heap_store(&at->left, at->right);
        heap_store(&at->right, left);
        at = way & 1 ? at->right : at->left;
    }
}

static uint64_t fold_tree(const struct node *node) {
    return node == NULL ? 0 : node->value + fold_tree(node->left) + fold_tree(node->right);
}

/* The same nodes twice: through the tree and round the ring. No turn changes the sum. */
static void retire(struct bench_thread *t, struct graph_exchange *s, struct node *root) {
    if (root == NULL)
        return;
    uint64_t sum = fold_tree(root) * 3;
    struct node *node = root;
    do {
        struct node *next = node->next;
        sum += node->value;
        t->live_bytes -= sizeof *node;
        if (node != root)
            heap_drop(node);
        node = next;
    } while (node != root);
    heap_drop(root);
    atomic_fetch_add_explicit(&s->sum, sum, memory_order_relaxed); /* read after the threads have been joined */
}

/* ---- the exchange */

static struct node *exchange(unsigned slot, struct node *mine) {
    while (pthread_mutex_trylock(&locks[slot]) != 0) { /* never asleep where the collector waits for a safepoint */
        heap_safepoint();
        sched_yield();
    }
    struct node *theirs = slots[slot];
    heap_store(&slots[slot], mine);
    pthread_mutex_unlock(&locks[slot]);
    return theirs;
}

static void graph_exchange_body(struct bench_thread *t, void *arg) {
    struct graph_exchange *s = arg;
    const uint64_t hands_bytes = s->graphs * sizeof(void *), step = s->rounds / POINTS + 1;
    struct node **hands = bench_need(t, heap_pointers(s->graphs), hands_bytes);
    t->ops++;
    t->live_bytes += hands_bytes;
    t->zero_bytes += hands_bytes;
    for (uint64_t i = 0, oldest = 0; i < s->rounds; i++) {
        struct node *old = hands[oldest];
        heap_store(&hands[oldest], make(t));
        retire(t, s, old);
        struct node **any = &hands[rng_below(&t->rng, s->graphs)];
        heap_store(any, exchange((unsigned)rng_below(&t->rng, SLOTS), *any));
        turn(t, *any);
        oldest = oldest + 1 < s->graphs ? oldest + 1 : 0;
        if (i % step == 0)
            bench_point(t);
    }
    bench_point(t);
    for (uint64_t i = 0; i < s->graphs; i++)
        retire(t, s, hands[i]);
    t->live_bytes -= hands_bytes;
    heap_drop(hands);
}

/* What nobody has taken. Only now everything has been dropped, and the sum is what it is on every run. */
static void clear_slots(struct bench_thread *t, void *arg) {
    struct graph_exchange *s = arg;
    for (unsigned i = 0; i < SLOTS; i++)
        retire(t, s, exchange(i, NULL));
    t->checksum = bench_mix(0, atomic_load_explicit(&s->sum, memory_order_relaxed));
}

static void graph_exchange_run(struct bench *b, void *state) {
    struct graph_exchange *s = state;
    bench_parallel(b, s->threads, graph_exchange_body, s);
    bench_parallel(b, 1, clear_slots, s);
}

WORKLOAD(graph_exchange) = {
    .name = "graph-exchange",
    .summary = "threads make small graphs, swap them through shared slots, and turn and drop what they get",
    .op = "node allocated",
    .models = "Pipelines and work queues: what one thread makes, another one changes and lets go. Objects with many "
              "references "
              "inside, and a single one from outside that moves.",
    .source = "Our own: graphs of 16 to 127 nodes of 32 B, a binary tree and a ring through the same nodes, and 64 "
              "slots under "
              "a lock each. The checksum is the sum over all graphs, whoever dropped them.",
    .bad_for =
        "Allocators without a good way back for memory that another thread frees; collectors whose barrier misses the "
        "one reference that leaves a stack while another takes its place.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = graph_exchange_setup,
    .run = graph_exchange_run,
    .teardown = graph_exchange_teardown,
};
