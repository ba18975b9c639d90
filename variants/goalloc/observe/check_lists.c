/* SPDX-License-Identifier: MIT
 *
 * check_lists: the lists that spans of manual builds are on.
 */
#include "alloc/cache.h"
#include "observe/check.h"

static void check_list(struct check *check, struct span *head, struct cache *owner, uint8_t span_class) {
    const struct span *before = NULL;
    for (struct span *s = head; s != NULL; before = s, s = s->next) {
        check_equal(check, "backward link of a span list", s->base, (uintptr_t)before, (uintptr_t)s->prev);
        check_equal(check, "owner of a span on a thread's list", s->base, (uintptr_t)owner, (uintptr_t)s->owner);
        check_equal(check, "span class on a list", s->base, span_class, s->span_class);
        check_equal(check, "state of a span on a list", s->base, SPAN_IN_USE, span_state_of(s));
        if (s->list == SPAN_ON_NONE)
            check_found(check, "span on a list that says it is on none", s->base, 1, 0);
        if (s->prev != before)
            return; /* it may lead in a circle */
    }
}

static void check_lists(struct check *check) {
    for (struct cache *c = __atomic_load_n(&caches.all, __ATOMIC_ACQUIRE); c != NULL; c = c->next_all)
        for (unsigned i = 0; i < SPAN_CLASSES; i++) {
            check_list(check, c->partial[i], c, (uint8_t)i);
            check_list(check, c->full[i], c, (uint8_t)i);
            check_list(check, c->empty[i], c, (uint8_t)i);
        }
    for (unsigned i = 0; i < SPAN_CLASSES; i++)
        check_list(check, heap.central[i].partial, NULL, (uint8_t)i);
}
