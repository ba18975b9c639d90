/* SPDX-License-Identifier: MIT
 *
 * claims: what is recorded of published claims: measured over published in one drawing, a card for each.
 */
#include "claims/page.h"
#include "error.h"
#include "html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOREST_WIDTH = 1100, FOREST_FRAME = 90, FOREST_LINE = 22 };
static const char claims_folder[] = "results/claims", verdicts_folder[] = "results/verdicts";

/* By verdict; colours that colour-blind readers can tell apart, and shapes beside them. */
static const struct look {
    int marker;
    const char *colour;
} looks[] = {[VERDICT_REPRODUCED] = {7, "#0072B2"},
             [VERDICT_REFUTED] = {9, "#D55E00"},
             [VERDICT_INCONCLUSIVE] = {5, "#777777"},
             [VERDICT_CONFORMS] = {7, "#0072B2"},
             [VERDICT_DEPARTS] = {9, "#D55E00"}};

static bool has_mark(enum verdict v) {
    return v < sizeof looks / sizeof *looks && looks[v].colour != NULL;
}

/* A figure that can be drawn over the published one. */
static bool is_drawn(const struct claim *c, const struct claim_outcome *o) {
    return c->rule != CLAIM_SIGN && c->published > 0 && o->judge.figure.value > 0 && has_mark(o->judge.verdict);
}

/* What the rule allows, over the published figure; 0 and infinity where there is no bound. */
static void draw_allowed(FILE *f, const struct claim *c, size_t line) {
    double reach = c->tolerance / c->published;
    double low = c->rule == CLAIM_AT_MOST ? 0.05 : 1 - reach, high = c->rule == CLAIM_AT_LEAST ? 20 : 1 + reach;
    fprintf(f, "set arrow from %g,-%zu to %g,-%zu nohead lw 7 lc rgb '#cfe3d6' back\n", low > 0.05 ? low : 0.05, line,
            high, line);
}

/* x, y and the ends of the interval, which are x itself where there is none. */
static void draw_point(FILE *f, struct claim_value v, double published, size_t line) {
    bool known = !isnan(v.low);
    fprintf(f, "%g -%zu %g %g\n", v.value / published, line, (known ? v.low : v.value) / published,
            (known ? v.high : v.value) / published);
}

static void draw_points(const struct claims *all, const struct claim_outcome *outcomes, enum verdict v, FILE *f) {
    size_t line = 0;
    fprintf(f, "$v%d << EOD\nNaN NaN NaN NaN\n", (int)v);
    for (size_t i = 0; i < all->count; i++) {
        if (!is_drawn(all->items[i], &outcomes[i]))
            continue;
        if (outcomes[i].judge.verdict == v)
            draw_point(f, outcomes[i].judge.figure, all->items[i]->published, line);
        line++;
    }
    fputs("EOD\n", f);
}

static void draw_forest(const struct claims *all, const struct claim_outcome *outcomes, FILE *out) {
    char *script = NULL;
    size_t size, lines = 0;
    FILE *f = open_memstream(&script, &size);
    fputs("set logscale x\nset xlabel 'measured over published; the band is what the claim allows' font ',10'\n"
          "set tics font ',10'\nset key top right font ',10'\nset ytics nomirror (",
          f);
    for (size_t i = 0; i < all->count; i++)
        if (is_drawn(all->items[i], &outcomes[i])) {
            char *label = lab_printf("%s  %s", all->items[i]->id, all->items[i]->title);
            fputs(lines == 0 ? "" : ", ", f);
            html_quoted(f, label);
            fprintf(f, " -%zu", lines++);
            free(label);
        }
    fputs(")\nset arrow from 1,graph 0 to 1,graph 1 nohead lc rgb '#555555' dt 2\n", f);
    size_t line = 0;
    for (size_t i = 0; i < all->count; i++)
        if (is_drawn(all->items[i], &outcomes[i]))
            draw_allowed(f, all->items[i], line++);
    for (int v = VERDICT_REPRODUCED; v <= VERDICT_DEPARTS; v++)
        if (has_mark((enum verdict)v))
            draw_points(all, outcomes, (enum verdict)v, f);
    fprintf(f, "plot [0.05:20][-%zu.8:1.5]", lines > 0 ? lines - 1 : 0);
    for (int v = VERDICT_REPRODUCED; v <= VERDICT_DEPARTS; v++)
        if (has_mark((enum verdict)v))
            fprintf(f, "%s $v%d with xerrorbars pt %d ps 1.1 lc rgb '%s' title '%s'", v == 0 ? "" : ",", v,
                    looks[v].marker, looks[v].colour, verdict_name((enum verdict)v));
    fputc('\n', f);
    fclose(f);
    if (lines > 0)
        html_plot(out, FOREST_WIDTH, FOREST_FRAME + (int)lines * FOREST_LINE, script);
    free(script);
}

static void paragraph(FILE *out, const char *label, const char *text) {
    if (text == NULL)
        return;
    fprintf(out, "<br>%s", label);
    html_text(out, text);
}

static void figure_row(FILE *out, const char *label, const struct claim *c, const struct claim_figure *f) {
    if (f->subject == NULL)
        return;
    char *number = claim_figure_text(f->figure);
    fprintf(out, "<br>%s: <b>%s</b> %s, ", label, number, c->unit);
    free(number);
    html_text(out, f->subject);
    fprintf(out, ", %s", verdict_name(f->verdict));
}

static void beside_row(FILE *out, const char *label, const char *subject, const struct claim_figure *f) {
    if (f->subject == NULL || isnan(f->figure.value))
        return;
    char *number = claim_figure_text(f->figure);
    fprintf(out, "%s", label);
    html_text(out, subject);
    fprintf(out, " %s", number);
    free(number);
}

static void card(const struct claim *c, const struct claim_outcome *o, FILE *out) {
    char *quote = claim_quote(c, o), *says = claim_says(c);
    const enum verdict v = o->judge.verdict;
    const char *class = v == VERDICT_REPRODUCED || v == VERDICT_CONFORMS ? "better"
                        : v == VERDICT_REFUTED || v == VERDICT_DEPARTS   ? "worse"
                                                                         : "none";
    fprintf(out, "<tr id=\"%s\"><th style=\"white-space:nowrap\">%s</th><td>", c->id, c->id);
    html_text(out, c->statement);
    fputs("<br><span>", out);
    html_text(out, c->source);
    fprintf(out, " (P%d, class %s)</span></td><td>", c->provenance + 1, claim_class_name(c->class));
    html_text(out, says);
    paragraph(out, "there: ", c->published_params);
    paragraph(out, "here: ", c->our_params);
    fprintf(out, "</td><td class=\"%s\"><b>%s</b>", class, verdict_name(o->judge.verdict));
    figure_row(out, "measured", c, &o->judge);
    figure_row(out, "goalloc", c, &o->transfers);
    for (unsigned i = 0; o->beside != NULL && i < c->beside_count; i++)
        beside_row(out, i == 0 ? "<br>beside it: " : "; ", c->beside[i], &o->beside[i]);
    paragraph(out, "but ", c->qualification);
    paragraph(out, "reason: ", c->reason);
    fputs("</td><td>", out);
    html_text(out, quote != NULL ? quote : "");
    char *processes = claim_processes(o);
    if (o->processes > 0)
        fprintf(out, "<br><span><code>spanlab claims run %s</code> %.1f s in %s</span>", c->id, o->seconds, processes);
    fputs("</td></tr>\n", out);
    free(processes);
    free(says);
    free(quote);
}

void report_claims(FILE *out) {
    struct claims all;
    if (access(verdicts_folder, R_OK) != 0 || access(claims_folder, R_OK) != 0 || !claims_load(claims_folder, &all))
        return;
    struct claim_outcome *outcomes = recorded_all(verdicts_folder, &all);
    fputs("<h2 id=\"claims\">Published claims, as last recorded</h2>\n<p>", out);
    claims_count(&all, outcomes, out);
    fputs("</p>\n", out);
    draw_forest(&all, outcomes, out);
    /* Of fixed widths: names of subjects with their knobs are long and would take the room of what is to be read. */
    fputs("<table style=\"table-layout:fixed;overflow-wrap:anywhere\"><colgroup><col style=\"width:5em\"><col "
          "style=\"width:22%\"><col style=\"width:22%\"><col style=\"width:28%\"><col></colgroup>"
          "<tr><th>claim</th><th>states</th><th>published</th><th>verdict</th><th>to quote, and what it "
          "takes</th></tr>\n",
          out);
    for (size_t i = 0; i < all.count; i++)
        card(all.items[i], &outcomes[i], out);
    fputs("</table>\n", out);
    free(outcomes);
}
