/* SPDX-License-Identifier: MIT
 *
 * list_model: a shadow of a thread's free lists, written from the definitions alone: an array of all blocks in the
 * order of their addresses, searched from end to end. After each random step it says which block had to be taken. Of
 * segregated fit, which promises only a bin, it says which blocks may be. Included behind goalloc.c, in a tiny build.
 */
#ifndef TESTS_LIST_MODEL_H
#define TESTS_LIST_MODEL_H

enum { MODEL_BLOCKS = 8192, MODEL_NONE = MODEL_BLOCKS };

struct model_block {
    uintptr_t at, run;
    unsigned units;
    bool halves;   /* a tiny block */
    unsigned live; /* 0: dead; 1: an object, or the lower half; 2: the upper half */
};

static struct {
    struct model_block blocks[MODEL_BLOCKS];
    unsigned count;
    uintptr_t rover, pending, newest; /* newest: the run that was begun last */
} model;

static unsigned model_units_of_run(void) {
    return (unsigned)(runs.bytes / RUN_UNIT_BYTES);
}

static uintptr_t model_end(unsigned i) {
    return model.blocks[i].at + (uintptr_t)model.blocks[i].units * RUN_UNIT_BYTES;
}

/* A tiny block with a half to come is dead and not free. */
static bool model_free(unsigned i) {
    return !model.blocks[i].halves && model.blocks[i].live == 0;
}

/* The block that holds the address. */
static unsigned model_find(uintptr_t address) {
    unsigned low = 0, high = model.count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (model_end(middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < model.count && model.blocks[low].at <= address ? low : MODEL_NONE;
}

static void model_insert(unsigned i, struct model_block block) {
    assert_true(model.count < MODEL_BLOCKS);
    memmove(&model.blocks[i + 1], &model.blocks[i], (model.count - i) * sizeof block);
    model.blocks[i] = block;
    model.count++;
}

static void model_remove(unsigned i) {
    model.count--;
    memmove(&model.blocks[i], &model.blocks[i + 1], (model.count - i) * sizeof model.blocks[0]);
}

/* ---- the definitions */

static unsigned model_first(uintptr_t from, unsigned units) {
    for (unsigned i = 0; i < model.count; i++)
        if (model.blocks[i].at >= from && model_free(i) && model.blocks[i].units >= units)
            return i;
    return MODEL_NONE;
}

static unsigned model_best(unsigned units) {
    unsigned best = MODEL_NONE;
    for (unsigned i = 0; i < model.count; i++)
        if (model_free(i) && model.blocks[i].units >= units &&
            (best == MODEL_NONE || model.blocks[i].units < model.blocks[best].units))
            best = i;
    return best;
}

static bool model_is_wild(unsigned i) {
    return model.blocks[i].run == model.newest && model_end(i) == model.newest + runs.bytes;
}

/* Segregated: a block of exactly the size, or one of the next bin that is not empty, or the wilderness. In a bin of
 * several sizes a search gives up after a few, so it may take one of this bin or of the next. */
static bool model_may_take(unsigned taken, unsigned units) {
    unsigned own = list_bin(units), lowest = LIST_BINS;
    uintptr_t lowest_at = UINTPTR_MAX;
    for (unsigned i = 0; i < model.count; i++) {
        if (!model_free(i) || model_is_wild(i) || model.blocks[i].units < units)
            continue;
        unsigned bin = list_bin(model.blocks[i].units);
        if (bin == own && !list_bin_is_exact(units))
            continue;
        if (bin < lowest)
            lowest_at = model.blocks[i].at;
        lowest = bin < lowest ? bin : lowest;
    }
    if (taken == MODEL_NONE)
        return lowest == LIST_BINS;
    if (model_is_wild(taken))
        return lowest == LIST_BINS;
    unsigned bin = list_bin(model.blocks[taken].units);
    if (bin == own && !list_bin_is_exact(units))
        return true;
    return bin == lowest && (!list.address_order || model.blocks[taken].at == lowest_at);
}

/* The block that had to be taken for so many units; MODEL_NONE: that of a fresh run. */
static unsigned model_choose(unsigned units) {
    if (list.fit == LIST_BEST)
        return model_best(units);
    unsigned i = list.fit == LIST_NEXT ? model_first(model.rover, units) : MODEL_NONE;
    return i != MODEL_NONE ? i : model_first(0, units);
}

/* ---- what happens */

/* Cuts [address, address + units) out of block i; what is too small to be split off stays with it. */
static void model_carve(unsigned i, uintptr_t address, unsigned units) {
    struct model_block whole = model.blocks[i], *taken;
    unsigned skip = (unsigned)((address - whole.at) / RUN_UNIT_BYTES), rest = whole.units - skip - units;
    if (skip > 0) {
        model.blocks[i].units = skip;
        model_insert(++i, whole);
    }
    taken = &model.blocks[i];
    if (rest > 0 && (units == 1 || rest * RUN_UNIT_BYTES >= list.split_bytes))
        model_insert(i + 1,
                     (struct model_block){address + (uintptr_t)units * RUN_UNIT_BYTES, whole.run, rest, false, 0});
    else
        units += rest;
    *taken = (struct model_block){address, whole.run, units, false, 1};
    model.rover = model_end(i);
}

/* The heap has handed out p for a request of so many units at this alignment. */
static void model_took(uintptr_t p, unsigned units, size_t align_bytes) {
    unsigned room = units + (unsigned)(align_bytes / RUN_UNIT_BYTES) - 1, taken = model_find(p);
    if (list.fit == LIST_SEGREGATED)
        assert_true(model_may_take(taken, room));
    else if (model_choose(room) != taken)
        fail_msg("fit %s took %p for %u units, the model %p", list_fits[list.fit], (void *)p, room,
                 (void *)model.blocks[model_choose(room)].at);
    if (taken == MODEL_NONE) {
        uintptr_t run = heap_span_of(p)->base;
        model.newest = run;
        for (taken = 0; taken < model.count && model.blocks[taken].at < run;)
            taken++;
        model_insert(taken, (struct model_block){run, run, model_units_of_run(), false, 0});
    }
    uintptr_t at = model.blocks[taken].at;
    assert_true(model_free(taken) && model.blocks[taken].units >= room);
    assert_int_equal(p, (at + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1));
    model_carve(taken, p, units);
}

static void model_took_half(uintptr_t p) {
    if (model.pending != 0) {
        assert_int_equal(p, model.pending);
        model.blocks[model_find(p)].live |= 2;
        model.pending = 0;
        return;
    }
    model_took(p, 1, RUN_UNIT_BYTES);
    model.blocks[model_find(p)].halves = true;
    model.pending = p + RUN_GRANULE_BYTES;
}

static bool model_run_is_kept(uintptr_t run) {
    for (struct span *s = cache_self->partial[span_class_make(RUN_CLASS, true)]; s != NULL; s = s->next)
        if (s->base == run)
            return true;
    return false;
}

/* The heap has a run again: nothing in it lived. */
static void model_run_went(uintptr_t run) {
    unsigned first = model_find(run);
    while (first < model.count && model.blocks[first].run == run) {
        assert_int_equal(model.blocks[first].live, 0);
        model_remove(first);
    }
    if (model.pending - run < runs.bytes)
        model.pending = 0;
    model.newest = model.newest == run ? 0 : model.newest;
}

/* Block i has lost what began at p. */
static void model_coalesce(unsigned i, uintptr_t p) {
    struct model_block *b = &model.blocks[i];
    b->live &= p == b->at ? ~1u : ~2u;
    if (b->live != 0 || (b->halves && model.pending == b->at + RUN_GRANULE_BYTES))
        return;
    b->halves = false;
    if (i + 1 < model.count && model_free(i + 1) && model.blocks[i + 1].run == b->run) {
        b->units += model.blocks[i + 1].units;
        model_remove(i + 1);
    }
    if (i > 0 && model_free(i - 1) && model.blocks[i - 1].run == b->run) {
        model.blocks[i - 1].units += b->units;
        model_remove(i--);
    }
    /* Knuth 2.5, exercise 6 */
    if (model.rover >= model.blocks[i].at && model.rover < model_end(i))
        model.rover = model.blocks[i].at;
}

/* p has been freed. */
static void model_gave(uintptr_t p) {
    unsigned i = model_find(p);
    if (i == MODEL_NONE) /* a span of its own */
        return;
    uintptr_t run = model.blocks[i].run;
    model_coalesce(i, p);
    if (!model_run_is_kept(run))
        model_run_went(run);
}

/* One random step: p is an object or NULL, and becomes the other. Contents look like the ends of free blocks. */
static void model_step(uint64_t **p, uint64_t x) {
    static const size_t masks[8] = {7, 15, 63, 255, 1023, 1023, 4095, 0x7eff};
    size_t size = (x >> 20 & masks[x >> 40 & 7]) + 1, align_bytes = RUN_UNIT_BYTES;
    if (*p != NULL) {
        goalloc_free(*p);
        model_gave((uintptr_t)*p);
        *p = NULL;
        return;
    }
    if ((x >> 50 & 15) == 0 && size > 8)
        align_bytes = (size_t)32 << (x >> 54 & 7);
    *p = align_bytes > RUN_UNIT_BYTES ? goalloc_memalign(align_bytes, size) : goalloc_malloc(size);
    assert_non_null(*p);
    if (size <= 8)
        model_took_half((uintptr_t)*p);
    else if (size + align_bytes - RUN_UNIT_BYTES <= runs.largest_bytes)
        model_took((uintptr_t)*p, (unsigned)((size + 15) / 16), align_bytes);
    for (size_t i = 0; i < size / 8; i += i < 1 || size / 8 - i < 3 ? 1 : size / 8 - 3)
        (*p)[i] = x >> (i & 31) & 31;
}

/* The same blocks, free or not, in the bitmaps. */
static void model_expect_bitmaps(void) {
    for (unsigned i = 0; i < model.count; i++) {
        struct model_block *b = &model.blocks[i];
        struct span *s = heap_span_of(b->at);
        unsigned slot = run_granule(s, b->at);
        assert_true(run_bit(run_starts(s), slot));
        assert_int_equal(list_free_at(s, slot), model_free(i));
        assert_int_equal(run_extent(s, slot), b->halves ? 1 : b->units * LIST_UNIT_GRANULES);
    }
}

#endif
