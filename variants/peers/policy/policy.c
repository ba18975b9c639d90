/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include "classes.h"
#include "extents.h"
#include "runs.h"

#include <stdbool.h>
#include <stddef.h>

/* As goalloc's tuned manual builds have them: malloc's alignment, GOALLOC_SPLIT, linear's GOALLOC_RUN and GOALLOC_LINE. */
const struct policy_options policy_defaults = {.round_bytes = 16, .split_bytes = 16, .run_bytes = 32768, .line_bytes = 16};

struct policy {
    struct table own; /* this struct's memory */
    enum policy_kind kind;
    bool resize_moves;
    uint64_t peak_bytes;
    union {
        struct extents extents;
        struct classes classes;
        struct runs runs;
    };
};

static bool is_extents(const struct policy *p) {
    return p->kind <= POLICY_SEGREGATED;
}

const char *policy_name(enum policy_kind kind) {
    static const char *const names[POLICY_KINDS] = {
        [POLICY_FIRST] = "first",     [POLICY_NEXT] = "next",     [POLICY_BEST] = "best",  [POLICY_SEGREGATED] = "segregated",
        [POLICY_CLASSES] = "classes", [POLICY_LINEAR] = "linear", [POLICY_LINES] = "lines"};
    return names[kind];
}

struct policy *policy_new(enum policy_kind kind, const struct policy_options *options) {
    struct table own = {.item_bytes = sizeof(struct policy)};
    struct policy *p = table_add(&own);
    p->own = own;
    p->kind = kind;
    p->resize_moves = options->resize_moves;
    if (is_extents(p)) {
        p->extents.fit = kind;
        p->extents.round_bytes = options->round_bytes;
        p->extents.split_bytes = options->split_bytes;
    } else if (kind != POLICY_CLASSES) {
        p->runs.round_bytes = options->round_bytes;
        p->runs.run_bytes = options->run_bytes;
        p->runs.line_bytes = kind == POLICY_LINES ? options->line_bytes : 0;
    }
    return p;
}

void policy_delete(struct policy *p) {
    if (is_extents(p))
        extents_release(&p->extents);
    else if (p->kind == POLICY_CLASSES)
        classes_release(&p->classes);
    else
        runs_release(&p->runs);
    struct table own = p->own;
    table_release(&own);
}

static void peak_note(struct policy *p) {
    const uint64_t need_bytes = policy_need_bytes(p);
    p->peak_bytes = need_bytes > p->peak_bytes ? need_bytes : p->peak_bytes;
}

struct policy_block policy_allocate(struct policy *p, uint64_t size_bytes) {
    const struct policy_block b = is_extents(p)                ? extents_allocate(&p->extents, size_bytes)
                                  : p->kind == POLICY_CLASSES ? classes_allocate(&p->classes, size_bytes)
                                                               : runs_allocate(&p->runs, size_bytes);
    peak_note(p);
    return b;
}

void policy_resize(struct policy *p, struct policy_block *b, uint64_t size_bytes) {
    const bool stays = p->resize_moves              ? false
                       : is_extents(p)              ? extents_resize(&p->extents, b, size_bytes)
                       : p->kind == POLICY_CLASSES ? classes_resize(&p->classes, b, size_bytes)
                                                    : runs_resize(&p->runs, b, size_bytes);
    if (stays) {
        peak_note(p);
        return;
    }
    const struct policy_block old = *b;
    *b = policy_allocate(p, size_bytes);
    policy_free(p, &old);
}

void policy_free(struct policy *p, const struct policy_block *b) {
    if (is_extents(p))
        extents_free(&p->extents, b->start_bytes, b->size_bytes);
    else if (p->kind == POLICY_CLASSES)
        classes_free(&p->classes, b);
    else
        runs_free(&p->runs, b);
}

uint64_t policy_need_bytes(const struct policy *p) {
    return is_extents(p) ? p->extents.end_bytes : p->kind == POLICY_CLASSES ? p->classes.held_bytes : p->runs.held_bytes;
}

uint64_t policy_peak_bytes(const struct policy *p) {
    return p->peak_bytes;
}

uint64_t policy_holes(const struct policy *p) {
    return is_extents(p) ? p->extents.by_address.count : 0;
}
