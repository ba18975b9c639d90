/* SPDX-License-Identifier: MIT
 *
 * linked-list.c: long singly linked lists, whose newer half is dropped and built again.
 */
#include "workload.h"

enum { POINTS = 200 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a list of its own"},
    {"live", 32, 1, "MiB of nodes in all lists together"},
    {"rounds", 8, 2, "times that the newer half of each list is replaced"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *next;
    uint64_t value, number, unused;
};

HEAP_TYPE(node_type, struct node, HEAP_POINTER(struct node, next));

struct linked_list {
    unsigned threads;
    uint64_t rounds, nodes; /* of one list */
};

static void *linked_list_setup(struct bench *b) {
    struct linked_list *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->rounds = bench_param(b, "rounds");
    s->nodes = (bench_param(b, "live") << 20) / sizeof(struct node) / s->threads;
    if (s->nodes < POINTS)
        bench_fail(b, "live is %llu MiB for %u threads; every list needs %d nodes at least",
                   (unsigned long long)bench_param(b, "live"), s->threads, POINTS);
    return s;
}

/* Puts n nodes in front of the list: addresses follow the links backwards, as in most programs. */
static struct node *push(struct bench_thread *t, struct node *head, uint64_t n, uint64_t step) {
    for (uint64_t i = 0; i < n; i++) {
        struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
        node->value = rng_next(&t->rng);
        node->number = i;
        node->unused = 0;
        heap_store(&node->next, head);
        head = node;
        t->ops++;
        t->live_bytes += sizeof *node;
        if (i % step == 0)
            bench_point(t);
    }
    return head;
}

/* Drops the n newest and folds what they held; what is behind them. */
static struct node *pop(struct bench_thread *t, struct node *head, uint64_t n) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < n; i++) {
        struct node *next = head->next;
        total += head->value ^ head->number;
        heap_drop(head);
        head = next;
    }
    t->checksum = bench_mix(t->checksum, total);
    t->live_bytes -= n * sizeof *head;
    return head;
}

static void linked_list_body(struct bench_thread *t, void *arg) {
    const struct linked_list *s = arg;
    uint64_t half = s->nodes / 2, step = (s->nodes + half * s->rounds) / POINTS + 1;
    struct node *head = push(t, NULL, s->nodes, step);
    for (uint64_t round = 0; round < s->rounds; round++) {
        head = pop(t, head, half);
        head = push(t, head, half, step);
    }
    bench_point(t);
    pop(t, head, s->nodes);
}

static void linked_list_run(struct bench *b, void *state) {
    struct linked_list *s = state;
    bench_parallel(b, s->threads, linked_list_body, s);
}

WORKLOAD(linked_list) = {
    .name = "linked-list",
    .summary = "long singly linked lists, whose newer half is replaced again and again",
    .op = "node allocated",
    .models =
        "Queues, logs and free lists kept as chains. For a collector the worst shape to mark: each object leads to one "
        "more, so there is nothing to do in parallel and nothing to ask for ahead.",
    .source =
        "Our own, after the sequential list that Go's developers and collector papers mark as the extreme case: 32 B "
        "nodes (a link, a value, a number, a spare word), built in one go; values are random.",
    .bad_for =
        "Markers that queue whole pages: a page is visited as often as the chain comes back to it. Fine for all where "
        "neighbours in the list are neighbours in memory.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = linked_list_setup,
    .run = linked_list_run,
};
