/* SPDX-License-Identifier: MIT */
#include "tree.h"

static bool node_before(const struct tree_node *n, uint64_t major, uint64_t minor) {
    return n->major < major || (n->major == major && n->minor < minor);
}

static uint64_t largest_below(const struct tree *t, uint32_t i) {
    return i == 0 ? 0 : tree_node(t, i)->largest;
}

static void node_update(struct tree *t, uint32_t i) {
    struct tree_node *n = tree_node(t, i);
    const uint64_t left = largest_below(t, n->left), right = largest_below(t, n->right);
    n->largest = left > right ? left : right;
    n->largest = n->size > n->largest ? n->size : n->largest;
}

/* splitmix64 of a counter: the shape does not depend on addresses. */
static uint32_t draw_priority(struct tree *t) {
    uint64_t z = ++t->drawn * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

static uint32_t node_new(struct tree *t, uint64_t major, uint64_t minor, uint64_t size) {
    t->nodes.item_bytes = sizeof(struct tree_node);
    if (t->nodes.count == 0)
        table_add(&t->nodes); /* 0 */
    uint32_t i = t->unused;
    if (i != 0)
        t->unused = tree_node(t, i)->left;
    else {
        table_add(&t->nodes);
        i = (uint32_t)t->nodes.count - 1;
    }
    *tree_node(t, i) = (struct tree_node){
        .major = major, .minor = minor, .size = size, .largest = size, .priority = draw_priority(t)};
    return i;
}

/* The nodes before the key, and the others. */
static void split(struct tree *t, uint32_t i, uint64_t major, uint64_t minor, uint32_t *before, uint32_t *rest) {
    if (i == 0) {
        *before = *rest = 0;
        return;
    }
    struct tree_node *n = tree_node(t, i);
    if (node_before(n, major, minor)) {
        split(t, n->right, major, minor, &n->right, rest);
        *before = i;
    } else {
        split(t, n->left, major, minor, before, &n->left);
        *rest = i;
    }
    node_update(t, i);
}

static uint32_t merge(struct tree *t, uint32_t a, uint32_t b) {
    if (a == 0 || b == 0)
        return a + b;
    struct tree_node *left = tree_node(t, a), *right = tree_node(t, b);
    if (left->priority >= right->priority) {
        left->right = merge(t, left->right, b);
        node_update(t, a);
        return a;
    }
    right->left = merge(t, a, right->left);
    node_update(t, b);
    return b;
}

static uint32_t insert_below(struct tree *t, uint32_t root, uint32_t i) {
    if (root == 0)
        return i;
    struct tree_node *n = tree_node(t, i), *top = tree_node(t, root);
    if (n->priority > top->priority) {
        split(t, root, n->major, n->minor, &n->left, &n->right);
        node_update(t, i);
        return i;
    }
    uint32_t *side = node_before(top, n->major, n->minor) ? &top->right : &top->left;
    *side = insert_below(t, *side, i);
    node_update(t, root);
    return root;
}

uint32_t tree_insert(struct tree *t, uint64_t major, uint64_t minor, uint64_t size) {
    const uint32_t i = node_new(t, major, minor, size);
    t->root = insert_below(t, t->root, i);
    t->count++;
    return i;
}

static uint32_t remove_below(struct tree *t, uint32_t root, uint64_t major, uint64_t minor) {
    struct tree_node *n = tree_node(t, root);
    if (n->major == major && n->minor == minor) {
        const uint32_t rest = merge(t, n->left, n->right);
        n->left = t->unused;
        t->unused = root;
        return rest;
    }
    uint32_t *side = node_before(n, major, minor) ? &n->right : &n->left;
    *side = remove_below(t, *side, major, minor);
    node_update(t, root);
    return root;
}

void tree_remove(struct tree *t, uint64_t major, uint64_t minor) {
    t->root = remove_below(t, t->root, major, minor);
    t->count--;
}

uint32_t tree_before(const struct tree *t, uint64_t major) {
    uint32_t found = 0;
    for (uint32_t i = t->root; i != 0;) {
        const struct tree_node *n = tree_node(t, i);
        found = n->major < major ? i : found;
        i = n->major < major ? n->right : n->left;
    }
    return found;
}

uint32_t tree_from(const struct tree *t, uint64_t major, uint64_t minor) {
    uint32_t found = 0;
    for (uint32_t i = t->root; i != 0;) {
        const struct tree_node *n = tree_node(t, i);
        const bool before = node_before(n, major, minor);
        found = before ? found : i;
        i = before ? n->right : n->left;
    }
    return found;
}

/* The leftmost of that size; there is one. */
static uint32_t leftmost_of(const struct tree *t, uint32_t i, uint64_t size) {
    for (;;) {
        const struct tree_node *n = tree_node(t, i);
        if (largest_below(t, n->left) >= size)
            i = n->left;
        else if (n->size >= size)
            return i;
        else
            i = n->right;
    }
}

uint32_t tree_first_of(const struct tree *t, uint64_t major, uint64_t size) {
    /* On the way to the key each left turn leaves a node and its right side behind; the last such with room is first. */
    uint32_t node = 0, side = 0;
    for (uint32_t i = t->root; i != 0;) {
        const struct tree_node *n = tree_node(t, i);
        if (n->major < major) {
            i = n->right;
            continue;
        }
        if (n->size >= size)
            node = i, side = 0;
        else if (largest_below(t, n->right) >= size)
            node = 0, side = n->right;
        i = n->left;
    }
    return side != 0 ? leftmost_of(t, side, size) : node;
}

void tree_release(struct tree *t) {
    table_release(&t->nodes);
    *t = (struct tree){.nodes.item_bytes = 0};
}
