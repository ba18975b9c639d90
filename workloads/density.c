/* SPDX-License-Identifier: MIT
 *
 * density.c: pages of which a given share is alive, collected again and again: what marking k of a page's n objects
 * costs.
 */
#include "workload.h"

enum {
    PAGE_BYTES = 8192,
    PAGE_TAIL_BYTES = 256, /* Go's pointer bits and Green Tea's marks, 128 B each */
    PERMILLE = 1000,
};

struct cell {
    struct cell *leads_to; /* while all are made, the one before; then nothing */
    uint64_t value;
};

/* A cell and room behind it. */
#define CELL(bytes)                                                                                                    \
    struct cell_##bytes {                                                                                              \
        struct cell *leads_to;                                                                                         \
        uint64_t words[(bytes) / 8 - 1];                                                                               \
    };                                                                                                                 \
    HEAP_TYPE(cell_##bytes##_type, struct cell_##bytes, HEAP_POINTER(struct cell_##bytes, leads_to))

CELL(16);
CELL(32);
CELL(64);
CELL(128);
CELL(256);
CELL(512);

static const struct {
    uint64_t bytes;
    const heap_type *type;
} cell_types[] = {
    {16, &cell_16_type},   {32, &cell_32_type},   {64, &cell_64_type},
    {128, &cell_128_type}, {256, &cell_256_type}, {512, &cell_512_type},
};

struct density {
    struct cell *newest; /* registered; NULL once it has been chosen what stays */
    struct cell **kept;  /* registered: all that stay */
    const heap_type *type;
    uint64_t size_bytes, page_cells, pages, permille, count, collections, found;
    struct rng rng;
    struct bench *bench;
};

static void *need(const struct density *d, void *p, size_t size_bytes) {
    if (p == NULL)
        bench_out_of_memory(d->bench, size_bytes);
    return p;
}

/* How many objects of the first pages stay. */
static uint64_t kept_of(const struct density *d, uint64_t pages) {
    return pages * d->page_cells * d->permille / PERMILLE;
}

/* Each holds the one before, so that none dies and no slot is used again while they are made. */
static void make_all(struct density *d) {
    for (uint64_t i = 0; i < d->pages * d->page_cells; i++) {
        struct cell *cell = need(d, heap_object(d->type, HEAP_ZERO), d->size_bytes);
        cell->value = i;
        heap_store(&cell->leads_to, d->newest);
        heap_store(&d->newest, cell);
    }
}

static struct cell *take_newest(struct density *d) {
    struct cell *cell = d->newest;
    heap_store(&d->newest, cell->leads_to);
    heap_store(&cell->leads_to, NULL);
    return cell;
}

/* Of each page's objects its share stays, at random (Knuth, The Art of Computer Programming 3.4.2, algorithm S): were
 * each object drawn alone, more than a third of the pages would have none of one object in the mean. */
static void choose(struct density *d) {
    uint64_t left = d->count;
    for (uint64_t page = d->pages; page-- > 0;) {
        uint64_t wanted = left - kept_of(d, page);
        for (uint64_t slots = d->page_cells; slots > 0; slots--) {
            struct cell *cell = take_newest(d);
            if (rng_below(&d->rng, slots) >= wanted)
                continue;
            heap_store(&d->kept[--left], cell);
            wanted--;
        }
    }
}

static void shuffle(struct density *d) {
    for (uint64_t i = d->count - 1; i > 0; i--) {
        uint64_t other = rng_below(&d->rng, i + 1);
        struct cell *cell = d->kept[i];
        heap_store(&d->kept[i], d->kept[other]);
        heap_store(&d->kept[other], cell);
    }
}

static uint64_t find_all(const struct density *d) {
    uint64_t checksum = 0;
    for (uint64_t i = 0; i < d->count; i++)
        checksum = bench_mix(checksum, d->kept[i]->value);
    return checksum;
}

static const heap_type *type_of(uint64_t size_bytes) {
    for (size_t i = 0; i < sizeof cell_types / sizeof *cell_types; i++)
        if (cell_types[i].bytes == size_bytes)
            return cell_types[i].type;
    return NULL;
}

static void read_params(struct density *d) {
    d->size_bytes = bench_param(d->bench, "size");
    d->pages = bench_param(d->bench, "pages");
    d->permille = bench_param(d->bench, "permille");
    d->collections = bench_param(d->bench, "collections");
    d->type = type_of(d->size_bytes);
    if (d->type == NULL)
        bench_fail(d->bench, "mark-density has objects of 16, 32, 64, 128, 256 and 512 B");
    d->page_cells = (PAGE_BYTES - PAGE_TAIL_BYTES) / d->size_bytes;
    d->count = kept_of(d, d->pages);
    if (d->permille > PERMILLE || d->count == 0)
        bench_fail(d->bench, "mark-density needs permille to be at most 1000, and at least one object to stay");
}

static void *density_setup(struct bench *b) {
    struct density *d = bench_scratch(b, sizeof *d);
    d->bench = b;
    read_params(d);
    rng_seed(&d->rng, bench_seed(b), 0);
    if (heap_root_add(&d->newest, 1) != 0 || heap_root_add(&d->kept, 1) != 0)
        bench_fail(b, "there is no memory for a root");
    make_all(d);
    heap_store(&d->kept, need(d, heap_pointers(d->count), d->count * sizeof *d->kept));
    choose(d);
    if (bench_param(b, "order") != 0)
        shuffle(d);
    d->found = find_all(d);
    heap_collect();
    return d;
}

static void density_body(struct bench_thread *t, void *arg) {
    struct density *d = arg;
    for (uint64_t i = 0; i < d->collections; i++) {
        heap_collect();
        t->ops++;
        bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, d->found);
}

static void density_run(struct bench *b, void *state) {
    struct density *d = state;
    bench_parallel(b, 1, density_body, d);
    if (find_all(d) != d->found)
        bench_fail(b, "the heap is not what it was before %llu collections", (unsigned long long)d->collections);
}

static void density_teardown(struct bench *b, void *state) {
    (void)b;
    struct density *d = state;
    heap_root_remove(&d->kept);
    heap_root_remove(&d->newest);
}

static const struct workload_param density_params[] = {
    {"size", 64, 64, "bytes of an object: 16, 32, 64, 128, 256 or 512"},
    {"pages", 4096, 8, "pages of 8 KiB that are filled"},
    {"permille", 20, 100, "of each page's objects that stay"},
    {"order", 0, 0, "in which the array names them: 0 by address, 1 at random"},
    {"collections", 10, 2, "forced collections"},
    {NULL, 0, 0, NULL},
};

WORKLOAD(mark_density) = {
    .name = "mark-density",
    .summary = "pages of which a share is alive, which does not change, collected again and again",
    .op = "forced collection",
    .models =
        "Nothing but marking k of a page's n objects. Pages are filled in order with objects of one size; then a "
        "random k of each page's n stay, named by one array, and the rest is dropped. Each object that stays is "
        "found once, has one pointer to be looked at, which leads nowhere, and is scanned: so a marker that queues "
        "objects pays for k of them, and one that queues pages for one visit with k objects and nothing else, since "
        "the array is gone through before any page is. With neighbours to lead to, visits would find what the array "
        "has marked already. n is what a page of Go holds with Green Tea: 496 objects of 16 B, 248 of 32, 124 of 64, "
        "62 of 128, 31 of 256, 15 of 512; where k is no whole number, pages take turns, and below one object per "
        "page some have none. By address (order=0) the array names a page's objects together, which is the best "
        "case for marks on the page; at random it is the worst. Its process CPU minus that of mark-empty is what "
        "marking costs.",
    .source = "Our own, after the statement of Go's blog (greenteagc.md:1099) that scanning 2 % of a page at a time "
              "can pay. Build and check are outside the clock.",
    .bad_for = "Markers that queue pages, where a page has one object to scan.",
    .params = density_params,
    .flavours = WORKLOAD_TRACED,
    .setup = density_setup,
    .run = density_run,
    .teardown = density_teardown,
};
