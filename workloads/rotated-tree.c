/* SPDX-License-Identifier: MIT
 *
 * rotated-tree.c: a treap, that is a binary search tree that random priorities keep in balance by rotations; entries
 * come and go.
 */
#include "workload.h"

#include <string.h>

enum { POINTS = 200, ITEM_MIN = 8, ITEM_MAX = 71, NODE_BYTES = 56, LEAST_NODES = 16 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a tree of its own"},
    {"live", 4, 1, "MiB in all trees together"},
    {"rounds", 800, 4,
     "thousand rounds in all trees together: the oldest entry goes, a new one comes, one is looked up"},
    {NULL, 0, 0, NULL},
};

struct node {
    struct node *left, *right; /* smaller keys; larger ones */
    uint8_t *item;             /* a slice, as the twin's: */
    uint64_t length, capacity;
    uint64_t key, priority; /* no child has a higher priority */
};

HEAP_TYPE(node_type, struct node,
          HEAP_POINTER(struct node, left) | HEAP_POINTER(struct node, right) | HEAP_POINTER(struct node, item));
_Static_assert(sizeof(struct node) == NODE_BYTES, "what live reckons with");

struct rotated_tree {
    unsigned threads;
    uint64_t nodes, rounds; /* of one tree */
};

static void *rotated_tree_setup(struct bench *b) {
    struct rotated_tree *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->nodes = (bench_param(b, "live") << 20) / (NODE_BYTES + (ITEM_MIN + ITEM_MAX) / 2) / s->threads;
    s->rounds = bench_param(b, "rounds") * 1000 / s->threads;
    if (s->nodes < LEAST_NODES)
        bench_fail(b, "live is %llu MiB for %u threads; every tree needs %d nodes at least",
                   (unsigned long long)bench_param(b, "live"), s->threads, LEAST_NODES);
    return s;
}

/* The key of the i-th entry that comes: random, and known again when the entry has to go. */
static inline uint64_t key_of(uint64_t base, uint64_t i) {
    uint64_t x = base + i * UINT64_C(0x9e3779b97f4a7c15);
    return rng_splitmix(&x);
}

static struct node *new_node(struct bench_thread *t) {
    struct node *node = bench_need(t, heap_object(&node_type, HEAP_RAW), sizeof *node);
    if (!HEAP_TRACED) /* a traced object is born clear */
        *node = (struct node){0};
    t->ops++;
    t->live_bytes += sizeof *node;
    return node;
}

static struct node *new_entry(struct bench_thread *t, uint64_t key) {
    struct node *node = new_node(t);
    uint64_t x = key;
    node->key = key;
    node->priority = rng_splitmix(&x);
    node->length = node->capacity = ITEM_MIN + x % (ITEM_MAX - ITEM_MIN + 1);
    uint8_t *item = bench_need(t, heap_bytes(node->length, HEAP_RAW), node->length);
    memset(item, (int)(key & 0xff), node->length);
    heap_store(&node->item, item);
    t->ops++;
    t->live_bytes += node->length;
    return node;
}

static void drop_entry(struct bench_thread *t, struct node *node) {
    t->checksum = bench_mix(t->checksum, node->key + node->item[node->length - 1]);
    t->live_bytes -= sizeof *node + node->length;
    heap_drop(node->item);
    heap_drop(node);
}

/* The left child comes up, and down again the other way round. */
static void rotate_right(struct node **slot) {
    struct node *node = *slot, *up = node->left;
    heap_store(&node->left, up->right);
    heap_store(&up->right, node);
    heap_store(slot, up);
}

static void rotate_left(struct node **slot) {
    struct node *node = *slot, *up = node->right;
    heap_store(&node->right, up->left);
    heap_store(&up->left, node);
    heap_store(slot, up);
}

static void insert(struct node **slot, struct node *fresh) {
    struct node *node = *slot;
    if (node == NULL) {
        heap_store(slot, fresh);
    } else if (fresh->key < node->key) {
        insert(&node->left, fresh);
        if (node->left->priority > node->priority)
            rotate_right(slot);
    } else {
        insert(&node->right, fresh);
        if (node->right->priority > node->priority)
            rotate_left(slot);
    }
}

static struct node **find(struct node **slot, uint64_t key) {
    while ((*slot)->key != key)
        slot = key < (*slot)->key ? &(*slot)->left : &(*slot)->right;
    return slot;
}

/* Rotates the node down until it has one child at most, which takes its place. */
static void remove_key(struct bench_thread *t, struct node **slot, uint64_t key) {
    slot = find(slot, key);
    struct node *node = *slot;
    while (node->left != NULL && node->right != NULL) {
        const bool left = node->left->priority > node->right->priority;
        struct node *up = left ? node->left : node->right;
        if (left)
            rotate_right(slot);
        else
            rotate_left(slot);
        slot = left ? &up->right : &up->left;
    }
    heap_store(slot, node->left != NULL ? node->left : node->right);
    drop_entry(t, node);
}

static void rotated_tree_body(struct bench_thread *t, void *arg) {
    const struct rotated_tree *s = arg;
    const uint64_t base = rng_next(&t->rng), step = (s->nodes + s->rounds) / POINTS + 1;
    struct node *head = new_node(t); /* the root is its left child */
    for (uint64_t i = 0; i < s->nodes; i++) {
        insert(&head->left, new_entry(t, key_of(base, i)));
        if (i % step == 0)
            bench_point(t);
    }
    for (uint64_t i = 0; i < s->rounds; i++) {
        remove_key(t, &head->left, key_of(base, i));
        insert(&head->left, new_entry(t, key_of(base, s->nodes + i)));
        const uint64_t any = key_of(base, i + 1 + rng_below(&t->rng, s->nodes));
        t->checksum += (*find(&head->left, any))->item[0];
        if (i % step == 0)
            bench_point(t);
    }
    bench_point(t);
    for (uint64_t i = 0; i < s->nodes; i++)
        remove_key(t, &head->left, key_of(base, s->rounds + i));
    t->live_bytes -= sizeof *head;
    heap_drop(head);
}

static void rotated_tree_run(struct bench *b, void *state) {
    struct rotated_tree *s = state;
    bench_parallel(b, s->threads, rotated_tree_body, s);
}

WORKLOAD(rotated_tree) = {
    .name = "rotated-tree",
    .summary = "a binary search tree kept in balance by random rotations, whose entries come and go",
    .op = "object allocated (node, item)",
    .models =
        "Indexes in memory: low fan-out, and rotations that tear parents from the children they were allocated beside, "
        "so "
        "that neighbours in the tree are strangers in memory (bleve's index is the one that Go's developers measure).",
    .source =
        "Our own, bleve-like in shape only: bleve-index needs a dump of Wikipedia. A treap (Seidel and Aragon) of 56 B "
        "nodes with items of 8 to 71 B; keys and priorities are random; the oldest entry is removed for each that "
        "comes.",
    .bad_for = "Green Tea: its gain on bleve-index is about nothing (claim GT-11), because a page holds few nodes that "
               "are found "
               "together. Everybody's caches.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = rotated_tree_setup,
    .run = rotated_tree_run,
};
