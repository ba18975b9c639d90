/* SPDX-License-Identifier: MIT
 *
 * class_waste GOLDEN: what each size class wastes at worst, measured by filling a span of it with the smallest requests
 * that it serves, beside what real Go's table says. The last line counts the rows that agree; exit 1 when not all do.
 *
 * Pointer-free objects without tiny blocks, so that every class from 8 B on serves requests. Which request leads to the
 * next class is found by asking the heap, not by reading goalloc's table; the table is then held against what was
 * found.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "numbers"
#include "gc-nogc.h"
#include "tiny-off.h"
#include "place-sizeclass.h"
#include "goalloc.c"

struct row {
    unsigned size_class;
    size_t slot_bytes, span_bytes, objects, tail_bytes, waste; /* waste: hundredths of a percent */
};

/* The run that an address lies in. */
struct search {
    uintptr_t address;
    struct goalloc_run run;
    bool found;
};

static void look(void *context, const struct goalloc_run *run) {
    struct search *s = context;
    if (s->address - run->base >= run->size_bytes)
        return;
    s->run = *run;
    s->found = true;
}

static struct goalloc_run run_of(const void *p) {
    struct search s = {.address = (uintptr_t)p};
    if (goalloc_walk(look, &s) != 0 || !s.found)
        os_die("%p has just been allocated, and the walk does not visit it", (void *)s.address);
    return s.run;
}

static void *bytes(size_t size) {
    void *p = goalloc_bytes(size, false);
    if (p == NULL)
        os_die("out of memory");
    return p;
}

/* Fills the span that the request opens. False: a large object serves it, so the classes are over. */
static bool fill(size_t request, struct row *row) {
    const void *first = bytes(request);
    struct goalloc_run span = run_of(first);
    if (span.kind != GOALLOC_RUN_SPAN)
        return false;
    size_t objects = 1;
    while (span.used_slots < span.slots) {
        const void *p = bytes(request);
        if ((uintptr_t)p - span.base >= span.size_bytes)
            os_die("a span of %zu B slots is left with free slots in it", span.slot_bytes);
        objects++;
        span.used_slots++;
    }
    span = run_of(first);
    if (span.used_slots != span.slots || objects != span.slots)
        os_die("%zu objects of %zu B fill %zu of %zu slots", objects, request, span.used_slots, span.slots);
    size_t wasted = span.size_bytes - objects * request;
    *row = (struct row){.size_class = span.span_class / 2,
                        .slot_bytes = span.slot_bytes,
                        .span_bytes = span.size_bytes,
                        .objects = objects,
                        .tail_bytes = span.size_bytes - objects * span.slot_bytes,
                        .waste = (wasted * 10000 + span.size_bytes / 2) / span.size_bytes};
    return true;
}

/* Go's next row: class, slot, pages, objects, tail, waste, alignment. Rows of class 0 and comments are none. */
static bool golden_row(FILE *golden, struct row *row) {
    char line[256];
    while (fgets(line, sizeof line, golden) != NULL) {
        size_t pages;
        if (sscanf(line, "%u %zu %zu %zu %zu %zu", &row->size_class, &row->slot_bytes, &pages, &row->objects,
                   &row->tail_bytes, &row->waste) != 6 ||
            row->size_class == 0)
            continue;
        row->span_bytes = pages * GOALLOC_PAGE_BYTES;
        return true;
    }
    return false;
}

static bool same(struct row a, struct row b) {
    return a.size_class == b.size_class && a.slot_bytes == b.slot_bytes && a.span_bytes == b.span_bytes &&
           a.objects == b.objects && a.tail_bytes == b.tail_bytes && a.waste == b.waste;
}

/* goalloc's generated table, for the columns that it has. */
static bool as_generated(struct row r) {
    return r.size_class < GOALLOC_SIZE_CLASSES && r.slot_bytes == gclass_size(r.size_class) &&
           r.span_bytes == gclass_pages(r.size_class) * GOALLOC_PAGE_BYTES;
}

static void print_row(struct row r) {
    printf(" %6zu %6zu %7zu %5zu %6zu.%02zu %%", r.slot_bytes, r.span_bytes, r.objects, r.tail_bytes, r.waste / 100,
           r.waste % 100);
}

int main(int argc, char **argv) {
    FILE *golden = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (golden == NULL) {
        fprintf(stderr, "usage: numbers-class_waste results/golden/class-table.txt\n");
        return 2;
    }
    if (!goalloc_thread_attach())
        os_die("out of memory");
    printf("      |            measured in goalloc            |                 Go's table\n"
           "class |   slot   span objects  tail  max waste |   slot   span objects  tail  max waste |\n");
    unsigned rows = 0, agree = 0;
    struct row ours = {0}, go = {0};
    for (;;) {
        bool measured = fill(ours.slot_bytes + 1, &ours), published = golden_row(golden, &go);
        if (!measured && !published)
            break;
        rows++;
        printf("%5u |", measured ? ours.size_class : go.size_class);
        if (measured)
            print_row(ours);
        fputs(" |", stdout);
        if (published)
            print_row(go);
        bool ok = measured && published && same(ours, go) && as_generated(ours);
        agree += ok;
        puts(ok ? " |" : measured && !as_generated(ours) ? " | differs from goalloc's table" : " | differs");
        if (!measured || !published)
            break;
    }
    printf("%u of %u rows agree\n", agree, rows);
    fclose(golden);
    return rows > 0 && agree == rows ? 0 : 1;
}
