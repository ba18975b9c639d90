/* SPDX-License-Identifier: MIT
 *
 * collectors: what collecting cost, how long the world stood still, what marking a heap costs. A figure per row of the
 * run: its subjects stand one below the other, in the same order in all three panels.
 */
#include "collectors.h"
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1200, LINE_HEIGHT = 30, FRAME_HEIGHT = 84, LETTER_WIDTH = 6, MARKING_WIDTH = 600, MARKING_COLUMNS = 2 };

/* ---- which subjects a figure has */

struct shown {
    const struct run_cell **cells;
    size_t count, longest; /* name, in letters */
};

static void add_cell(struct shown *s, const struct run_cell *c) {
    s->cells = lab_realloc(s->cells, (s->count + 1) * sizeof *s->cells);
    s->cells[s->count++] = c;
    if (strlen(c->label) > s->longest)
        s->longest = strlen(c->label);
}

static struct shown collecting(const struct run *r, size_t row) {
    struct shown s = {0};
    for (size_t i = 0; i < r->subject_count; i++) {
        const struct run_cell *c = run_find(r, row, r->subjects[i]);
        if (c != NULL && c->collects && c->ok > 0 && !c->invalid)
            add_cell(&s, c);
    }
    return s;
}

static struct shown marking(const struct run *r, size_t row) {
    struct shown s = {0};
    for (size_t i = 0; i < r->subject_count; i++) {
        const struct run_cell *c = run_find(r, row, r->subjects[i]);
        if (!isnan(collectors_marking(r, c).value))
            add_cell(&s, c);
    }
    return s;
}

/* Subjects from top to bottom; named: with their names beside the axis. */
static void subject_axis(const struct shown *s, bool named, FILE *f) {
    fputs("unset label\nunset arrow\nset ytics nomirror scale 0 (", f);
    for (size_t i = 0; i < s->count; i++) {
        fputs(i == 0 ? "" : ", ", f);
        html_quoted(f, named ? s->cells[i]->label : "");
        fprintf(f, " -%zu", i);
    }
    fprintf(f, ")\nset yrange [-%zu.6:0.6]\n", s->count - 1);
}

static void panel_frame(double left, double right, const char *title, const char *axis, FILE *f) {
    fprintf(
        f,
        "set lmargin at screen %g\nset rmargin at screen %g\nset title '%s' font ',11'\nset xlabel '%s' font ',10'\n",
        left, right, title, axis);
}

/* ---- the split of CPU, stacked */

/* Light next to dark, blue next to yellow: told apart in grey and by colour-blind readers. */
static const struct {
    const char *metric, *name, *colour;
} kinds[] = {{"gc_mark_share", "mark", "#0072B2"},
             {"gc_assist_share", "assist", "#E69F00"},
             {"gc_sweep_share", "sweep", "#56B4E9"},
             {"gc_stop_share", "stop", "#333333"}};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void cpu_note(const struct run_cell *c, size_t line, FILE *f) {
    double share = run_median(c, "gc_cpu_share"), estimate = run_median(c, "gc_cpu_share_estimate");
    char text[96];
    if (!isnan(share))
        snprintf(text, sizeof text, "%.1f %%%s", 100 * share, collectors_no_gc(c) ? "  no-GC" : "");
    else if (!isnan(estimate))
        snprintf(text, sizeof text, "n/a; own estimate %.0f %%%s", 100 * estimate,
                 collectors_no_gc(c) ? "  no-GC" : "");
    else
        snprintf(text, sizeof text, "n/a%s", collectors_no_gc(c) ? "  no-GC" : "");
    fprintf(f, "set label '%s' at %g,-%zu left offset 0.6,0 font ',10'%s\n", text, isnan(share) ? 0 : 100 * share, line,
            isnan(share) ? " tc rgb '#777777'" : "");
}

/* Bars of one kind, each beginning where the kinds before it end. */
static void cpu_block(const struct shown *s, size_t kind, FILE *f) {
    fprintf(f, "$k%zu << EOD\n", kind);
    for (size_t i = 0; i < s->count; i++) {
        double y = -(double)i, from = 0, width = run_median(s->cells[i], kinds[kind].metric);
        for (size_t before = 0; before < kind; before++)
            from += run_median(s->cells[i], kinds[before].metric);
        if (isnan(from) || isnan(width))
            fputs("NaN NaN NaN NaN NaN NaN\n", f);
        else
            fprintf(f, "%g %g %g %g %g %g\n", 100 * from, y, 100 * from, 100 * (from + width), y - 0.3, y + 0.3);
    }
    fputs("EOD\n", f);
}

static void cpu_panel(const struct shown *s, FILE *f) {
    double most = 1;
    subject_axis(s, true, f);
    for (size_t k = 0; k < KINDS; k++)
        cpu_block(s, k, f);
    for (size_t i = 0; i < s->count; i++) {
        most = fmax(most, 100 * run_median(s->cells[i], "gc_cpu_share"));
        cpu_note(s->cells[i], i, f);
    }
    fprintf(f,
            "set xrange [0:%g]\nset key at graph 1,1 right bottom horizontal samplen 1 width -1 maxrows 1 font "
            "',10'\nplot ",
            1.7 * most);
    for (size_t k = 0; k < KINDS; k++)
        fprintf(f, "%s$k%zu using 1:2:3:4:5:6 with boxxyerror fs solid 1 border rgb '#333333' fc rgb '%s' title '%s'",
                k == 0 ? "" : ", ", k, kinds[k].colour, kinds[k].name);
    fputs("\nset key off\n", f);
}

/* ---- pauses: median, 99th percentile and the longest, on one line */

static void pause_panel(const struct shown *s, FILE *f) {
    static const double shares[] = {0.5, 0.99, 1};
    double least = 1e9, most = 1e3;
    subject_axis(s, false, f);
    fputs("$p << EOD\n", f);
    for (size_t i = 0; i < s->count; i++) {
        double ns[3];
        for (int k = 0; k < 3; k++)
            ns[k] = fmax(collectors_pause(s->cells[i], shares[k]), 100);
        if (s->cells[i]->pauses.count == 0)
            continue;
        fprintf(f, "%g %g %g %g\n", -(double)i, ns[0] / 1e6, ns[1] / 1e6, ns[2] / 1e6);
        least = fmin(least, ns[0]);
        most = fmax(most, ns[2]);
    }
    fputs("EOD\n", f);
    for (size_t i = 0; i < s->count; i++) {
        const struct run_cell *c = s->cells[i];
        if (c->pauses.count == 0)
            fprintf(f, "set label 'n/a' at graph 0.03,first -%zu left font ',10' tc rgb '#777777'\n", i);
        else
            fprintf(f, "set label '%s%zu%s' at graph 0.99,first -%zu right font ',10'\n",
                    c->pauses_inexact ? "bounds, " : "", c->pauses.count,
                    c->pauses.count < COLLECTORS_LEAST_PAUSES ? " (few)" : "", i);
    }
    fprintf(f,
            "set logscale x\nset format x '%%g'\nset xrange [%g:%g]\nset key at graph 1,1 right bottom horizontal "
            "samplen 0.8 font ',10'\n"
            "plot $p using 2:1:2:4 with xerrorbars pt 0 ps 0 lw 1.3 lc rgb '#888888' notitle, $p using 2:1 with points "
            "pt 6 "
            "ps 0.9 lw 1.5 lc rgb '#000000' title 'p50', $p using 3:1 with points pt 7 ps 0.9 lc rgb '#0072B2' title "
            "'p99', $p using 4:1 with points pt 2 ps 0.8 lw 1.5 lc rgb '#D55E00' title 'longest'\n"
            "unset logscale x\nset key off\nset format x\n",
            least / 2e6, most / 1e6 * pow(most / least, 0.6) * 2);
}

/* ---- what is left of any window */

static void mmu_panel(const struct shown *s, FILE *f) {
    static const struct {
        const char *metric, *name, *colour;
        int marker;
    } windows[] = {{"gc_mmu_1ms", "1 ms", "#D55E00", 8},
                   {"gc_mmu_10ms", "10 ms", "#000000", 6},
                   {"gc_mmu_100ms", "100 ms", "#0072B2", 5}};
    subject_axis(s, false, f);
    fputs("$m << EOD\n", f);
    for (size_t i = 0; i < s->count; i++) {
        fprintf(f, "%g", -(double)i);
        for (int k = 0; k < 3; k++) {
            double mmu = run_median(s->cells[i], windows[k].metric);
            fprintf(f, isnan(mmu) ? " NaN" : " %g", mmu);
        }
        fputc('\n', f);
    }
    fputs("EOD\n", f);
    for (size_t i = 0; i < s->count; i++)
        if (isnan(run_median(s->cells[i], "gc_mmu_1ms")))
            fprintf(f, "set label 'n/a' at graph 0.03,first -%zu left font ',10' tc rgb '#777777'\n", i);
    fputs("set xrange [-0.03:1.03]\nset key at graph 1,1 right bottom horizontal samplen 0.8 font ',10'\nplot ", f);
    for (int k = 0; k < 3; k++)
        fprintf(f, "%s$m using %d:($1+%g) with points pt %d ps 0.9 lw 1.5 lc rgb '%s' title '%s'", k == 0 ? "" : ", ",
                k + 2, 0.22 * (1 - k), windows[k].marker, windows[k].colour, windows[k].name);
    fputs("\nset key off\n", f);
}

static void row_figure(const struct run *r, size_t row, const struct shown *s, FILE *out) {
    char *script = NULL;
    size_t size;
    FILE *f = open_memstream(&script, &size);
    int height = FRAME_HEIGHT + (int)s->count * LINE_HEIGHT;
    double first = (double)(s->longest * LETTER_WIDTH + 20) / WIDTH, each = (0.99 - first) / 3;
    fputs("<h3>", out);
    html_text(out, r->rows[row].label);
    fputs("</h3>\n", out);
    fprintf(f, "set multiplot\nset tics font ',10'\nset key off\nset tmargin at screen %g\nset bmargin at screen %g\n",
            1 - 30.0 / height, 48.0 / height);
    fputs("set title offset 0,0.9\nset xlabel offset 0,0.4\n", f);
    panel_frame(first, first + each - 0.015, "", "GC CPU, % of the process (lower is better)", f);
    cpu_panel(s, f);
    panel_frame(first + each + 0.005, first + 2 * each - 0.015, "", "pauses, ms (lower is better); right: how many", f);
    pause_panel(s, f);
    panel_frame(first + 2 * each + 0.005, 0.99, "", "MMU, least share outside stops (higher is better)", f);
    mmu_panel(s, f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, WIDTH, height, script);
    free(script);
}

/* ---- marking, a panel per shape */

static void marking_panel(const struct run *r, size_t row, FILE *f) {
    struct shown s = marking(r, row);
    double most = 0;
    subject_axis(&s, true, f);
    fputs("$m << EOD\n", f);
    for (size_t i = 0; i < s.count; i++) {
        struct collectors_marking m = collectors_marking(r, s.cells[i]);
        double low = m.interval.known ? m.interval.low : m.value, high = m.interval.known ? m.interval.high : m.value;
        fprintf(f, "%g %g %g %g\n", m.value / 1e6, -(double)i, low / 1e6, high / 1e6);
        most = fmax(most, high / 1e6);
    }
    fputs("EOD\n", f);
    for (size_t i = 0; i < s.count; i++) {
        struct collectors_marking m = collectors_marking(r, s.cells[i]);
        fprintf(f, "set label '%.4g' at %g,-%zu left offset 1.5,0 font ',10'\n", m.value / 1e6,
                (m.interval.known ? m.interval.high : m.value) / 1e6, i);
    }
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fprintf(f,
            " font ',12'\nset xlabel 'ms of CPU per collection (lower is better)' font ',10'\nplot [0:%g] $m using "
            "1:2:3:4 with xerrorbars pt 7 ps 0.8 lw 1.4 lc rgb '#0072B2' notitle\n",
            most > 0 ? 1.25 * most : 1);
    free(s.cells);
}

static void marking_figure(const struct run *r, FILE *out) {
    size_t panels = 0, tallest = 0, longest = 0, size;
    for (size_t row = 0; row < r->row_count; row++) {
        struct shown s = marking(r, row);
        panels += s.count > 0;
        tallest = s.count > tallest ? s.count : tallest;
        longest = s.longest > longest ? s.longest : longest;
        free(s.cells);
    }
    if (panels == 0)
        return;
    fputs(
        "<h3>Marking</h3>\n<p>Process CPU of a forced collection of a heap that does not change, minus that of an "
        "empty heap: what marking costs, whoever does it. Medians over processes; bars are 95 % bootstrap intervals of "
        "the difference (none where fewer than 6 ran).</p>\n",
        out);
    char *script = NULL;
    FILE *f = open_memstream(&script, &size);
    int lines = (int)(panels + MARKING_COLUMNS - 1) / MARKING_COLUMNS;
    fprintf(f, "set multiplot layout %d,%d\nset tics font ',9'\nset key off\nset lmargin %g\n", lines, MARKING_COLUMNS,
            (double)longest * 0.78 + 2);
    for (size_t row = 0; row < r->row_count; row++) {
        struct shown s = marking(r, row);
        if (s.count > 0)
            marking_panel(r, row, f);
        free(s.cells);
    }
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, MARKING_COLUMNS * MARKING_WIDTH, lines * (FRAME_HEIGHT + (int)tallest * LINE_HEIGHT * 2 / 3),
              script);
    free(script);
}

/* ---- the numbers */

static void table_value(FILE *out, const struct run_cell *c, const char *metric) {
    const struct metric *m = metric_at(metric_index(metric));
    double value = run_median(c, metric);
    char text[64];
    if (isnan(value)) {
        fputs("<td class=\"none\">n/a</td>", out);
        return;
    }
    if (strcmp(m->unit, "ns") == 0)
        snprintf(text, sizeof text, value >= 1e6 ? "%.2f ms" : "%.1f \302\265s",
                 value >= 1e6 ? value / 1e6 : value / 1e3);
    else if (strcmp(m->unit, "bytes") == 0)
        html_value(text, sizeof text, value, m->unit);
    else
        snprintf(text, sizeof text, strcmp(m->unit, "count") == 0 ? "%.0f" : "%.3f", value);
    fprintf(out, "<td>%s</td>", text);
}

static void numbers(const struct run *r, FILE *out) {
    static const char *const columns[] = {
        "gc_collections",       "gc_cpu_share",     "gc_cpu_share_estimate",     "gc_cpu_per_collection",
        "gc_objects_per_visit", "gc_single_visits", "gc_scanned_per_collection", "gc_rescan_greyed_per_collection",
        "gc_peak_over_goal"};
    enum { COLUMNS = sizeof columns / sizeof columns[0] };
    fputs("<div class=\"wide\"><table><tr><th>workload</th><th>subject</th>", out);
    for (size_t i = 0; i < COLUMNS; i++) {
        const struct metric *m = metric_at(metric_index(columns[i]));
        fprintf(out, "<th title=\"%s\">%s%s%s%s</th>", m->definition, m->title,
                strcmp(m->better, "neither") != 0 ? " (" : "", strcmp(m->better, "neither") != 0 ? m->better : "",
                strcmp(m->better, "neither") != 0 ? " is better)" : "");
    }
    fputs("</tr>\n", out);
    for (size_t row = 0; row < r->row_count; row++) {
        struct shown s = collecting(r, row);
        for (size_t i = 0; i < s.count; i++) {
            fputs("<tr><th>", out);
            html_text(out, r->rows[row].label);
            fputs("</th><th>", out);
            html_text(out, s.cells[i]->label);
            fprintf(out, "%s</th>", collectors_no_gc(s.cells[i]) ? " <span>no-GC</span>" : "");
            for (size_t k = 0; k < COLUMNS; k++)
                table_value(out, s.cells[i], columns[k]);
            fputs("</tr>\n", out);
        }
        free(s.cells);
    }
    fputs("</table></div>\n", out);
}

void report_collectors(const struct run *r, FILE *out) {
    bool any = false;
    for (size_t i = 0; i < r->cell_count; i++)
        any |= r->cells[i].collects && r->cells[i].ok > 0;
    fputs("<h2 id=\"collectors\">Collectors</h2>\n", out);
    if (!any) {
        fputs(
            "<p class=\"none\">No subject of this run has a collector: <code>make bench MATRIX=marking</code> measures "
            "some.</p>\n",
            out);
        return;
    }
    fprintf(
        out,
        "<p>Left: CPU of the collector as a share of all CPU of the process, by kind, medians over processes. Real Go "
        "gives an estimate of its own, which is no measurement and has no bar; bdwgc gives none. Middle: stops of the "
        "world of all processes together; real Go's are upper bounds of a histogram's buckets, and with gcstoptheworld "
        "it does not count marking; (few) is fewer than %d behind a 99th percentile. Right: the least share of any "
        "window of 1, 10 and 100 ms that lies outside stops, median over processes; work beside the program and "
        "assists do not count. no-GC: fewer than %d collections in a timed section, which tell nothing of the "
        "collector.</p>\n",
        COLLECTORS_LEAST_PAUSES, COLLECTORS_LEAST_COLLECTIONS);
    for (size_t row = 0; row < r->row_count; row++) {
        struct shown s = collecting(r, row);
        if (s.count > 0)
            row_figure(r, row, &s, out);
        free(s.cells);
    }
    marking_figure(r, out);
    numbers(r, out);
    fprintf(out,
            "<p class=\"how\">From: <code>spanlab export %s --format=csv</code>, metrics gc_\342\200\246 and marking; "
            "every "
            "pause is in the <code>record</code> column of table <code>invocation</code> in run.sqlite.</p>\n",
            r->dir);
}
