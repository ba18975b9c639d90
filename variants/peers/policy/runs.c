/* SPDX-License-Identifier: MIT */
#include "runs.h"

#include <stdbool.h>

struct run {
    uint64_t start_bytes;
    uint32_t live, older, newer;
    uint32_t died; /* blocks, since the bump pointer entered it */
    bool linked;
};

static struct run *run_at(const struct runs *r, uint32_t i) {
    return TABLE_AT(&r->all, struct run, i);
}

static uint64_t lines_per_run(const struct runs *r) {
    return r->line_bytes == 0 ? 0 : r->run_bytes / r->line_bytes;
}

/* Live blocks on each line of a run. */
static uint32_t *lines_of(const struct runs *r, uint32_t i) {
    return TABLE_AT(&r->lines, uint32_t, i * lines_per_run(r));
}

/* ---- runs with dead lines */

static void partial_push(struct runs *r, uint32_t i) {
    struct run *run = run_at(r, i);
    run->linked = true;
    run->newer = 0;
    run->older = r->partial;
    if (run->older != 0)
        run_at(r, run->older)->newer = i;
    r->partial = i;
}

static void partial_unlink(struct runs *r, uint32_t i) {
    struct run *run = run_at(r, i);
    if (run->older != 0)
        run_at(r, run->older)->newer = run->newer;
    if (run->newer != 0)
        run_at(r, run->newer)->older = run->older;
    else
        r->partial = run->older;
    run->linked = false;
}

/* ---- runs */

static uint32_t run_new(struct runs *r) {
    r->all.item_bytes = sizeof(struct run);
    r->lines.item_bytes = sizeof(uint32_t);
    uint32_t i = r->unused;
    if (i != 0)
        r->unused = run_at(r, i)->older;
    for (; i == 0; i = (uint32_t)r->all.count - 1) { /* the first one is 0, no run */
        table_add(&r->all);
        table_add_many(&r->lines, lines_per_run(r));
    }
    *run_at(r, i) = (struct run){.start_bytes = extents_allocate(&r->space, r->run_bytes).start_bytes};
    r->held_bytes += r->run_bytes;
    return i;
}

static void run_give_back(struct runs *r, uint32_t i) {
    extents_free(&r->space, run_at(r, i)->start_bytes, r->run_bytes);
    r->held_bytes -= r->run_bytes;
    run_at(r, i)->older = r->unused;
    r->unused = i;
}

/* The next stretch of dead lines of a run, from an offset in it on. False: there is none. */
static bool stretch_find(const struct runs *r, uint32_t i, uint64_t from_bytes, struct bump *out) {
    const uint64_t count = lines_per_run(r);
    const uint32_t *live = lines_of(r, i);
    uint64_t first = (from_bytes + r->line_bytes - 1) / r->line_bytes;
    while (first < count && live[first] != 0)
        first++;
    uint64_t end = first;
    while (end < count && live[end] == 0)
        end++;
    *out = (struct bump){i, first * r->line_bytes, end * r->line_bytes};
    return first < count;
}

/* Nothing bumps through the run any more. */
static void bump_leave(struct runs *r, struct bump *b) {
    struct bump dead;
    const uint32_t i = b->run;
    *b = (struct bump){0};
    if (i == 0)
        return;
    if (run_at(r, i)->live == 0)
        run_give_back(r, i);
    else if (r->line_bytes != 0 && run_at(r, i)->died > 0 && stretch_find(r, i, 0, &dead))
        partial_push(r, i);
}

static void bump_fresh(struct runs *r, struct bump *b) {
    bump_leave(r, b);
    *b = (struct bump){run_new(r), 0, r->run_bytes};
}

static bool bump_fits(const struct bump *b, uint64_t size_bytes) {
    return b->run != 0 && b->at_bytes + size_bytes <= b->end_bytes;
}

/* To the next stretch: of this run, of the next run that has one, or to a fresh run. Nothing dies meanwhile, so no run comes
 * twice before a fresh one does. */
static void bump_advance(struct runs *r) {
    struct bump *b = &r->bump;
    if (b->run != 0 && stretch_find(r, b->run, b->end_bytes, b))
        return;
    const uint32_t i = r->partial;
    if (i == 0) {
        bump_fresh(r, b);
        return;
    }
    partial_unlink(r, i); /* before the present one may come in front of it */
    bump_leave(r, b);
    run_at(r, i)->died = 0;
    stretch_find(r, i, 0, b);
}

static void bump_make_room(struct runs *r, uint64_t size_bytes) {
    while (!bump_fits(&r->bump, size_bytes))
        if (r->line_bytes == 0)
            bump_fresh(r, &r->bump);
        else
            bump_advance(r);
}

static void lines_count(const struct runs *r, const struct policy_block *b, int by) {
    if (r->line_bytes == 0)
        return;
    const uint64_t offset_bytes = b->start_bytes - run_at(r, b->owner)->start_bytes;
    uint32_t *live = lines_of(r, b->owner);
    for (uint64_t line = offset_bytes / r->line_bytes; line <= (offset_bytes + b->size_bytes - 1) / r->line_bytes; line++)
        live[line] += (uint32_t)by;
}

struct policy_block runs_allocate(struct runs *r, uint64_t size_bytes) {
    const uint64_t rounded_bytes = round_up(size_bytes == 0 ? 1 : size_bytes, r->round_bytes);
    r->space.fit = POLICY_FIRST;
    r->space.round_bytes = r->round_bytes;
    if (rounded_bytes > r->run_bytes / 4) {
        r->held_bytes += rounded_bytes;
        return extents_allocate(&r->space, rounded_bytes);
    }
    bump_make_room(r, rounded_bytes);
    struct bump *bump = &r->bump;
    struct run *run = run_at(r, bump->run);
    const struct policy_block b = {run->start_bytes + bump->at_bytes, rounded_bytes, bump->run, 0};
    bump->at_bytes += rounded_bytes;
    run->live++;
    lines_count(r, &b, 1);
    return b;
}

bool runs_resize(struct runs *r, struct policy_block *b, uint64_t size_bytes) {
    const uint64_t rounded_bytes = round_up(size_bytes == 0 ? 1 : size_bytes, r->round_bytes);
    if (b->owner != 0)
        return rounded_bytes <= b->size_bytes;
    const uint64_t before_bytes = b->size_bytes;
    if (rounded_bytes <= r->run_bytes / 4 || !extents_resize(&r->space, b, rounded_bytes))
        return false;
    r->held_bytes += b->size_bytes - before_bytes;
    return true;
}

void runs_free(struct runs *r, const struct policy_block *b) {
    if (b->owner == 0) {
        extents_free(&r->space, b->start_bytes, b->size_bytes);
        r->held_bytes -= b->size_bytes;
        return;
    }
    struct run *run = run_at(r, b->owner);
    struct bump *bump = r->bump.run == b->owner ? &r->bump : NULL;
    lines_count(r, b, -1);
    run->died++;
    if (--run->live == 0 && bump != NULL) {
        bump->at_bytes = 0; /* dead: it serves again from its beginning */
        bump->end_bytes = r->run_bytes;
        return;
    }
    struct bump dead;
    if (run->live == 0) {
        if (run->linked)
            partial_unlink(r, b->owner);
        run_give_back(r, b->owner);
    } else if (r->line_bytes != 0 && bump == NULL && !run->linked && stretch_find(r, b->owner, 0, &dead))
        partial_push(r, b->owner);
}

void runs_release(struct runs *r) {
    extents_release(&r->space);
    table_release(&r->all);
    table_release(&r->lines);
}
