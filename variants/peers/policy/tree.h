/* SPDX-License-Identifier: MIT
 *
 * tree.h: free blocks in an order, each with a size, and below each node the largest size: a treap whose priorities are
 * the same in every process. Every operation is O(log n) expected.
 */
#ifndef SPANLAB_POLICY_TREE_H
#define SPANLAB_POLICY_TREE_H

#include "table.h"

#include <stdbool.h>

struct tree_node {
    uint64_t major, minor; /* the order; no two nodes have both alike */
    uint64_t size, largest;
    uint32_t left, right, priority;
    uint32_t older, newer; /* for a list of the caller's */
};

struct tree {
    struct table nodes; /* 0 is no node */
    uint32_t root, unused;
    uint64_t drawn;
    size_t count;
};

/* Zeroed before the first use. */
uint32_t tree_insert(struct tree *t, uint64_t major, uint64_t minor, uint64_t size);
/* The node must be there. */
void tree_remove(struct tree *t, uint64_t major, uint64_t minor);
/* The last node before (major, 0), and the first at or after (major, minor); 0: none. */
uint32_t tree_before(const struct tree *t, uint64_t major);
uint32_t tree_from(const struct tree *t, uint64_t major, uint64_t minor);
/* The first node at or after (major, 0) of this size at least; 0: none. */
uint32_t tree_first_of(const struct tree *t, uint64_t major, uint64_t size);
void tree_release(struct tree *t);

static inline struct tree_node *tree_node(const struct tree *t, uint32_t i) {
    return TABLE_AT(&t->nodes, struct tree_node, i);
}

#endif
