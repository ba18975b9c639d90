/* SPDX-License-Identifier: MIT
 *
 * map.h: maps of one run's heap, as a bench program writes them (docs/record.md), and their drawing.
 */
#ifndef SPANLAB_MAP_H
#define SPANLAB_MAP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum map_kind { MAP_SPAN, MAP_LARGE, MAP_FREE, MAP_RELEASED, MAP_CACHED, MAP_KINDS };

struct map_run {
    enum map_kind kind;
    bool noscan, released;
    uint64_t base, pages, slot_bytes, slots, used_slots, used_bytes;
};

/* What the runs of a moment add up to, in bytes. Held is all but released. */
struct map_totals {
    uint64_t occupied, free_in_span, empty_spans, free_pages, cached, released, held;
    uint64_t occupied_runs; /* spans with objects, and large objects */
    uint64_t empty_span_count;
};

struct map_moment {
    double share; /* of the operations; negative: drained */
    uint64_t ops, live_bytes, metadata_bytes;
    bool metadata_known;
    struct map_run *runs;
    size_t run_count;
    struct map_totals totals;
};

struct map {
    const char *subject, *version, *workload; /* inside the document */
    char *params;                             /* "teeth=14, keep=25", without threads */
    const char *footer;                       /* the caller's: what else there is to say, "" for nothing */
    uint64_t seed, ops, page_bytes, threads;
    uint64_t harness_bytes; /* the caller's: what the harness holds on this heap; 0: none, or not known */
    struct map_moment *moments;
    size_t moment_count;
    json_t *document;
};

/* 0, or LAB_CELL_FAILED after an error line. Keeps document. */
int map_load(struct map *m, json_t *document);
void map_free(struct map *m);

/* One SVG: a panel per moment, the same addresses side by side, with legend and captions. */
void map_draw(const struct map *m, FILE *out);

/* "1,234,567" and "1.50 MiB" into a buffer of the caller's. */
enum { MAP_NUMBER_CHARS = 32 };
char *map_number(char out[MAP_NUMBER_CHARS], uint64_t n);
char *map_bytes(char out[MAP_NUMBER_CHARS], uint64_t bytes);

#endif
