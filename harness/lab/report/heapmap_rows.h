/* SPDX-License-Identifier: MIT
 *
 * heapmap_rows.h: which rows of pages a heap map has. All panels share them, so that a page stands in the same row at
 * every moment. Rows that are alike in every panel (wholly free, wholly inside one large object) are folded into one.
 */
#ifndef SPANLAB_HEAPMAP_ROWS_H
#define SPANLAB_HEAPMAP_ROWS_H

#include "map.h"

enum { ROW_CELLS = 64, ROWS_MOST = 96, FOLD_LEAST_ROWS = 4 };
/* goalloc reserves address space in arenas of this size. */
#define MAP_ARENA_BYTES (UINT64_C(64) << 20)

struct map_row {
    uint64_t base;
    uint64_t folded; /* rows that this one stands for; 1: an ordinary row */
};

struct map_rows {
    uint64_t cell_pages; /* 1 as long as that takes no more than ROWS_MOST rows */
    uint64_t row_bytes;
    struct map_row *rows;
    size_t count;
};

void map_rows_make(const struct map *m, struct map_rows *out);
void map_rows_free(struct map_rows *r);

/* Index of the first run of the moment that ends above base; run_count when there is none. */
size_t map_first_run(const struct map *m, const struct map_moment *at, uint64_t base);

/* What a whole stretch is: the run that stands for it, or NULL when it is blank or mixed (*mixed tells). Neighbouring
 * free runs of one kind count as one. */
const struct map_run *map_whole(const struct map *m, const struct map_moment *at, uint64_t base, uint64_t end,
                                bool *mixed);

#endif
