/* SPDX-License-Identifier: MIT
 *
 * roots: pointer slots outside heap and stacks, as the program has registered them.
 */
#include "alloc/cache.h"
#include "goalloc.h"

struct gc_root {
    struct gc_root *next;
    void **slots;
    size_t count;
};

static struct {
    struct lock lock;
    struct fixalloc records;
    struct gc_root *head;
} roots = {.records = {.size_bytes = sizeof(struct gc_root)}};

int goalloc_root_add(void *slots, size_t n) {
    struct cache *c = typed_enter();
    if (c == NULL)
        return -1;
    struct gc_root *root = fixalloc_take(&roots.records);
    if (root != NULL) {
        root->slots = slots;
        root->count = n;
        lock_acquire(&roots.lock);
        root->next = roots.head;
        roots.head = root;
        lock_release(&roots.lock);
    }
    typed_leave(c);
    return root != NULL ? 0 : -1;
}

static struct gc_root *roots_unlink(void *slots) {
    for (struct gc_root **at = &roots.head; *at != NULL; at = &(*at)->next)
        if ((*at)->slots == (void **)slots) {
            struct gc_root *found = *at;
            *at = found->next;
            return found;
        }
    return NULL;
}

void goalloc_root_remove(void *slots) {
    struct cache *c = typed_enter();
    lock_acquire(&roots.lock);
    struct gc_root *found = roots_unlink(slots);
    lock_release(&roots.lock);
    if (found == NULL)
        os_die("goalloc_root_remove(%p): these slots were never added", slots);
    fixalloc_give(&roots.records, found);
    if (c != NULL)
        typed_leave(c);
}
