/* SPDX-License-Identifier: MIT
 *
 * placement: policy apart from implementation. A panel for each row that has models: what each policy alone needs, and what
 * each build of it takes resident; then the figures, with instructions beside nanoseconds.
 */
#include "placement.h"
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 2, PANEL_WIDTH = 600, FRAME_HEIGHT = 110, LINE_HEIGHT = 20 };

/* gnuplot's margins count letters of the drawing's font; names are in a smaller one. */
static const double MARGIN_PER_LETTER = 0.64;

/* A line of a panel or of the table: a policy and a build of it. */
struct line {
    int policy;
    const struct run_cell *build; /* NULL: none ran */
    double need, resident;        /* over live; NAN: unknown */
};

/* Policies in their order, builds of each in the run's; the caller's to free. */
static struct line *lines_of(const struct run *r, const struct run_cell *models, size_t *count) {
    struct line *lines = lab_alloc((PLACEMENT_POLICIES + r->subject_count) * sizeof *lines);
    size_t n = 0;
    for (int policy = 0; policy < PLACEMENT_POLICIES; policy++) {
        const size_t before = n;
        const double need = placement_need(models, policy);
        for (size_t i = 0; i < r->subject_count; i++) {
            const struct run_cell *c = run_find(r, models->row, r->subjects[i]);
            if (c != NULL && !c->invalid && placement_of(c) == policy)
                lines[n++] = (struct line){policy, c, need, placement_resident(models, c)};
        }
        if (n == before)
            lines[n++] = (struct line){policy, NULL, need, NAN};
    }
    *count = n;
    return lines;
}

static bool resident_is_below(const struct line *l) {
    return l->build != NULL && run_is_below(l->build, "peak_rss");
}

/* "first  manual-notiny-list|fit=first"; the caller's to free. */
static char *line_name(const struct line *l) {
    return l->build != NULL ? lab_printf("%s  %s", placement_names[l->policy], l->build->label)
                            : lab_printf("%s  (no build)", placement_names[l->policy]);
}

/* ---- the figure */

static size_t longest_name(const struct run *r) {
    size_t longest = 0, count;
    for (size_t row = 0; row < r->row_count; row++) {
        const struct run_cell *models = placement_models(r, row);
        struct line *lines = models != NULL ? lines_of(r, models, &count) : NULL;
        for (size_t i = 0; lines != NULL && i < count; i++) {
            char *name = line_name(&lines[i]);
            longest = strlen(name) > longest ? strlen(name) : longest;
            free(name);
        }
        free(lines);
    }
    return longest;
}

static void names(const struct line *lines, size_t count, FILE *f) {
    fputs("unset label\nunset arrow\nunset ytics\nset ytics nomirror font ',9' (", f);
    for (size_t i = 0; i < count; i++) {
        char *name = line_name(&lines[i]);
        fputs(i == 0 ? "" : ", ", f);
        html_quoted(f, name);
        fprintf(f, " -%zu", i);
        free(name);
    }
    fputs(")\nset arrow from 1,graph 0 to 1,graph 1 nohead lc rgb '#888888' dt 2\n", f);
}

/* The way from the policy to its implementation, and both figures right of it. */
static void way(const struct line *l, size_t height, FILE *f) {
    const double right = isnan(l->resident) ? l->need : fmax(l->need, l->resident);
    if (isnan(right))
        return;
    if (!isnan(l->resident))
        fprintf(f, "set arrow from %g,-%zu to %g,-%zu nohead lw 1.5 lc rgb '#999999' back\n", l->need, height, l->resident,
                height);
    fprintf(f, "set label '%.2f", l->need);
    if (!isnan(l->resident))
        fprintf(f, ", %s%.2f", resident_is_below(l) ? "<" : "", l->resident);
    fprintf(f, "' at %g,-%zu left offset 1.2,0 font ',9'\n", right, height);
}

static void panel(const struct run *r, const struct run_cell *models, FILE *f) {
    size_t count;
    struct line *lines = lines_of(r, models, &count);
    double most = 1;
    names(lines, count, f);
    fputs("$needs << EOD\n", f);
    for (size_t i = 0; i < count; i++)
        fprintf(f, "%g -%zu\n", lines[i].need, i);
    fputs("EOD\n$residents << EOD\nNaN NaN\n", f);
    for (size_t i = 0; i < count; i++) {
        fprintf(f, "%g -%zu\n", lines[i].resident, i);
        most = fmax(most, isnan(lines[i].need) ? 0 : lines[i].need);
        most = fmax(most, isnan(lines[i].resident) ? 0 : lines[i].resident);
    }
    fputs("EOD\n", f);
    for (size_t i = 0; i < count; i++)
        way(&lines[i], i, f);
    fputs("set title ", f);
    html_quoted(f, r->rows[models->row].label);
    fprintf(f,
            " font ',12'\nplot [0.95:%g][-%zu.9:0.6] $residents with points pt 7 ps 0.9 lc rgb '#0072B2' notitle, $needs with "
            "points pt 6 ps 1.3 lw 1.6 lc rgb '#D55E00' notitle\n",
            1 + 1.35 * (most - 1) + 0.05, count - 1);
    free(lines);
}

static void figure(const struct run *r, size_t panels, FILE *out) {
    char *script = NULL;
    size_t size, most = PLACEMENT_POLICIES;
    const size_t lines = (panels + COLUMNS - 1) / COLUMNS;
    for (size_t row = 0; row < r->row_count; row++) {
        const struct run_cell *models = placement_models(r, row);
        size_t count = 0;
        if (models != NULL)
            free(lines_of(r, models, &count));
        most = count > most ? count : most;
    }
    FILE *f = open_memstream(&script, &size);
    fprintf(f,
            "set multiplot layout %zu,%d\nset tics font ',9'\nset key off\nset lmargin %g\n"
            "set xlabel 'over live bytes (lower is better)' font ',9'\n",
            lines, COLUMNS, MARGIN_PER_LETTER * (double)longest_name(r) + 4);
    for (size_t row = 0; row < r->row_count; row++)
        if (placement_models(r, row) != NULL)
            panel(r, placement_models(r, row), f);
    fputs("unset multiplot\n", f);
    fclose(f);
    html_plot(out, COLUMNS * PANEL_WIDTH, (int)lines * (FRAME_HEIGHT + (int)most * LINE_HEIGHT), script);
    free(script);
}

/* ---- the table */

static void number(double value, const char *format, const char *sign, FILE *out) {
    if (isnan(value)) {
        fputs("<td class=\"none\">n/a</td>", out);
        return;
    }
    fprintf(out, "<td>%s", sign);
    fprintf(out, format, value);
    fputs("</td>", out);
}

static void table_line(const struct run *r, const struct line *l, FILE *out) {
    fprintf(out, "<td>%s</td>", placement_names[l->policy]);
    number(l->need, "%.3f", "", out);
    if (l->build == NULL) {
        fputs("<td class=\"none\" colspan=\"5\">no build of it ran</td></tr>\n", out);
        return;
    }
    const char *below = resident_is_below(l) ? "&lt;" : "";
    fputs("<td>", out);
    html_text(out, l->build->label);
    fputs("</td>", out);
    if (isnan(l->resident) && l->build->failed > 0)
        fputs("<td class=\"bad\">FAILED</td>", out);
    else
        number(l->resident, "%.3f", below, out);
    number(l->resident / l->need, "%.2f", below, out);
    number(placement_instructions(r, l->build), "%.0f", "", out);
    number(run_median(l->build, "time"), "%.1f", "", out);
    fputs("</tr>\n", out);
}

static void table(const struct run *r, FILE *out) {
    fputs("<div class=\"wide\"><table><tr><th>workload</th><th>policy</th><th>needs over live</th><th>build</th><th>resident "
          "over live</th><th>resident over needs</th><th>instructions per operation</th><th>ns/op</th></tr>\n",
          out);
    for (size_t row = 0; row < r->row_count; row++) {
        const struct run_cell *models = placement_models(r, row);
        size_t count;
        if (models == NULL)
            continue;
        struct line *lines = lines_of(r, models, &count);
        fprintf(out, "<tr><th rowspan=\"%zu\">", count);
        html_text(out, r->rows[row].label);
        fprintf(out, "<br>%.2f MiB live</th>", run_median(models, "policy_live") / (1 << 20));
        for (size_t i = 0; i < count; i++) {
            fputs(i == 0 ? "" : "<tr>", out);
            table_line(r, &lines[i], out);
        }
        free(lines);
    }
    fputs("</table></div>\n", out);
}

void report_placement(const struct run *r, FILE *out) {
    size_t panels = 0;
    for (size_t row = 0; row < r->row_count; row++)
        panels += placement_models(r, row) != NULL;
    if (panels == 0)
        return;
    fputs("<h2 id=\"placement\">Policy apart from implementation</h2>\n<p>Open circle: what a policy of placement alone needs of "
          "the workload's stream, by a model that lays blocks into addresses from 0 on and keeps no metadata and no pages. Filled "
          "point: the resident set of a build with that policy. Both at their peak, over the most bytes that live at once. What "
          "lies between them is implementation: metadata, pages, what is kept for each thread, what a collector has not found "
          "yet. A build of lines waits until a quarter of a run has died before it looks there; its model does not wait.</p>\n",
          out);
    figure(r, panels, out);
    table(r, out);
    fprintf(out,
            "<p class=\"how\">Instructions: callgrind's, what plays the calls included, after <code>spanlab count %s</code>; n/a "
            "where it has not counted. From: <code>spanlab export %s --format=csv</code>, metrics policy_live, policy_first and so "
            "on, peak_rss, time.</p>\n",
            r->dir, r->dir);
}
