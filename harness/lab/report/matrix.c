/* SPDX-License-Identifier: MIT
 *
 * matrix: the numbers with their intervals, as tables.
 */
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

static void number(FILE *out, double value, const char *unit) {
    char text[64];
    html_value(text, sizeof text, value, unit);
    fputs(text, out);
}

/* The interval of the median, or why there is none. */
static void interval(const struct run_cell *c, const struct metric *m, FILE *out) {
    struct stats_series v = run_values(c, m->name);
    struct stats_interval i = stats_median_interval(v.values, v.count);
    size_t bounds = c->series[metric_index(m->name)].bounds;
    if (bounds > 0) {
        fprintf(out, "<span>%zu of %zu processes below, no interval</span>", bounds, v.count);
    } else if (i.known) {
        fputs("<span>[", out);
        number(out, i.low, m->unit);
        fputs(", ", out);
        number(out, i.high, m->unit);
        fputs("]</span>", out);
    } else {
        fprintf(out, "<span>%zu process%s, no interval</span>", v.count, v.count == 1 ? "" : "es");
    }
}

static void ratio(const struct run_contrast *t, bool time, FILE *out) {
    if (t->bound != 0) {
        fprintf(out, "<br><span>%s\303\227%.2f</span>", t->bound == '<' ? "&lt; " : "&gt; ", t->limit);
        return;
    }
    if (isnan(t->ratio))
        return;
    fprintf(out, "<br><span>\303\227%.2f", t->ratio);
    if (t->interval.known)
        fprintf(out, " [%.2f, %.2f]", t->interval.low, t->interval.high);
    fprintf(out, "%s</span>", !time            ? ""
                              : t->mark == '+' ? " faster"
                              : t->mark == '-' ? " slower"
                              : t->mark == '~' ? " ~"
                              : t->mark == 'd' ? " no verdict: disturbed"
                                              : " screening");
    if (time && !isnan(t->floor))
        fprintf(out, "<br><span>floor %.1f %%</span>", 100 * t->floor);
}

/* Its figures are of the processes that ended well. */
static void failures(const struct run_cell *c, FILE *out) {
    if (c->failed > 0)
        fprintf(out, "<br><b>%ld of %ld processes FAILED</b>", c->failed, c->processes);
}

static void cell(const struct run *r, struct run_cell *c, const struct metric *m, FILE *out) {
    if (c == NULL) {
        fputs("<td></td>", out);
        return;
    }
    double median = run_median(c, m->name);
    if (c->invalid || isnan(median)) {
        fprintf(out, "<td class=\"%s\">%s</td>", c->invalid || c->failed > 0 ? "bad" : "none",
                c->invalid ? "INVALID" : c->failed > 0 ? "FAILED" : "n/a");
        return;
    }
    bool time = strcmp(m->name, "time") == 0, baseline = c == r->rows[c->row].baseline;
    struct run_contrast t = time ? r->time_contrasts[c - r->cells] : run_ratio(c, r->rows[c->row].baseline, m->name);
    fprintf(out, "<td class=\"%s\">", c->failed > 0             ? "some"
                                      : time && t.mark == '+' ? "better"
                                      : time && t.mark == '-' ? "worse"
                                                              : "");
    fputs(run_is_below(c, m->name) ? "<b>&lt; " : "<b>", out);
    number(out, median, m->unit);
    fputs("</b>", out);
    if (!run_is_below(c, m->name)) {
        fputs("<br>", out);
        interval(c, m, out);
    }
    if (!baseline)
        ratio(&t, time, out);
    failures(c, out);
    fputs("</td>", out);
}

static void one_table(const struct run *r, const char *metric, FILE *out) {
    const struct metric *m = metric_at(metric_index(metric));
    size_t rows = 0;
    for (size_t row = 0; row < r->row_count; row++)
        rows += run_row_shows(r, row, metric);
    if (rows == 0)
        return;
    fprintf(out, "<h3>%s (%s is better)</h3>\n<p>%s.</p>\n<div class=\"wide\"><table><tr><th>workload</th>", m->title, m->better, m->definition);
    for (size_t i = 0; i < r->subject_count; i++) {
        fputs("<th>", out);
        html_text(out, r->subjects[i]);
        fputs("</th>", out);
    }
    fputs("</tr>\n", out);
    for (size_t row = 0; row < r->row_count; row++) {
        if (!run_row_shows(r, row, metric))
            continue;
        fputs("<tr><th>", out);
        html_text(out, r->rows[row].label);
        fputs("</th>", out);
        for (size_t i = 0; i < r->subject_count; i++)
            cell(r, run_find(r, row, r->subjects[i]), m, out);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
}

static void geomean_cell(FILE *out, struct run_geomean g) {
    if (g.rows == 0) {
        fputs("<td class=\"none\">n/a</td>", out);
        return;
    }
    fprintf(out, "<td><b>%.2f</b>", g.ratio);
    if (g.interval.known)
        fprintf(out, " [%.2f, %.2f]", g.interval.low, g.interval.high);
    fprintf(out, "<br><span>%zu row%s%s</span></td>", g.rows, g.rows == 1 ? "" : "s",
            g.interval.known ? "" : ", too few processes for an interval");
}

static void geomeans(const struct run *r, FILE *out) {
    fputs("<h3>Geometric means over the best peer of each row (lower is better)</h3>\n<p>Only rows that both sides have; the null "
          "workload is left out; bounds are no peers.</p>\n<table><tr><th>subject</th><th>time, 1 thread</th><th>time, 2 "
          "threads</th><th>peak RSS, all rows</th></tr>\n",
          out);
    for (size_t i = 0; i < r->subject_count; i++) {
        if (run_is_bound(r->subjects[i]))
            continue;
        fputs("<tr><th>", out);
        html_text(out, r->subjects[i]);
        fputs("</th>", out);
        geomean_cell(out, run_over_best_peer(r, r->subjects[i], "time", 1));
        geomean_cell(out, run_over_best_peer(r, r->subjects[i], "time", 2));
        geomean_cell(out, run_over_best_peer(r, r->subjects[i], "peak_rss", 0));
        fputs("</tr>\n", out);
    }
    fputs("</table>\n", out);
}

void report_matrix(const struct run *r, FILE *out) {
    fputs("<h2 id=\"matrix\">All cells</h2>\n<p>Bold: median over processes; below it the 95 % order-statistic interval, then the "
          "ratio to the first subject of the row with its bootstrap interval. A verdict (faster, slower, ~ no difference shown) "
          "has five conditions. Each side has ten processes. Others disturbed at most a third of them. The interval does not hold "
          "1. The effect is above the noise floor, which is how much one half of a side's processes differs from the other. "
          "p is below 0.05 by Mann-Whitney after Holm's correction. Everything else is screening and carries no verdict.</p>\n",
          out);
    one_table(r, "time", out);
    one_table(r, "peak_rss", out);
    one_table(r, "footprint_over_bound", out);
    one_table(r, "held_words", out);
    geomeans(r, out);
    fprintf(out, "<p class=\"how\">From: <code>spanlab export %s --format=csv</code>; for benchstat <code>--format=go</code>.</p>\n",
            r->dir);
}
