/* SPDX-License-Identifier: MIT
 *
 * goalloc_walk.h: a goalloc build's walk, told in the terms of peer.h. For preloaded and for linked builds.
 */
#ifndef SPANLAB_GOALLOC_WALK_H
#define SPANLAB_GOALLOC_WALK_H

#include "goalloc.h"
#include "peer.h"

struct peer_goalloc_visit {
    void (*visit)(void *context, const struct peer_run *run);
    void *context;
};

static inline enum peer_run_kind peer_goalloc_kind(enum goalloc_run_kind kind) {
    switch (kind) {
    case GOALLOC_RUN_SPAN:
        return PEER_RUN_SPAN;
    case GOALLOC_RUN_LARGE:
        return PEER_RUN_LARGE;
    case GOALLOC_RUN_FREE:
        return PEER_RUN_FREE;
    case GOALLOC_RUN_RELEASED:
        return PEER_RUN_RELEASED;
    case GOALLOC_RUN_CACHED:
        break;
    }
    return PEER_RUN_CACHED;
}

static inline void peer_goalloc_tell(void *context, const struct goalloc_run *r) {
    const struct peer_goalloc_visit *v = context;
    struct peer_run run = {.kind = peer_goalloc_kind(r->kind),
                           .noscan = r->noscan,
                           .released = r->released || r->kind == GOALLOC_RUN_RELEASED,
                           .span_class = r->span_class,
                           .base = r->base,
                           .pages = r->npages,
                           .size_bytes = r->size_bytes,
                           .slot_bytes = r->slot_bytes,
                           .slots = r->slots,
                           .used_slots = r->used_slots,
                           .used_bytes = r->used_bytes};
    v->visit(v->context, &run);
}

static inline int peer_goalloc_walk(int (*walk)(void (*)(void *, const struct goalloc_run *), void *),
                                    void (*visit)(void *context, const struct peer_run *run), void *context) {
    struct peer_goalloc_visit v = {visit, context};
    return walk(peer_goalloc_tell, &v);
}

#endif
