/* SPDX-License-Identifier: MIT
 *
 * fragmentation: what the committed bytes are, at the last point of each run.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 2, PANEL_WIDTH = 600, FRAME_HEIGHT = 110, BAR_HEIGHT = 18, PARTS = 8 };

static const struct {
    const char *key, *title, *colour;
} parts[PARTS] = {
    {"requested_bytes", "requested", "#0072B2"}, {"rounding_bytes", "rounding", "#56B4E9"},
    {"dead_bytes", "dead", "#009E73"},           {"free_in_span_bytes", "free in span", "#E69F00"},
    {"cached_bytes", "cached", "#F0E442"},       {"metadata_bytes", "metadata", "#D55E00"},
    {"lazy_bytes", "lazily freed", "#CC79A7"},   {"unaccounted_bytes", "not told apart", "#BBBBBB"},
};

static json_t *split(const struct run_cell *c) {
    json_t *s = c == NULL ? NULL : json_object_get(c->memory_record, "fragmentation");
    return json_is_number(json_object_get(s, "committed_bytes")) ? s : NULL;
}

static double part_mib(json_t *s, int part) {
    json_t *n = json_object_get(s, parts[part].key);
    double value = json_is_number(n) ? json_number_value(n) / (1 << 20) : 0;
    return value > 0 ? value : 0;
}

static bool row_has_bars(const struct run *r, size_t row) {
    double most = 0;
    for (size_t i = 0; i < r->subject_count; i++) {
        json_t *s = split(run_find(r, row, r->subjects[i]));
        double requested = json_number_value(json_object_get(s, "requested_bytes"));
        if (s != NULL && requested > most)
            most = requested;
    }
    return most >= 256 << 10; /* below that the libraries' own start-up memory is all one would see */
}

/* Bars lie on their side, so that every subject's name can be read in full. Subject i of the row is at height -i. */
static void panel(const struct run *r, size_t row, FILE *f) {
    size_t bars = 0;
    fputs("unset ytics\nset ytics nomirror (", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        if (split(run_find(r, row, r->subjects[i])) == NULL)
            continue;
        fputs(bars == 0 ? "" : ", ", f);
        html_quoted(f, r->subjects[i]);
        fprintf(f, " -%zu", bars++);
    }
    fputs(")\n", f);
    for (int p = 0; p < PARTS; p++) {
        size_t at = 0;
        fprintf(f, "$f%d << EOD\n", p);
        for (size_t i = 0; i < r->subject_count; i++) {
            json_t *s = split(run_find(r, row, r->subjects[i]));
            if (s == NULL)
                continue;
            double from = 0;
            for (int before = 0; before < p; before++)
                from += part_mib(s, before);
            fprintf(f, "%g -%zu %g %g\n", from, at++, from, from + part_mib(s, p));
        }
        fputs("EOD\n", f);
    }
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fprintf(f, " font ',12'\nplot [0:*][-%zu.6:0.6]", bars - 1);
    for (int p = 0; p < PARTS; p++)
        fprintf(f,
                "%s $f%d using 1:2:3:4:($2-0.36):($2+0.36) with boxxyerror lc rgb '%s' fs solid 0.9 border rgb "
                "'#444444' notitle",
                p == 0 ? "" : ",", p, parts[p].colour);
    fputc('\n', f);
}

static void legend(FILE *out) {
    fputs("<p>", out);
    for (int p = 0; p < PARTS; p++)
        fprintf(out, "<span class=\"key\" style=\"background:%s\"></span>%s ", parts[p].colour, parts[p].title);
    fputs("</p>\n", out);
}

static void list_silent(const struct run *r, FILE *out) {
    bool any = false;
    for (size_t i = 0; i < r->subject_count; i++) {
        bool told = false, measured = false;
        for (size_t k = 0; k < r->cell_count; k++)
            if (strcmp(r->cells[k].label, r->subjects[i]) == 0) {
                told |= split(&r->cells[k]) != NULL;
                measured |= r->cells[k].memory_record != NULL;
            }
        if (told || !measured)
            continue;
        fputs(any ? ", " : "<p>n/a, because they offer no counters: ", out);
        html_text(out, r->subjects[i]);
        any = true;
    }
    fputs(any ? ".</p>\n" : "", out);
}

void report_fragmentation(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += row_has_bars(r, row);
    fputs("<h2 id=\"fragmentation\">What the memory is</h2>\n", out);
    if (panels == 0) {
        fputs("<p class=\"none\">No workload held 256 KiB live at its last point: measure at more than smoke "
              "sizes.</p>\n",
              out);
        return;
    }
    fputs(
        "<p>Committed bytes at the last point of the run, live objects still live, as each subject's own counters tell "
        "(docs/counters.md maps them; \"not told apart\" is committed minus the parts it names, start-up memory "
        "included). "
        "Lower is better; compare splits within a subject first.</p>\n",
        out);
    list_silent(r, out);
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + COLUMNS - 1) / COLUMNS;
    fprintf(f,
            "set multiplot layout %d,%d\nset xlabel 'MiB committed (lower is better)' font ',10'\nset tics font "
            "',10'\nset key "
            "off\n",
            lines, COLUMNS);
    for (size_t row = 0; row < r->row_count; row++)
        if (row_has_bars(r, row))
            panel(r, row, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, COLUMNS * PANEL_WIDTH, lines * (FRAME_HEIGHT + (int)r->subject_count * BAR_HEIGHT), script);
    legend(out);
    free(script);
    fprintf(out,
            "<p class=\"how\">From: <code>sqlite3 %s/run.sqlite \"SELECT json_extract(record,'$.fragmentation') FROM "
            "invocation "
            "WHERE mode='memory'\"</code></p>\n",
            r->dir);
}
