/* SPDX-License-Identifier: MIT
 *
 * heapmap: draws the maps of a heap as one SVG. A cell is filled from below by what is in it: live bytes in the colour
 * of their size class, then the free rest of their spans, then free pages. Sizes run along viridis, which stays in
 * order for colour-blind readers and in grey; free memory has no colour, large objects have one of their own and a line
 * through them.
 */
#include "map.h"
#include "error.h"
#include "heapmap_rows.h"
#include "html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_WIDTH = 7, ROW_HEIGHT = 10, FOLD_HEIGHT = 17, ARENA_GAP = 6, LEFT = 112, RIGHT = 24, GUTTER = 32 };
enum { PANEL_WIDTH = ROW_CELLS * CELL_WIDTH, COLUMNS_MOST = 3, HEADER_HEIGHT = 134, TITLE_HEIGHT = 58, LINE = 16 };
enum { TABLE_LINES = 9, TABLE_HEIGHT = 26 + TABLE_LINES * LINE, BAND_GAP = 34, FOOTER_HEIGHT = 46, LABEL_LEAST = 12 };
#define CELL_HEIGHT    8.8
#define LARGE_COLOUR   "#c8501e"
#define FREE_COLOUR    "#c2c2c2"
#define UNSIZED_COLOUR "#5e6876"
#define BORDER_COLOUR  "#b4b4b4"
#define TEXT_COLOUR    "#222222"
#define FAINT_COLOUR   "#666666"

/* ---- colours of size classes: viridis by the logarithm of the size, 8 B to 32 KiB, short of its palest end */

struct colour {
    double red, green, blue;
};

static struct colour size_colour(double slot_bytes) {
    static const struct colour viridis[] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                            {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                            {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};
    enum { STEPS = sizeof viridis / sizeof *viridis - 1 };
    if (slot_bytes == 0)
        return (struct colour){94, 104, 118}; /* no equal slots: slate, UNSIZED_COLOUR */
    double at = (log2(slot_bytes < 8 ? 8 : slot_bytes) - 3) / 12 * STEPS * 0.92;
    int step = at >= STEPS ? STEPS - 1 : (int)at;
    double share = at - step;
    const struct colour *a = &viridis[step], *b = a + 1;
    return (struct colour){a->red + (b->red - a->red) * share, a->green + (b->green - a->green) * share,
                           a->blue + (b->blue - a->blue) * share};
}

static struct colour mix(struct colour c, double keep, double other) {
    return (struct colour){c.red * keep + other * (1 - keep), c.green * keep + other * (1 - keep),
                           c.blue * keep + other * (1 - keep)};
}

static const char *hex(char out[8], struct colour c) {
    snprintf(out, 8, "#%02x%02x%02x", (unsigned)(c.red + 0.5), (unsigned)(c.green + 0.5), (unsigned)(c.blue + 0.5));
    return out;
}

/* ---- brushes: all rectangles of one look are one path */

enum look {
    LOOK_RELEASED,
    LOOK_FREE,
    LOOK_CACHED,
    LOOK_CACHED_RELEASED,
    LOOK_REST, /* of a span */
    LOOK_USED,
    LOOK_CELL_REST, /* the same in a cell of several pages, which has no outline */
    LOOK_CELL_USED,
    LOOK_CELL_RELEASED,
    LOOK_LARGE,
    LOOK_LINE,
    LOOK_SCAN,
    LOOK_CELL,
};

struct brush {
    enum look look;
    uint64_t slot_bytes;
    FILE *path;
    char *text;
    size_t size;
};

struct brushes {
    struct brush *items;
    size_t count;
};

static FILE *brush(struct brushes *b, enum look look, uint64_t slot_bytes) {
    for (size_t i = 0; i < b->count; i++)
        if (b->items[i].look == look && b->items[i].slot_bytes == slot_bytes)
            return b->items[i].path;
    /* The stream keeps the address of its text, so a brush must not move. */
    enum { MOST = 1024 };
    if (b->items == NULL)
        b->items = lab_alloc(MOST * sizeof *b->items);
    if (b->count == MOST)
        return b->items[MOST - 1].path;
    struct brush *n = &b->items[b->count++];
    *n = (struct brush){.look = look, .slot_bytes = slot_bytes};
    n->path = open_memstream(&n->text, &n->size);
    return n->path;
}

static void rectangle(struct brushes *b, enum look look, uint64_t slot_bytes, double x, double y, double width,
                      double height) {
    if (width > 0 && height > 0)
        fprintf(brush(b, look, slot_bytes), "M%.6g %.6gh%.6gv%.6gh%.6gz", x, y, width, height, -width);
}

static void emit_brush(FILE *out, const struct brush *b) {
    char colour[8], edge[8];
    struct colour c = size_colour((double)b->slot_bytes);
    hex(edge, mix(c, 0.8, 0));
    switch (b->look) {
    case LOOK_RELEASED:
        fputs("<path fill=\"#ffffff\" stroke=\"" BORDER_COLOUR "\" stroke-width=\"0.6\"", out);
        break;
    case LOOK_FREE:
        fputs("<path fill=\"" FREE_COLOUR "\"", out);
        break;
    case LOOK_CACHED:
        fputs("<path fill=\"url(#cached)\" stroke=\"#8a8a8a\" stroke-width=\"0.6\"", out);
        break;
    case LOOK_CACHED_RELEASED:
        fputs("<path fill=\"url(#cached-released)\" stroke=\"" BORDER_COLOUR "\" stroke-width=\"0.6\"", out);
        break;
    case LOOK_REST:
        fprintf(out, "<path fill=\"%s\" stroke=\"%s\" stroke-width=\"0.7\"", hex(colour, mix(c, 0.1, 255)), edge);
        break;
    case LOOK_USED:
        fprintf(out, "<path fill=\"%s\" stroke=\"%s\" stroke-width=\"0.5\"", hex(colour, c), edge);
        break;
    case LOOK_CELL_REST:
        fprintf(out, "<path fill=\"%s\"", hex(colour, mix(c, 0.25, 255)));
        break;
    case LOOK_CELL_USED:
        fprintf(out, "<path fill=\"%s\"", hex(colour, c));
        break;
    case LOOK_CELL_RELEASED:
        fputs("<path fill=\"#ffffff\"", out);
        break;
    case LOOK_CELL:
        fputs("<path fill=\"none\" stroke=\"#9c9c9c\" stroke-width=\"0.4\"", out);
        break;
    case LOOK_LARGE:
        fputs("<path fill=\"" LARGE_COLOUR "\"", out);
        break;
    case LOOK_LINE:
        fputs("<path fill=\"#ffffff\"", out);
        break;
    case LOOK_SCAN:
        fputs("<path fill=\"#000000\"", out);
        break;
    }
    fprintf(out, " d=\"%s\"/>\n", b->text);
}

/* Later looks lie on earlier ones. */
static void brushes_emit(FILE *out, struct brushes *b) {
    for (size_t i = 0; i < b->count; i++)
        fclose(b->items[i].path);
    for (int look = LOOK_RELEASED; look <= LOOK_CELL; look++)
        for (size_t i = 0; i < b->count; i++)
            if ((int)b->items[i].look == look)
                emit_brush(out, &b->items[i]);
    for (size_t i = 0; i < b->count; i++)
        free(b->items[i].text);
    free(b->items);
}

static enum look free_look(const struct map_run *r) {
    if (r->kind == MAP_CACHED)
        return r->released ? LOOK_CACHED_RELEASED : LOOK_CACHED;
    return r->kind == MAP_RELEASED ? LOOK_RELEASED : LOOK_FREE;
}

/* ---- one page per cell: the part of a run in a row is one bar */

struct drawing {
    const struct map *map;
    const struct map_moment *moment;
    const struct map_rows *rows;
    struct brushes brushes;
    bool scan_marks; /* there are objects with pointers, and others */
};

static void draw_part(struct drawing *d, const struct map_run *r, uint64_t base, uint64_t end, double x, double y) {
    const struct map *m = d->map;
    uint64_t run_end = r->base + r->pages * m->page_bytes;
    uint64_t from = r->base > base ? r->base : base, to = run_end < end ? run_end : end;
    double left = x + (double)((from - base) / m->page_bytes) * CELL_WIDTH + (from == r->base ? 0.6 : 0);
    double right = x + (double)((to - base) / m->page_bytes) * CELL_WIDTH - (to == run_end ? 0.6 : 0);
    double width = right - left;
    if (r->kind == MAP_LARGE) {
        rectangle(&d->brushes, LOOK_LARGE, 0, left, y, width, CELL_HEIGHT);
        rectangle(&d->brushes, LOOK_LINE, 0, left + 1, y + CELL_HEIGHT / 2 - 0.6, width - 2, 1.2);
    } else if (r->kind == MAP_SPAN) {
        double used = CELL_HEIGHT * (double)r->used_bytes / (double)(r->pages * m->page_bytes);
        rectangle(&d->brushes, LOOK_REST, r->slot_bytes, left, y, width, CELL_HEIGHT);
        rectangle(&d->brushes, LOOK_USED, r->slot_bytes, left, y + CELL_HEIGHT - used, width, used);
        if (d->scan_marks && !r->noscan)
            rectangle(&d->brushes, LOOK_SCAN, 0, left, y + CELL_HEIGHT - 1.1, width, 1.1);
    } else {
        rectangle(&d->brushes, free_look(r), 0, left, y, width, CELL_HEIGHT);
    }
}

/* ---- several pages per cell: what lies in it, stacked */

struct cell {
    double large, free, cached, released, rest, used; /* bytes */
    uint64_t slot_bytes;                              /* of the class with most live bytes, or most bytes */
    double most;
};

static void cell_add(struct cell *c, const struct map_run *r, double pages, double page_bytes) {
    double bytes = pages * page_bytes, used = bytes * (double)r->used_bytes / ((double)r->pages * page_bytes);
    double weight = used + bytes / 1e6; /* an empty span counts where no object is */
    if (r->kind == MAP_LARGE) {
        c->large += bytes;
    } else if (r->kind != MAP_SPAN) {
        double *part = r->released ? &c->released : r->kind == MAP_CACHED ? &c->cached : &c->free;
        *part += bytes;
    } else {
        c->used += used;
        c->rest += bytes - used;
        if (weight > c->most) {
            c->most = weight;
            c->slot_bytes = r->slot_bytes;
        }
    }
}

static void draw_cell(struct drawing *d, uint64_t base, double x, double y) {
    const struct map *m = d->map;
    struct cell c = {0};
    uint64_t end = base + d->rows->cell_pages * m->page_bytes;
    for (size_t i = map_first_run(m, d->moment, base); i < d->moment->run_count && d->moment->runs[i].base < end; i++) {
        const struct map_run *r = &d->moment->runs[i];
        uint64_t run_end = r->base + r->pages * m->page_bytes;
        uint64_t from = r->base > base ? r->base : base, to = run_end < end ? run_end : end;
        cell_add(&c, r, (double)((to - from) / m->page_bytes), (double)m->page_bytes);
    }
    const double parts[] = {c.used, c.large, c.rest, c.free, c.cached, c.released};
    static const enum look looks[] = {LOOK_CELL_USED, LOOK_LARGE,  LOOK_CELL_REST,
                                      LOOK_FREE,      LOOK_CACHED, LOOK_CELL_RELEASED};
    double bottom = y + CELL_HEIGHT, scale = CELL_HEIGHT / (double)(end - base);
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        double height = parts[i] * scale;
        bool of_class = looks[i] == LOOK_CELL_USED || looks[i] == LOOK_CELL_REST;
        rectangle(&d->brushes, looks[i], of_class ? c.slot_bytes : 0, x + 0.4, bottom - height, CELL_WIDTH - 0.8,
                  height);
        if (looks[i] == LOOK_LARGE && height > CELL_HEIGHT / 2)
            rectangle(&d->brushes, LOOK_LINE, 0, x + 0.4, bottom - height / 2 - 0.5, CELL_WIDTH - 0.8, 1);
        bottom -= height;
    }
    rectangle(&d->brushes, LOOK_CELL, 0, x + 0.4, bottom, CELL_WIDTH - 0.8, y + CELL_HEIGHT - bottom);
}

static void draw_row(struct drawing *d, uint64_t base, double x, double y) {
    const struct map *m = d->map;
    uint64_t end = base + d->rows->row_bytes;
    if (d->rows->cell_pages > 1) {
        for (unsigned i = 0; i < ROW_CELLS; i++)
            draw_cell(d, base + i * d->rows->cell_pages * m->page_bytes, x + i * CELL_WIDTH, y);
        return;
    }
    for (size_t i = map_first_run(m, d->moment, base); i < d->moment->run_count && d->moment->runs[i].base < end; i++)
        draw_part(d, &d->moment->runs[i], base, end, x, y);
}

static void draw_fold(struct drawing *d, const struct map_row *row, double x, double y, FILE *texts) {
    bool mixed;
    char pages[MAP_NUMBER_CHARS], bytes[MAP_NUMBER_CHARS];
    uint64_t size_bytes = row->folded * d->rows->row_bytes;
    const struct map_run *r = map_whole(d->map, d->moment, row->base, row->base + size_bytes, &mixed);
    if (r == NULL)
        return;
    double height = FOLD_HEIGHT - (ROW_HEIGHT - CELL_HEIGHT);
    bool large = r->kind == MAP_LARGE;
    rectangle(&d->brushes, large ? LOOK_LARGE : free_look(r), 0, x, y, PANEL_WIDTH, height);
    fprintf(texts, "<text x=\"%g\" y=\"%g\" class=\"fold%s\">… %s %s (%s) …</text>\n", x + PANEL_WIDTH / 2.0,
            y + height - 4, large ? " onlarge" : "", map_number(pages, size_bytes / d->map->page_bytes),
            large                     ? "pages of one large object"
            : r->kind == MAP_RELEASED ? "released pages"
                                      : "free pages, backed",
            map_bytes(bytes, size_bytes));
}

/* ---- the panel: rows, and a table of what they add up to */

static double row_height(const struct map_rows *rows, size_t i) {
    bool arena = i > 0 && rows->rows[i].base / MAP_ARENA_BYTES != rows->rows[i - 1].base / MAP_ARENA_BYTES;
    return (rows->rows[i].folded > 1 ? FOLD_HEIGHT : ROW_HEIGHT) + (arena ? ARENA_GAP : 0);
}

static double rows_height(const struct map_rows *rows) {
    double height = 0;
    for (size_t i = 0; i < rows->count; i++)
        height += row_height(rows, i);
    return height;
}

/* y of the row itself: a gap for the border of an arena comes before it. */
static double row_top(const struct map_rows *rows, size_t i, double y) {
    return y + row_height(rows, i) - (rows->rows[i].folded > 1 ? FOLD_HEIGHT : ROW_HEIGHT);
}

static void draw_rows(const struct map *m, const struct map_moment *at, const struct map_rows *rows, bool scan_marks,
                      double x, double y, FILE *out) {
    struct drawing d = {.map = m, .moment = at, .rows = rows, .scan_marks = scan_marks};
    char *texts = NULL;
    size_t size;
    FILE *text = open_memstream(&texts, &size);
    for (size_t i = 0; i < rows->count; i++) {
        double top = row_top(rows, i, y);
        if (rows->rows[i].folded > 1)
            draw_fold(&d, &rows->rows[i], x, top, text);
        else
            draw_row(&d, rows->rows[i].base, x, top);
        y += row_height(rows, i);
    }
    fclose(text);
    brushes_emit(out, &d.brushes);
    fputs(texts, out);
    free(texts);
}

static void draw_columns(const struct map_rows *rows, double x, double y, FILE *out) {
    char pages[MAP_NUMBER_CHARS];
    for (unsigned i = 0; i <= ROW_CELLS; i += ROW_CELLS / 4) {
        map_number(pages, i * rows->cell_pages);
        fprintf(out, "<path d=\"M%g %gv4\" stroke=\"#999999\" stroke-width=\"0.8\"/>\n", x + i * CELL_WIDTH, y - 6);
        fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"tick\" text-anchor=\"%s\">%s%s</text>\n", x + i * CELL_WIDTH,
                y - 9,
                i == 0           ? "start"
                : i == ROW_CELLS ? "end"
                                 : "middle",
                pages, i == ROW_CELLS ? " pages" : "");
    }
}

/* One line of the table: what, how much, which part of all that is held, and in exact bytes. */
static void table_line(FILE *out, double x, double y, const char *what, const char *key, uint64_t bytes,
                       uint64_t whole) {
    char round[MAP_NUMBER_CHARS], exact[MAP_NUMBER_CHARS], percent[MAP_NUMBER_CHARS] = "";
    if (whole > 0)
        snprintf(percent, sizeof percent, "%.1f %%", (double)bytes * 100 / (double)whole);
    fprintf(out,
            "<text x=\"%g\" y=\"%g\">%s</text><text x=\"%g\" y=\"%g\" class=\"right\">%s</text>"
            "<text x=\"%g\" y=\"%g\" class=\"right\">%s</text>"
            "<text x=\"%g\" y=\"%g\" class=\"right faint\" data-part=\"%s\">%s B</text>\n",
            x + 22, y, what, x + 282, y, map_bytes(round, bytes), x + 344, y, percent, x + PANEL_WIDTH, y, key,
            map_number(exact, bytes));
}

static void swatch(FILE *out, double x, double y, const char *look) {
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"14\" height=\"%g\" %s/>\n", x, y - CELL_HEIGHT, CELL_HEIGHT, look);
}

static void draw_table(const struct map_moment *at, double x, double y, FILE *out) {
    const struct map_totals *t = &at->totals;
    char label[128], runs[MAP_NUMBER_CHARS];
    fprintf(out, "<path d=\"M%g %gh%d\" stroke=\"#999999\" stroke-width=\"0.8\"/>\n<g class=\"table\">\n", x, y,
            PANEL_WIDTH);
    y += LINE;
    swatch(out, x, y, "fill=\"url(#sizes)\"");
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"5\" height=\"%g\" fill=\"" LARGE_COLOUR "\"/>\n", x + 9,
            y - CELL_HEIGHT, CELL_HEIGHT);
    table_line(out, x, y, "occupied by live objects", "occupied", t->occupied, t->held);
    y += LINE;
    table_line(out, x, y, at->share < 0 ? "  requested by the workload" : "  of that, requested by the workload",
               "requested", at->live_bytes, t->held);
    y += LINE;
    swatch(out, x, y, "fill=\"#eef1f4\" stroke=\"#33638d\" stroke-width=\"0.8\"");
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"14\" height=\"3.6\" fill=\"#33638d\"/>\n", x, y - 3.6);
    table_line(out, x, y, "free in spans that hold objects", "free_in_span", t->free_in_span, t->held);
    y += LINE;
    snprintf(label, sizeof label, "in spans without any object (%s)", map_number(runs, t->empty_span_count));
    swatch(out, x, y, "fill=\"#eef1f4\" stroke=\"#33638d\" stroke-width=\"0.8\"");
    table_line(out, x, y, label, "empty_spans", t->empty_spans, t->held);
    y += LINE;
    swatch(out, x, y, "fill=\"" FREE_COLOUR "\"");
    table_line(out, x, y, "free pages, backed", "free_pages", t->free_pages, t->held);
    y += LINE;
    swatch(out, x, y, "fill=\"url(#cached)\" stroke=\"#8a8a8a\" stroke-width=\"0.6\"");
    table_line(out, x, y, "free pages set aside for threads", "cached", t->cached, t->held);
    y += LINE;
    table_line(out, x, y, at->metadata_known ? "metadata (outside the map)" : "metadata (not known, taken as 0)",
               "metadata", at->metadata_bytes, t->held);
    y += LINE + 2;
    fputs("<g font-weight=\"bold\">", out);
    table_line(out, x, y, "held from the OS", "held", t->held, t->held);
    fputs("</g>", out);
    y += LINE + 2;
    swatch(out, x, y, "fill=\"#ffffff\" stroke=\"" BORDER_COLOUR "\" stroke-width=\"0.8\"");
    table_line(out, x, y, "released, or never touched", "released", t->released, 0);
    fputs("</g>\n", out);
}

static void draw_title(const struct map *m, const struct map_moment *at, double x, double y, FILE *out) {
    char ops[MAP_NUMBER_CHARS], all[MAP_NUMBER_CHARS], title[64] = "Drained", asked[64] = "";
    double percent = m->ops == 0 ? 0 : (double)at->ops * 100 / (double)m->ops;
    map_number(all, m->ops);
    if (at->share >= 0)
        snprintf(title, sizeof title, "At %.3g %% of the operations", percent);
    /* Workloads can be looked at between their steps only. */
    if (fabs(percent - at->share * 100) >= 0.05)
        snprintf(asked, sizeof asked, "; the %s %g %%",
                 percent > at->share * 100 ? "next point after" : "last point before", at->share * 100);
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"moment\">%s</text>\n<text x=\"%g\" y=\"%g\" class=\"faint\">", x,
            y + 12, title, x, y + 28);
    if (at->share < 0)
        fprintf(out, "after all %s operations: objects dropped, free memory given back", all);
    else
        fprintf(out, "after %s of %s operations%s", map_number(ops, at->ops), all, asked);
    fputs("</text>\n", out);
}

/* Addresses of arenas, and offsets in them, at the left of a band; a thin line across it where an arena begins. */
static void draw_addresses(const struct map_rows *rows, double y, double width, FILE *out) {
    double last = -LABEL_LEAST;
    char offset[MAP_NUMBER_CHARS];
    for (size_t i = 0; i < rows->count; i++) {
        uint64_t base = rows->rows[i].base, within = base % MAP_ARENA_BYTES;
        double top = row_top(rows, i, y), line = top + CELL_HEIGHT - 0.5;
        bool arena = i == 0 || base / MAP_ARENA_BYTES != rows->rows[i - 1].base / MAP_ARENA_BYTES;
        bool jump = i > 0 && rows->rows[i - 1].base + rows->rows[i - 1].folded * rows->row_bytes != base;
        if (rows->rows[i].folded > 1)
            line += (FOLD_HEIGHT - ROW_HEIGHT) / 2.0;
        if (arena && i > 0)
            fprintf(out, "<path d=\"M8 %gh%g\" stroke=\"#777777\" stroke-width=\"0.8\"/>\n",
                    top - ARENA_GAP / 2.0 - 0.6, width - 16);
        bool wanted = arena || jump || rows->rows[i].folded > 1 || base / rows->row_bytes % 8 == 0;
        if (wanted && (arena || line - last >= LABEL_LEAST)) {
            last = line;
            if (arena && within == 0)
                fprintf(out, "<text x=\"%d\" y=\"%g\" class=\"address\">0x%llx</text>\n", LEFT - 8, line,
                        (unsigned long long)base);
            else
                fprintf(out, "<text x=\"%d\" y=\"%g\" class=\"tick right\">+%s</text>\n", LEFT - 8, line,
                        map_bytes(offset, within));
        }
        y += row_height(rows, i);
    }
}

/* ---- the head: what this is, and how to read it */

static void draw_ramp(double x, double y, FILE *out) {
    static const unsigned ticks[] = {8, 64, 512, 4096, 32768};
    enum { RAMP_WIDTH = 264 };
    char bytes[MAP_NUMBER_CHARS];
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"head\">slot size of a span</text>\n", x, y);
    fprintf(out, "<rect x=\"%g\" y=\"%g\" width=\"%d\" height=\"11\" fill=\"url(#sizes)\"/>\n", x, y + 8, RAMP_WIDTH);
    for (size_t i = 0; i < sizeof ticks / sizeof *ticks; i++) {
        double at = x + RAMP_WIDTH * (log2(ticks[i]) - 3) / 12;
        fprintf(out, "<path d=\"M%g %gv4\" stroke=\"#666666\" stroke-width=\"0.8\"/>\n", at, y + 19);
        fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"tick\" text-anchor=\"%s\">%s</text>\n", at, y + 33,
                i == 0   ? "start"
                : i == 4 ? "end"
                         : "middle",
                map_bytes(bytes, ticks[i]));
    }
}

static void legend_item(FILE *out, double x, double y, const char *look, const char *what) {
    swatch(out, x, y, look);
    fprintf(out, "<text x=\"%g\" y=\"%g\">%s</text>\n", x + 20, y, what);
}

static void draw_fills(const struct map_rows *rows, double x, double y, FILE *out) {
    static const int shares[] = {0, 25, 50, 75, 100};
    struct brushes b = {0};
    fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"head\">%s</text>\n", x, y,
            rows->cell_pages == 1 ? "filled: share of a span's bytes in live objects"
                                  : "filled: share of a cell's bytes in live objects");
    for (int i = 0; i < 5; i++) {
        double left = x + 48 * i;
        rectangle(&b, LOOK_REST, 256, left, y + 9, 14, CELL_HEIGHT);
        rectangle(&b, LOOK_USED, 256, left, y + 9 + CELL_HEIGHT * (100 - shares[i]) / 100, 14,
                  CELL_HEIGHT * shares[i] / 100);
        fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"tick\">%d %%</text>\n", left, y + 33, shares[i]);
    }
    brushes_emit(out, &b);
}

static void draw_kinds(double x, double y, bool scan_marks, bool unsized, FILE *out) {
    if (unsized)
        legend_item(out, x, y + 3 * LINE, "fill=\"" UNSIZED_COLOUR "\"", "span without equal slots");
    legend_item(out, x, y, "fill=\"" LARGE_COLOUR "\"", "large object: whole pages");
    fprintf(out, "<path d=\"M%g %gh12\" stroke=\"#ffffff\" stroke-width=\"1.2\"/>\n", x + 1, y - CELL_HEIGHT / 2);
    legend_item(out, x, y + LINE, "fill=\"" FREE_COLOUR "\"", "free page, backed");
    legend_item(out, x, y + 2 * LINE, "fill=\"#ffffff\" stroke=\"" BORDER_COLOUR "\" stroke-width=\"0.8\"",
                "free page, not backed");
    double right = x + 196;
    legend_item(out, right, y, "fill=\"url(#cached)\" stroke=\"#8a8a8a\" stroke-width=\"0.6\"",
                "set aside for a thread, backed");
    legend_item(out, right, y + LINE,
                "fill=\"url(#cached-released)\" stroke=\"" BORDER_COLOUR "\" stroke-width=\"0.6\"",
                "set aside for a thread, not backed");
    if (scan_marks)
        legend_item(out, right, y + 2 * LINE, "fill=\"url(#scan)\"", "black base line: objects with pointers");
    else
        fprintf(out, "<text x=\"%g\" y=\"%g\" class=\"faint\">no cell: not in the heap yet</text>\n", right + 20,
                y + 2 * LINE);
}

static bool has_unsized(const struct map *m) {
    bool has = false;
    for (size_t i = 0; i < m->moment_count; i++)
        for (size_t k = 0; k < m->moments[i].run_count; k++)
            has |= m->moments[i].runs[k].kind == MAP_SPAN && m->moments[i].runs[k].slot_bytes == 0;
    return has;
}

static void draw_header(const struct map *m, const struct map_rows *rows, bool scan_marks, FILE *out) {
    char page[MAP_NUMBER_CHARS], row[MAP_NUMBER_CHARS], cell[MAP_NUMBER_CHARS], number[MAP_NUMBER_CHARS],
        seed[MAP_NUMBER_CHARS];
    fprintf(out, "<text x=\"16\" y=\"28\" class=\"title\">Heap map: ");
    html_text(out, m->workload);
    fputs(" on ", out);
    html_text(out, m->subject);
    fprintf(out, ", %s thread%s</text>\n<text x=\"16\" y=\"46\" class=\"faint\">", map_number(number, m->threads),
            m->threads == 1 ? "" : "s");
    html_text(out, m->params);
    fprintf(out, "%sseed = %s", m->params[0] != '\0' ? ", " : "", map_number(seed, m->seed));
    fputs("</text>\n", out);
    map_bytes(page, m->page_bytes);
    map_bytes(row, rows->row_bytes);
    fputs("<text x=\"16\" y=\"62\" class=\"faint\">", out);
    if (rows->cell_pages == 1)
        fprintf(
            out,
            "One cell is one page of %s, one row %d pages (%s); the pages of a span are one bar and share its fill.",
            page, ROW_CELLS, row);
    else
        fprintf(out,
                "One cell is %s pages of %s (%s), one row %s, because the heap is large; a cell shows its parts "
                "stacked, spans in "
                "the colour of the class with most live bytes.",
                map_number(number, rows->cell_pages), page, map_bytes(cell, rows->cell_pages * m->page_bytes), row);
    fputs("</text>\n", out);
    draw_ramp(16, 86, out);
    draw_fills(rows, 320, 86, out);
    draw_kinds(620, 88, scan_marks, has_unsized(m), out);
}

static void draw_styles(FILE *out) {
    fputs(
        "<style>text{font:11px 'DejaVu Sans',Verdana,Arial,sans-serif;fill:" TEXT_COLOUR "}"
        ".title{font-size:17px;font-weight:bold}.moment{font-size:13px;font-weight:bold}.head{font-weight:bold}"
        ".faint{fill:" FAINT_COLOUR "}.tick{font-size:9.5px;fill:" FAINT_COLOUR "}.right{text-anchor:end}"
        ".onlarge{fill:#ffffff}.fold{font-size:10.5px;text-anchor:middle}.address{font:10px 'DejaVu Sans "
        "Mono',monospace;text-anchor:end}"
        ".table text{font-variant-numeric:tabular-nums;white-space:pre}g[font-weight] text{font-weight:bold}</style>\n"
        "<defs>\n<pattern id=\"cached\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
        "patternTransform=\"rotate(45)\">"
        "<rect width=\"4\" height=\"4\" fill=\"#e2e2e2\"/><rect width=\"1.5\" height=\"4\" "
        "fill=\"#7a7a7a\"/></pattern>\n"
        "<pattern id=\"cached-released\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" "
        "patternTransform=\"rotate(45)\">"
        "<rect width=\"4\" height=\"4\" fill=\"#ffffff\"/><rect width=\"1\" height=\"4\" fill=\"#b0b0b0\"/></pattern>\n"
        "<linearGradient id=\"scan\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\"><stop offset=\"0.86\" stop-color=\"#21908d\"/>"
        "<stop offset=\"0.86\" stop-color=\"#000000\"/></linearGradient>\n"
        "<linearGradient id=\"sizes\">",
        out);
    for (int i = 0; i <= 24; i++) {
        char colour[8];
        fprintf(out, "<stop offset=\"%g\" stop-color=\"%s\"/>", i / 24.0, hex(colour, size_colour(exp2(3 + i / 2.0))));
    }
    fputs("</linearGradient>\n</defs>\n", out);
}

static bool wants_scan_marks(const struct map *m) {
    bool with = false;
    for (size_t i = 0; i < m->moment_count; i++)
        for (size_t k = 0; k < m->moments[i].run_count; k++) {
            const struct map_run *r = &m->moments[i].runs[k];
            /* A build without a collector keeps its 8-byte granules in the half of a class that others scan. */
            with |= r->kind == MAP_SPAN && !r->noscan && r->slot_bytes != 8;
        }
    return with;
}

static void draw_footer(const struct map *m, double y, FILE *out) {
    char bytes[MAP_NUMBER_CHARS];
    fprintf(out, "<text x=\"16\" y=\"%g\" class=\"faint\">Percent are of what is held from the OS.", y);
    if (m->harness_bytes > 0)
        fprintf(out, " Occupied includes %s that the harness itself holds on this heap.",
                map_bytes(bytes, m->harness_bytes));
    if (m->threads > 1)
        fputs(" Other threads go on while a map is taken: its figures may be some operations apart.", out);
    fprintf(out, "</text>\n<text x=\"16\" y=\"%g\" class=\"faint\">", y + LINE);
    html_text(out, m->footer);
    fputs("</text>\n", out);
}

void map_draw(const struct map *m, FILE *out) {
    struct map_rows rows;
    map_rows_make(m, &rows);
    bool scan_marks = rows.cell_pages == 1 && wants_scan_marks(m);
    size_t columns = m->moment_count < COLUMNS_MOST ? m->moment_count : COLUMNS_MOST;
    size_t bands = (m->moment_count + columns - 1) / columns;
    double least = LEFT + 2.0 * PANEL_WIDTH + GUTTER + RIGHT;
    double width = LEFT + (double)columns * PANEL_WIDTH + (double)(columns - 1) * GUTTER + RIGHT;
    if (width < least)
        width = least;
    double map_height = rows_height(&rows), band_height = TITLE_HEIGHT + map_height + TABLE_HEIGHT + BAND_GAP;
    double height = HEADER_HEIGHT + 12 + (double)bands * band_height + FOOTER_HEIGHT;
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%g\" "
            "height=\"%g\" "
            "viewBox=\"0 0 %g %g\">\n<title>Heap map: ",
            width, height, width, height);
    html_text(out, m->workload);
    fputs(" on ", out);
    html_text(out, m->subject);
    fprintf(out, "</title>\n<rect width=\"%g\" height=\"%g\" fill=\"#ffffff\"/>\n", width, height);
    draw_styles(out);
    draw_header(m, &rows, scan_marks, out);
    for (size_t i = 0; i < m->moment_count; i++) {
        double x = LEFT + (double)(i % columns) * (PANEL_WIDTH + GUTTER);
        double y = HEADER_HEIGHT + 12 + (double)(i / columns) * band_height;
        if (i % columns == 0)
            draw_addresses(&rows, y + TITLE_HEIGHT, width, out);
        fprintf(out, "<g id=\"moment-%zu\">\n", i);
        draw_title(m, &m->moments[i], x, y, out);
        draw_columns(&rows, x, y + TITLE_HEIGHT, out);
        draw_rows(m, &m->moments[i], &rows, scan_marks, x, y + TITLE_HEIGHT, out);
        draw_table(&m->moments[i], x, y + TITLE_HEIGHT + map_height + 10, out);
        fputs("</g>\n", out);
    }
    draw_footer(m, height - FOOTER_HEIGHT + 10, out);
    fputs("</svg>\n", out);
    map_rows_free(&rows);
}
