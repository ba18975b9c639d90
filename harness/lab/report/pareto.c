/* SPDX-License-Identifier: MIT
 *
 * pareto: time against memory, one small plot per row and one of geometric means.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 4, PANEL_WIDTH = 300, PANEL_HEIGHT = 250 };

static bool point(const struct run *r, size_t row, const char *label, struct run_contrast *time,
                  struct run_contrast *memory) {
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

static void panel(const struct run *r, size_t row, FILE *f) {
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fputs(" font ',12'\n", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct run_contrast time, memory;
        if (!point(r, row, r->subjects[i], &time, &memory))
            continue;
        fprintf(f, "$p%zu << EOD\n%g %g %g %g %g %g\nEOD\n", i, memory.ratio, time.ratio, memory.interval.low,
                memory.interval.high, time.interval.low, time.interval.high);
    }
    fputs("plot 1 with lines lc rgb '#bbbbbb' dt 2 notitle", f);
    for (size_t i = 0; i < r->subject_count; i++) {
        struct run_contrast time, memory;
        struct html_style style = html_style(r, r->subjects[i]);
        if (!point(r, row, r->subjects[i], &time, &memory))
            continue;
        if (memory.interval.known)
            fprintf(f, ", $p%zu using 1:2:3:4 with xerrorbars ps 0 lw 1.3 lc rgb '%s' notitle", i, style.colour);
        if (time.interval.known)
            fprintf(f, ", $p%zu using 1:2:5:6 with yerrorbars ps 0 lw 1.3 lc rgb '%s' notitle", i, style.colour);
        fprintf(f, ", $p%zu using 1:2 with points pt %d ps 0.9 lw 1.3 lc rgb '%s' notitle", i, style.marker,
                style.colour);
    }
    fputc('\n', f);
}

void report_pareto(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += row_has_points(r, row);
    fputs("<h2 id=\"pareto\">Time and memory</h2>\n", out);
    if (panels == 0) {
        fputs("<p class=\"none\">No row has both times and peaks of at least 1 MiB from two subjects, so there is "
              "nothing to "
              "plot: measure at more than smoke sizes.</p>\n",
              out);
        return;
    }
    fputs(
        "<p>Each panel is one workload. Across: peak RSS over the smallest peer's; up: time over the fastest peer's. "
        "Both are "
        "better when lower: the best corner is bottom left. Bars are 95 % intervals (none where fewer than 6 processes "
        "ran).</p>\n",
        out);
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + COLUMNS - 1) / COLUMNS;
    fprintf(
        f,
        "set multiplot layout %d,%d\nset xlabel 'peak RSS, ratio (lower is better)' font ',10'\nset ylabel 'time, "
        "ratio "
        "(lower is better)' font ',10'\nset xrange [0.7:*]\nset yrange [0.7:*]\nset tics font ',10'\nset key off\nset "
        "offsets graph 0.05,0.08,0.08,0.05\n",
        lines, COLUMNS);
    for (size_t row = 0; row < r->row_count; row++)
        if (row_has_points(r, row))
            panel(r, row, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, COLUMNS * PANEL_WIDTH, lines * PANEL_HEIGHT, script);
    html_legend(r, out);
    free(script);
    fprintf(out, "<p class=\"how\">From: <code>spanlab export %s --format=csv</code>, metrics time and peak_rss.</p>\n",
            r->dir);
}
