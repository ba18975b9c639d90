/* SPDX-License-Identifier: MIT
 *
 * timespace: curves of cost over footprint between the two bounds, a figure per row.
 */
#include "timespace.h"
#include "error.h"
#include "html.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 2, PANEL_WIDTH = 600, PANEL_HEIGHT = 380 };

/* A curve looks as the first of its subjects does in every other figure, whichever of its points comes first. */
static struct html_style style_of(const struct run *r, const struct timespace_curve *c) {
    for (size_t i = 0; i < r->subject_count; i++)
        for (size_t k = 0; k < c->count; k++)
            if (strcmp(r->subjects[i], c->points[k].cell->label) == 0)
                return html_style(r, r->subjects[i]);
    return html_style(r, c->points[0].cell->label);
}

struct extent {
    double right, bottom, top;
};

static void stretch(struct extent *e, const struct timespace_point *p) {
    if (isnan(p->footprint))
        return;
    e->right = fmax(e->right, p->footprint);
    e->bottom = fmin(e->bottom, p->cost);
    e->top = fmax(e->top, p->cost);
}

/* Logarithmic axes would else go on to the next power of ten. */
static void axes(const struct timespace *t, FILE *f) {
    struct extent e = {2, 1, 2};
    stretch(&e, &t->free_bound);
    stretch(&e, &t->never);
    for (size_t i = 0; i < t->count; i++)
        for (size_t k = 0; k < t->curves[i].count; k++)
            stretch(&e, &t->curves[i].points[k]);
    fprintf(f, "set xrange [1:%g]\nset yrange [%g:%g]\n", 1.2 * e.right, 0.85 * e.bottom, 1.25 * e.top);
}

static void bound(FILE *f, const char *name, const struct timespace_point *p, int marker) {
    if (isnan(p->footprint))
        return;
    fprintf(f, ", '-' using 1:2 with points pt %d ps 1.4 lw 2 lc rgb '#000000' title ", marker);
    html_quoted(f, name);
}

static void bound_data(FILE *f, const struct timespace_point *p) {
    if (!isnan(p->footprint))
        fprintf(f, "%g %g\ne\n", p->footprint, p->cost);
}

static void panel(const struct run *r, size_t row, const struct timespace *t, FILE *f) {
    axes(t, f);
    fputs("set title ", f);
    html_quoted(f, r->rows[row].label);
    fputs(" font ',12'\nplot 1 with lines lc rgb '#888888' dt 2 notitle", f);
    for (size_t i = 0; i < t->count; i++) {
        struct html_style style = style_of(r, &t->curves[i]);
        fprintf(f, ", '-' using 1:2 with linespoints pt %d ps 0.9 lw 1.6 lc rgb '%s' title ", style.marker,
                style.colour);
        html_quoted(f, t->curves[i].name);
    }
    bound(f, "explicit free", &t->free_bound, 1);
    bound(f, "never freed", &t->never, 2);
    fputc('\n', f);
    for (size_t i = 0; i < t->count; i++) {
        for (size_t k = 0; k < t->curves[i].count; k++)
            fprintf(f, "%g %g\n", t->curves[i].points[k].footprint, t->curves[i].points[k].cost);
        fputs("e\n", f);
    }
    bound_data(f, &t->free_bound);
    bound_data(f, &t->never);
}

static void costs(const struct run *r, size_t row, const struct timespace *t, FILE *out) {
    for (size_t i = 0; i < t->count; i++) {
        const struct timespace_curve *c = &t->curves[i];
        fputs("<tr><th>", out);
        html_text(out, r->rows[row].label);
        fputs("</th><th>", out);
        html_text(out, c->name);
        fputs("</th>", out);
        for (int k = 0; k < TIMESPACE_TARGETS; k++) {
            double cost = timespace_cost_at(c->points, c->count, timespace_targets[k]);
            fprintf(out, isnan(cost) ? "<td class=\"none\">n/a</td>" : "<td>%.2f</td>", cost);
        }
        fprintf(out, "<td>%.2f to %.2f</td></tr>\n", c->points[0].footprint, c->points[c->count - 1].footprint);
    }
}

static void lbo(const struct run *r, FILE *out) {
    bool begun = false;
    for (size_t i = 0; i < r->cell_count; i++) {
        double ratio = r->cells[i].collects ? timespace_lbo(r, &r->cells[i]) : NAN;
        if (isnan(ratio))
            continue;
        if (!begun)
            fputs("<h3>LBO (lower is better)</h3>\n<p>All CPU of the process over the least CPU beside collecting that "
                  "any "
                  "goalloc build with the traced interface shows on that row: at least what its collector costs "
                  "(arXiv 2112.07880).</p>\n<table><tr><th>workload</th><th>subject</th><th>LBO</th></tr>\n",
                  out);
        begun = true;
        fputs("<tr><th>", out);
        html_text(out, r->rows[r->cells[i].row].label);
        fputs("</th><th>", out);
        html_text(out, r->cells[i].label);
        fprintf(out, "</th><td>%.2f</td></tr>\n", ratio);
    }
    if (begun)
        fputs("</table>\n", out);
}

void report_timespace(const struct run *r, FILE *out) {
    size_t panels = 0, size;
    char *script = NULL, *table = NULL;
    FILE *f = open_memstream(&script, &size), *rows = open_memstream(&table, &size);
    fputs("<h2 id=\"timespace\">Time and space of collectors</h2>\n", out);
    for (size_t row = 0; row < r->row_count; row++) {
        struct timespace t = timespace_of(r, row);
        if (t.count > 0) {
            panels++;
            panel(r, row, &t, f);
            costs(r, row, &t, rows);
        }
        timespace_free(&t);
    }
    fclose(f);
    fclose(rows);
    if (panels == 0) {
        fputs("<p class=\"none\">No subject ran under several settings beside one that frees explicitly: <code>make "
              "bench "
              "MATRIX=timespace</code> sweeps GOGC.</p>\n",
              out);
    } else {
        int lines = (int)(panels + COLUMNS - 1) / COLUMNS;
        char *all = NULL;
        f = open_memstream(&all, &size);
        fprintf(
            f,
            "set multiplot layout %d,%d\nset tics font ',10'\nset key top right font ',10' samplen 2\nset logscale xy\n"
            "set xtics (1, 1.25, 1.5, 2, 3, 5, 10, 20, 50)\nset ytics (0.5, 0.7, 1, 1.4, 2, 3, 4, 6, 8, 12, 16)\n"
            "set xlabel 'peak RSS over live bytes (lower is better)' font ',10'\n"
            "set ylabel 'CPU over explicit free (lower is better)' font ',10'\n%sunset multiplot\n",
            lines, COLUMNS, script);
        fclose(f);
        fputs("<p>A curve is one subject under several settings of GOGC (bdwgc: its divisor); left and down is better. "
              "Footprint is peak RSS over the peak of requested live bytes where the workload frees itself; cost is "
              "process "
              "CPU per operation over that of explicit free. Medians over processes.</p>\n",
              out);
        html_plot(out, COLUMNS * PANEL_WIDTH, lines * PANEL_HEIGHT, all);
        free(all);
        fprintf(out,
                "<table><tr><th>workload</th><th>subject</th><th>CPU at 1.25 times live</th><th>1.5</th><th>2</th>"
                "<th>3</th><th>5</th><th>measured at</th></tr>\n%s</table>\n<p class=\"how\">Linear between the "
                "logarithms of two settings; n/a: outside of them.</p>\n",
                table);
    }
    lbo(r, out);
    free(script);
    free(table);
}
