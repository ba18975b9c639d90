/* SPDX-License-Identifier: MIT */
#include "heapmap_rows.h"
#include "error.h"

#include <stdlib.h>

static uint64_t run_end(const struct map *m, const struct map_run *r) {
    return r->base + r->pages * m->page_bytes;
}

size_t map_first_run(const struct map *m, const struct map_moment *at, uint64_t base) {
    size_t low = 0, high = at->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run_end(m, &at->runs[middle]) > base)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

const struct map_run *map_whole(const struct map *m, const struct map_moment *at, uint64_t base, uint64_t end,
                                bool *mixed) {
    size_t i = map_first_run(m, at, base);
    *mixed = false;
    if (i == at->run_count || at->runs[i].base >= end)
        return NULL;
    const struct map_run *first = &at->runs[i];
    *mixed = first->base > base || first->kind == MAP_SPAN || first->kind == MAP_CACHED;
    while (!*mixed && run_end(m, &at->runs[i]) < end) {
        const struct map_run *next = i + 1 < at->run_count ? &at->runs[i + 1] : NULL;
        *mixed = first->kind == MAP_LARGE || next == NULL || next->kind != first->kind ||
                 next->base != run_end(m, &at->runs[i]);
        i++;
    }
    return *mixed ? NULL : first;
}

/* Do two rows look alike in every panel, and are they wholly of one kind there? */
static bool rows_alike(const struct map *m, uint64_t row, uint64_t other, uint64_t row_bytes) {
    for (size_t i = 0; i < m->moment_count; i++) {
        bool mixed, other_mixed;
        const struct map_run *a = map_whole(m, &m->moments[i], row, row + row_bytes, &mixed);
        const struct map_run *b = map_whole(m, &m->moments[i], other, other + row_bytes, &other_mixed);
        if (mixed || other_mixed || (a == NULL) != (b == NULL))
            return false;
        if (a != NULL && (a->kind != b->kind || (a->kind == MAP_LARGE && a != b)))
            return false;
    }
    return true;
}

/* ---- extents: the rows that any panel has a run in */

struct extent {
    uint64_t base, end;
};

static int by_base(const void *a, const void *b) {
    const struct extent *x = a, *y = b;
    return (x->base > y->base) - (x->base < y->base);
}

static size_t make_extents(const struct map *m, uint64_t row_bytes, struct extent **out) {
    size_t count = 0, room = 0;
    for (size_t i = 0; i < m->moment_count; i++)
        room += m->moments[i].run_count;
    struct extent *all = lab_alloc((room + 1) * sizeof *all);
    for (size_t i = 0; i < m->moment_count; i++)
        for (size_t k = 0; k < m->moments[i].run_count; k++) {
            const struct map_run *r = &m->moments[i].runs[k];
            all[count++] = (struct extent){r->base / row_bytes * row_bytes,
                                           (run_end(m, r) + row_bytes - 1) / row_bytes * row_bytes};
        }
    qsort(all, count, sizeof *all, by_base);
    size_t merged = 0;
    for (size_t i = 0; i < count; i++) {
        if (merged > 0 && all[i].base <= all[merged - 1].end) {
            if (all[i].end > all[merged - 1].end)
                all[merged - 1].end = all[i].end;
        } else {
            all[merged++] = all[i];
        }
    }
    *out = all;
    return merged;
}

static void add_row(struct map_rows *out, uint64_t base, uint64_t folded) {
    if ((out->count & (out->count - 1)) == 0)
        out->rows = lab_realloc(out->rows, (out->count == 0 ? 1 : out->count * 2) * sizeof *out->rows);
    out->rows[out->count++] = (struct map_row){base, folded};
}

/* Folds stay inside an arena: its border and address are drawn. */
static void add_extent(const struct map *m, struct map_rows *out, const struct extent *e) {
    uint64_t step = out->row_bytes;
    for (uint64_t base = e->base; base < e->end;) {
        uint64_t limit = (base / MAP_ARENA_BYTES + 1) * MAP_ARENA_BYTES, end = base + step;
        if (limit > e->end)
            limit = e->end;
        while (end < limit && rows_alike(m, base, end, step))
            end += step;
        if ((end - base) / step >= FOLD_LEAST_ROWS)
            add_row(out, base, (end - base) / step);
        else
            for (uint64_t row = base; row < end; row += step)
                add_row(out, row, 1);
        base = end;
    }
}

static void make_rows(const struct map *m, struct map_rows *out) {
    struct extent *extents;
    out->row_bytes = ROW_CELLS * out->cell_pages * m->page_bytes;
    size_t n = make_extents(m, out->row_bytes, &extents);
    for (size_t i = 0; i < n; i++)
        add_extent(m, out, &extents[i]);
    free(extents);
}

void map_rows_make(const struct map *m, struct map_rows *out) {
    *out = (struct map_rows){.cell_pages = 1};
    make_rows(m, out);
    while (out->count > ROWS_MOST && out->row_bytes < MAP_ARENA_BYTES) {
        free(out->rows);
        *out = (struct map_rows){.cell_pages = out->cell_pages * 2};
        make_rows(m, out);
    }
}

void map_rows_free(struct map_rows *r) {
    free(r->rows);
}
