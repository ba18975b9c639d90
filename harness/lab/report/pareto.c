/* SPDX-License-Identifier: MIT
 *
 * pareto: time against memory, one small plot per row and one of geometric means.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4, PANEL_WIDTH = 300, PANEL_HEIGHT = 250 };

static bool point(const struct run *r, size_t row, const char *label, struct run_contrast *time, struct run_contrast *memory) {
    struct run_cell *c = run_find(r, row, label);
    *time = run_ratio(c, r->rows[row].fastest_peer, "time");
    *memory = run_ratio(c, r->rows[row].smallest_peer, "peak_rss");
    return !isnan(time->ratio) && !isnan(memory->ratio);
}

static bool row_has_points(const struct run *r, size_t row) {
    struct run_contrast time, memory;
    size_t points = 0;
    for (size_t i = 0; i < r->subject_count; i++)
        points += point(r, row, r->subjects[i], &time, &memory);
    return points >= 2;
}

static void add_bar_ends(FILE *f, struct run_contrast c) {
    if (c.interval.known)
        fprintf(f, " %g %g", c.interval.low, c.interval.high);
    else
        fprintf(f, " %g %g", c.ratio, c.ratio);
}

static void panel(const struct run *r, size_t row, FILE *f) {
    fprintf(f, "set title \"%s\" font ',12'\n", r->rows[row].label);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct run_contrast time, memory;
        if (!point(r, row, r->subjects[i], &time, &memory))
            continue;
        fprintf(f, "$p%zu << EOD\n%g %g", i, memory.ratio, time.ratio);
        add_bar_ends(f, memory);
        add_bar_ends(f, time);
        fputs("\nEOD\n", f);
    }
    fputs("plot 1 with lines lc rgb '#bbbbbb' dt 2 notitle", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct run_contrast time, memory;
        if (point(r, row, r->subjects[i], &time, &memory))
            fprintf(f, ", $p%zu using 1:2:3:4:5:6 with xyerrorbars pt %d ps 0.9 lw 1.3 lc rgb '%s' notitle", i,
                    html_marker(r, r->subjects[i]), html_colour(r, r->subjects[i]));
    }
    fputc('\n', f);
}

/* The legend is a panel of its own: outside every plot. */
static void legend(const struct run *r, FILE *f) {
    fputs("unset title\nunset border\nunset tics\nunset grid\nunset xlabel\nunset ylabel\nunset logscale\nset key center center "
          "font ',12' samplen 1\nplot [0:1][0:1]",
          f);
    for (size_t i = 0; i < r->subject_count; i++) {
        char *name = html_short(r->subjects[i]);
        fprintf(f, "%s NaN with points pt %d ps 1.1 lw 1.5 lc rgb '%s' title \"%s\"", i == 0 ? "" : ",",
                html_marker(r, r->subjects[i]), html_colour(r, r->subjects[i]), name);
        free(name);
    }
    fputs("\nset border 3\nset tics\nset grid\n", f);
}

void report_pareto(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += row_has_points(r, row);
    fputs("<h2 id=\"pareto\">Time and memory</h2>\n", out);
    if (panels == 0) {
        fputs("<p class=\"none\">No row has both times and peaks of at least 1 MiB from two subjects, so there is nothing to "
              "plot: measure at more than smoke sizes.</p>\n",
              out);
        return;
    }
    fputs("<p>Each panel is one workload. Across: peak RSS over the smallest peer's; up: time over the fastest peer's. Both are "
          "better when lower: the best corner is bottom left. Bars are 95 % intervals (none where fewer than 6 processes "
          "ran).</p>\n",
          out);
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + 1 + COLUMNS - 1) / COLUMNS;
    fprintf(f, "set multiplot layout %d,%d\nset xlabel 'peak RSS, ratio (lower is better)' font ',10'\nset ylabel 'time, ratio "
               "(lower is better)' font ',10'\nset xrange [0.7:*]\nset yrange [0.7:*]\nset tics font ',10'\nset key off\nset "
               "offsets graph 0.05,0.08,0.08,0.05\n",
            lines, COLUMNS);
    for (size_t row = 0; row < r->row_count; row++)
        if (row_has_points(r, row))
            panel(r, row, f);
    legend(r, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, COLUMNS * PANEL_WIDTH, lines * PANEL_HEIGHT, script);
    free(script);
    fprintf(out, "<p class=\"how\">From: <code>spanlab export %s --format=csv</code>, metrics time and peak_rss.</p>\n", r->dir);
}
