/* SPDX-License-Identifier: MIT
 *
 * policies: the two workloads that are there to tell placements apart. What each subject needs of sawtooth and of
 * Robson's adversary, as figures side by side; then sawtooth over its operations, a panel for each subject.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { FIGURE_COLUMNS = 2, FIGURE_WIDTH = 600, FRAME_HEIGHT = 110, LINE_HEIGHT = 20 };
enum { TEETH_COLUMNS = 4, TEETH_WIDTH = 300, TEETH_HEIGHT = 200, LEAST_POINTS = 5 };

/* The figure of a workload that says how much memory a policy takes beyond what it must; 1 is the least possible. */
static const struct figure {
    const char *workload, *metric, *axis;
    bool resident; /* it rests on the resident set, which says nothing below the kernel's resolution */
} figures[] = {
    {"sawtooth", "peak_rss_over_live", "peak RSS over peak live bytes (lower is better)", true},
    {"robson", "footprint_over_bound", "footprint over Robson's bound (lower is better)", false},
};

static const struct figure *figure_of(const struct run *r, size_t row) {
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        if (strcmp(r->rows[row].workload, figures[i].workload) == 0)
            return &figures[i];
    return NULL;
}

/* NAN: nothing to show. */
static double figure_value(const struct run_cell *c, const struct figure *figure) {
    if (c == NULL || c->invalid)
        return NAN;
    if (figure->resident && !(run_median(c, "peak_rss") > METRIC_RSS_RESOLUTION_BYTES))
        return NAN;
    return run_median(c, figure->metric);
}

static bool row_has_figures(const struct run *r, size_t row) {
    const struct figure *figure = figure_of(r, row);
    for (size_t i = 0; figure != NULL && i < r->subject_count; i++)
        if (!isnan(figure_value(run_find(r, row, r->subjects[i]), figure)))
            return true;
    return false;
}

/* The figure in words, right of its point. */
static void figure_text(const struct run_cell *c, const struct figure *figure, double value, size_t height, FILE *f) {
    char text[96], bytes[32];
    if (figure->resident) {
        html_value(bytes, sizeof bytes, run_median(c, "peak_rss"), "bytes");
        snprintf(text, sizeof text, "%.2f (%s)", value, bytes);
    } else {
        snprintf(text, sizeof text, "%.3f", value);
    }
    fputs("set label ", f);
    html_quoted(f, text);
    fprintf(f, " at %g,-%zu left offset 1.2,0 font ',10'\n", value, height);
}

static void figure_panel(const struct run *r, size_t row, FILE *f) {
    const struct figure *figure = figure_of(r, row);
    size_t height = 0;
    fputs("unset label\nunset arrow\nunset ytics\nset ytics nomirror (", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        if (run_find(r, row, r->subjects[i]) == NULL)
            continue;
        fputs(height == 0 ? "" : ", ", f);
        html_quoted(f, r->subjects[i]);
        fprintf(f, " -%zu", height++);
    }
    fprintf(f, ")\nset arrow from 1,graph 0 to 1,graph 1 nohead lc rgb '#888888' dt 2\nset xlabel \"%s\" font ',10'\n",
            figure->axis);
    height = 0;
    for (size_t i = 0; i < r->subject_count; i++) {
        const struct run_cell *c = run_find(r, row, r->subjects[i]);
        if (c == NULL)
            continue;
        double value = figure_value(c, figure);
        fprintf(f, "$p%zu << EOD\n", i);
        if (isnan(value)) {
            fprintf(f, "NaN NaN\nEOD\nset label '%s' at graph 0.02,first -%zu left font ',10' tc rgb '#777777'\n",
                    c->failed > 0 ? "failed" : "n/a", height++);
            continue;
        }
        fprintf(f, "%g -%zu\nEOD\n", value, height);
        struct stats_series v = run_values(c, figure->metric);
        struct stats_interval interval = stats_median_interval(v.values, v.count);
        if (interval.known && c->series[metric_index(figure->metric)].bounds == 0)
            fprintf(f, "set arrow from %g,-%zu to %g,-%zu heads size 0.3,90 front lw 1.3 lc rgb '%s'\n", interval.low,
                    height, interval.high, height, html_style(r, r->subjects[i]).colour);
        figure_text(c, figure, value, height++, f);
    }
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fprintf(f, " font ',12'\nplot [:][-%zu.6:0.6]", height - 1);
    for (size_t i = 0, drawn = 0; i < r->subject_count; i++) {
        struct html_style style = html_style(r, r->subjects[i]);
        if (run_find(r, row, r->subjects[i]) != NULL)
            fprintf(f, "%s $p%zu with points pt %d ps 0.9 lw 1.3 lc rgb '%s' notitle", drawn++ == 0 ? "" : ",", i,
                    style.marker, style.colour);
    }
    fputc('\n', f);
}

static void all_figures(const struct run *r, size_t panels, FILE *out) {
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + FIGURE_COLUMNS - 1) / FIGURE_COLUMNS;
    /* The offset to the right leaves room for the text of the largest figure. */
    fprintf(f,
            "set multiplot layout %d,%d\nset tics font ',10'\nset key off\nset xrange [*<0.95:*]\nset offsets graph 0, "
            "graph 0.6, "
            "0, 0\n",
            lines, FIGURE_COLUMNS);
    for (size_t row = 0; row < r->row_count; row++)
        if (row_has_figures(r, row))
            figure_panel(r, row, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, FIGURE_COLUMNS * FIGURE_WIDTH, lines * (FRAME_HEIGHT + (int)r->subject_count * LINE_HEIGHT), script);
    free(script);
}

/* ---- sawtooth, a panel per subject */

static json_t *timeline(const struct run_cell *c) {
    json_t *points = c == NULL || c->invalid ? NULL : json_object_get(c->memory_record, "timeline");
    return json_array_size(points) >= LEAST_POINTS ? points : NULL;
}

/* The largest value that any subject's panel has to show. */
static double highest(const struct run *r, size_t row, size_t *panels) {
    double most = 0;
    *panels = 0;
    for (size_t i = 0; i < r->subject_count; i++) {
        json_t *points = timeline(run_find(r, row, r->subjects[i])), *point;
        size_t k;
        *panels += points != NULL;
        json_array_foreach(points, k, point) {
            most = fmax(most, json_number_value(json_array_get(point, 1)));
            most = fmax(most, json_number_value(json_array_get(point, 2)));
        }
    }
    return most;
}

static void teeth_panel(const struct run *r, const struct run_cell *c, FILE *f) {
    struct html_style style = html_style(r, c->label);
    char text[96], peak[32], rest[32];
    size_t k;
    json_t *point;
    fputs("$t << EOD\n", f);
    json_array_foreach(timeline(c), k, point)
        fprintf(f, "%g %g %g\n", json_number_value(json_array_get(point, 0)) / 1e6,
                json_number_value(json_array_get(point, 1)) / (1 << 20),
                json_number_value(json_array_get(point, 2)) / (1 << 20));
    fputs("EOD\nset title ", f);
    html_quoted(f, c->label);
    html_value(peak, sizeof peak, run_median(c, "peak_rss"), "bytes");
    html_value(rest, sizeof rest, run_median(c, "rss_after_drain"), "bytes");
    snprintf(text, sizeof text, "peak %s, %.2f x live; drained %s", peak, run_median(c, "peak_rss_over_live"), rest);
    fputs(" font ',10'\nset label 1 ", f);
    html_quoted(f, text);
    fprintf(f,
            " at graph 0.02,0.94 left font ',10'\nplot $t using 1:2 with filledcurves x1 fs solid lc rgb '#cccccc' "
            "notitle, $t "
            "using 1:3 with lines lw 1.8 lc rgb '%s' notitle\n",
            style.colour);
}

static void teeth(const struct run *r, size_t row, FILE *out) {
    size_t panels, size;
    double most = highest(r, row, &panels);
    if (strcmp(r->rows[row].workload, "sawtooth") != 0 || most < METRIC_RSS_RESOLUTION_BYTES)
        return;
    char *script = NULL;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + TEETH_COLUMNS - 1) / TEETH_COLUMNS;
    fprintf(f,
            "set multiplot layout %d,%d\nset tics font ',9'\nset key off\nset yrange [0:%g]\nset xlabel 'operations, "
            "millions' "
            "font ',9'\nset ylabel 'MiB' font ',9'\n",
            lines, TEETH_COLUMNS, 1.15 * most / (1 << 20));
    for (size_t i = 0; i < r->subject_count; i++)
        if (timeline(run_find(r, row, r->subjects[i])) != NULL)
            teeth_panel(r, run_find(r, row, r->subjects[i]), f);
    fputs("unset multiplot\n", f);
    fclose(f);
    fputs("<h3>", out);
    html_text(out, r->rows[row].label);
    fputs(", subject by subject</h3>\n", out);
    html_plot(out, TEETH_COLUMNS * TEETH_WIDTH, lines * TEETH_HEIGHT, script);
    free(script);
}

void report_policies(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += row_has_figures(r, row);
    fputs("<h2 id=\"policies\">Sawtooth and Robson's adversary</h2>\n", out);
    if (panels == 0) {
        fputs("<p class=\"none\">Neither sawtooth nor robson has figures in this run: <code>make bench "
              "MATRIX=placement</code> "
              "measures them.</p>\n",
              out);
        return;
    }
    fputs("<p>What a policy of placement costs in memory. Sawtooth: the live set grows to the same peak again and "
          "again, with "
          "other sizes each time. Robson: an adversary that no allocator without moving can serve within a shorter "
          "range of addresses than the bound; shown are the pages that blocks lay on. At 1 nothing is lost to "
          "fragmentation, or no more than must be. Median over processes; bars are 95 % intervals (none where fewer "
          "than 6 ran).</p>\n",
          out);
    all_figures(r, panels, out);
    bool any = false;
    for (size_t row = 0; row < r->row_count && !any; row++)
        any = strcmp(r->rows[row].workload, "sawtooth") == 0;
    if (any)
        fputs("<p>Below, grey: live bytes; line: resident set above its size after set-up, of one memory process. All "
              "panels of a "
              "row have one scale.</p>\n",
              out);
    for (size_t row = 0; row < r->row_count; row++)
        teeth(r, row, out);
    fprintf(out,
            "<p class=\"how\">From: <code>spanlab export %s --format=csv</code>, metrics peak_rss, peak_rss_over_live, "
            "rss_after_drain, footprint_over_bound and held_words.</p>\n",
            r->dir);
}
