/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAST_BYTES = 1 << 16 };

/* No stdio: its buffers come from malloc. */
static _Noreturn void table_refused(void) {
    static const char text[] = "spanlab: policy: no memory for the models; run a smaller program, or raise the limit (ulimit -v)\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        abort();
    abort();
}

static void table_grow(struct table *t, size_t least) {
    size_t capacity = t->capacity == 0 ? LEAST_BYTES / t->item_bytes : t->capacity * 2;
    capacity = capacity < least ? least : capacity;
    const size_t bytes = capacity * t->item_bytes;
    void *items = t->items == NULL
                      ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : mremap(t->items, t->capacity * t->item_bytes, bytes, MREMAP_MAYMOVE);
    if (items == MAP_FAILED)
        table_refused();
    t->items = items;
    t->capacity = capacity;
}

void *table_add_many(struct table *t, size_t n) {
    if (t->count + n > t->capacity)
        table_grow(t, t->count + n);
    void *first = (char *)t->items + t->count * t->item_bytes;
    t->count += n; /* the kernel's pages are zero, and items are never taken back one by one */
    return first;
}

void *table_add(struct table *t) {
    return table_add_many(t, 1);
}

void table_release(struct table *t) {
    if (t->items != NULL)
        munmap(t->items, t->capacity * t->item_bytes);
    *t = (struct table){.item_bytes = t->item_bytes};
}
