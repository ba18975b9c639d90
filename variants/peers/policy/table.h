/* SPDX-License-Identifier: MIT
 *
 * table.h: an array that grows, mapped from the kernel: the models run inside malloc, so they may not call it.
 */
#ifndef SPANLAB_POLICY_TABLE_H
#define SPANLAB_POLICY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct table {
    void *items;
    size_t item_bytes, count, capacity;
};

/* A place for one item more, zeroed; its index is count - 1 afterwards. Items may move. Ends the process when the kernel
 * has no memory: a model that lost an event would tell a wrong figure. */
void *table_add(struct table *t);
/* The same for n items at once: the first of them. */
void *table_add_many(struct table *t, size_t n);
void table_release(struct table *t);

#define TABLE_AT(t, type, i) (&((type *)(t)->items)[i])

#endif
