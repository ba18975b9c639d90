/* SPDX-License-Identifier: MIT
 *
 * timelines: resident and live bytes over the operations, one panel per row.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 3, PANEL_WIDTH = 400, PANEL_HEIGHT = 260, LEAST_POINTS = 5, LEAST_PEAK_BYTES = 1 << 20 };

static json_t *timeline(const struct run_cell *c) {
    json_t *rows = c == NULL ? NULL : json_object_get(c->memory_record, "timeline");
    return json_array_size(rows) >= LEAST_POINTS ? rows : NULL;
}

static double peak(json_t *rows) {
    double most = 0;
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row) if (json_number_value(json_array_get(row, 2)) > most) most =
        json_number_value(json_array_get(row, 2));
    return most;
}

static bool row_has_lines(const struct run *r, size_t row) {
    for (size_t i = 0; i < r->subject_count; i++) {
        json_t *rows = timeline(run_find(r, row, r->subjects[i]));
        if (rows != NULL && peak(rows) >= LEAST_PEAK_BYTES)
            return true;
    }
    return false;
}

/* Column 2 is live, 3 resident, in MiB; operations in millions. */
static void data_block(FILE *f, size_t i, json_t *rows) {
    size_t k;
    json_t *row;
    fprintf(f, "$t%zu << EOD\n", i);
    json_array_foreach(rows, k, row) fprintf(f, "%g %g %g\n", json_number_value(json_array_get(row, 0)) / 1e6,
                                             json_number_value(json_array_get(row, 1)) / (1 << 20),
                                             json_number_value(json_array_get(row, 2)) / (1 << 20));
    fputs("EOD\n", f);
}

static void panel(const struct run *r, size_t row, FILE *f) {
    bool first = true;
    for (size_t i = 0; i < r->subject_count; i++) {
        json_t *rows = timeline(run_find(r, row, r->subjects[i]));
        if (rows != NULL)
            data_block(f, i, rows);
    }
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fputs(" font ',12'\nplot [:][0:*]", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        if (timeline(run_find(r, row, r->subjects[i])) == NULL)
            continue;
        if (first)
            fprintf(f, " $t%zu using 1:2 with filledcurves x1 fs transparent solid 0.25 lc rgb '#999999' notitle", i);
        first = false;
        struct html_style style = html_style(r, r->subjects[i]);
        fprintf(f, ", $t%zu using 1:3 with linespoints pi -9 pt %d ps 0.7 lw 1.5 lc rgb '%s' notitle", i, style.marker,
                style.colour);
    }
    fputc('\n', f);
}

void report_timelines(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += row_has_lines(r, row);
    fputs("<h2 id=\"timelines\">Resident and live bytes over the operations</h2>\n", out);
    if (panels == 0) {
        fputs("<p class=\"none\">No memory process reached 1 MiB with enough points: measure at more than smoke "
              "sizes.</p>\n",
              out);
        return;
    }
    fputs("<p>Grey: bytes the workload has requested and not dropped. Lines: resident set above its size after set-up. "
          "One memory "
          "process per subject; rows whose resident set stays below 1 MiB are left out.</p>\n",
          out);
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + COLUMNS - 1) / COLUMNS;
    fprintf(f,
            "set multiplot layout %d,%d\nset xlabel 'operations, millions' font ',10'\nset ylabel 'MiB (lower is "
            "better)' font "
            "',10'\nset tics font ',10'\nset key off\n",
            lines, COLUMNS);
    for (size_t row = 0; row < r->row_count; row++)
        if (row_has_lines(r, row))
            panel(r, row, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, COLUMNS * PANEL_WIDTH, lines * PANEL_HEIGHT, script);
    html_legend(r, out);
    free(script);
    fprintf(out,
            "<p class=\"how\">From: <code>sqlite3 %s/run.sqlite \"SELECT json_extract(record,'$.timeline') FROM "
            "invocation WHERE "
            "mode='memory'\"</code></p>\n",
            r->dir);
}
