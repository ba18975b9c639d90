/* SPDX-License-Identifier: MIT
 *
 * table.c: what a run found, on a terminal of 100 columns.
 */
#include "table.h"
#include "collectors.h"
#include "command.h"
#include "error.h"
#include "placement.h"
#include "rundata.h"
#include "text.h"
#include "timespace.h"
#include "usable.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LABEL_COLUMNS = 22, CELL_COLUMNS = 13, SUBJECTS_PER_BLOCK = 6, HEADING_LINES = 5 };

struct style {
    bool utf8;
    const char *better, *worse, *same, *plus_minus;
};

static struct style style_for(FILE *out) {
    setlocale(LC_CTYPE, "");
    bool utf8 = isatty(fileno(out)) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return utf8 ? (struct style){true, "\342\226\262", "\342\226\274", "~", "\302\261"}
                : (struct style){false, "+", "-", "~", "+-"};
}

/* Columns that a UTF-8 text takes, for padding. */
static int columns(const char *s) {
    int n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void pad_right(FILE *out, const char *text, int width) {
    fprintf(out, "%s%*s", text, width > columns(text) ? width - columns(text) : 0, "");
}

static void pad_left(FILE *out, const char *text, int width) {
    fprintf(out, "%*s%s", width > columns(text) ? width - columns(text) : 0, "", text);
}

/* Half the interval in percent of the middle; "?" when there are too few processes for one. */
static void percent(char *out, size_t size, double middle, struct stats_interval i, const struct style *s) {
    if (!i.known)
        snprintf(out, size, "%s?", s->plus_minus);
    else
        snprintf(out, size, "%s%.0f%%", s->plus_minus, 100 * (i.high - i.low) / 2 / middle);
}

static char *quantity(double value, const char *unit) {
    if (strcmp(unit, "ratio") == 0)
        return lab_printf("%.3f", value);
    if (strcmp(unit, "bytes") == 0)
        return value >= 1 << 20 ? lab_printf("%.1fM", value / (1 << 20)) : lab_printf("%.0fK", value / 1024);
    if (value >= 1e6)
        return lab_printf("%.2fms", value / 1e6);
    if (value >= 1e4)
        return lab_printf("%.1fus", value / 1e3);
    return value >= 100 ? lab_printf("%.0fns", value) : lab_printf(value >= 10 ? "%.1fns" : "%.2fns", value);
}

/* Its figures rest on the processes that ended well. */
static const char *failed_mark(const struct run_cell *c) {
    return c->failed > 0 ? "!" : "";
}

/* "<0.50": a side of the ratio is below what is resolved. */
static char *limit_text(const struct run_cell *c, struct run_contrast ratio) {
    return lab_printf("%c%.2f%s", ratio.bound, ratio.limit, failed_mark(c));
}

static char *cell_text(const struct run *r, struct run_cell *c, size_t row, const char *metric, const struct style *s) {
    if (c == NULL)
        return lab_strdup("");
    if (c->invalid)
        return lab_strdup("INVALID");
    bool bytes = strcmp(metric, "peak_rss") == 0;
    double median = run_median(c, metric);
    if (isnan(median))
        return lab_strdup(c->failed > 0 ? "FAILED" : "n/a");
    if (bytes && run_is_below(c, metric))
        return lab_printf("<1M%s", failed_mark(c));
    char spread[16];
    struct run_cell *baseline = r->rows[row].baseline;
    const char *unit = metric_at(metric_index(metric))->unit;
    bool ratio_already = strcmp(unit, "ratio") == 0; /* a ratio of ratios would say nothing */
    bool alone = c == baseline || baseline == NULL || ratio_already;
    struct run_contrast ratio = alone   ? (struct run_contrast){.ratio = NAN}
                                : bytes ? run_ratio(c, baseline, metric)
                                        : r->time_contrasts[c - r->cells];
    if (ratio.bound != 0)
        return limit_text(c, ratio);
    if (alone || (bytes && isnan(ratio.ratio))) {
        struct stats_series v = run_values(c, metric);
        struct stats_interval i = stats_median_interval(v.values, v.count);
        i.known &= c->series[metric_index(metric)].bounds == 0;
        percent(spread, sizeof spread, median, i, s);
        char *number = quantity(median, unit), *text = lab_printf("%s %s%s", number, spread, failed_mark(c));
        free(number);
        return text;
    }
    percent(spread, sizeof spread, ratio.ratio, ratio.interval, s);
    const char *mark = ratio.mark == '+'   ? s->better
                       : ratio.mark == '-' ? s->worse
                       : ratio.mark == '~' ? s->same
                       : ratio.mark == 'd' ? "d"
                                           : " ";
    return lab_printf("%.2f %s%s%s", ratio.ratio, spread, mark, failed_mark(c));
}

/* Length of the part of a subject's name that goes on one line: whole, or up to behind a '-', or up to a '|'. */
static size_t heading_part(const char *name) {
    size_t length = strlen(name), most = CELL_COLUMNS - 1;
    if (length <= most)
        return length;
    for (size_t n = most; n > 0; n--)
        if (name[n - 1] == '-' || name[n] == '|')
            return n;
    return most;
}

/* Subjects that stand side by side. */
struct block {
    const char *subjects[SUBJECTS_PER_BLOCK];
    size_t count;
};

/* Names over several lines, so that no two look the same; the last parts stand above the figures. */
static void print_headings(const struct block *b, const char *title, FILE *out) {
    const char *parts[SUBJECTS_PER_BLOCK][HEADING_LINES + 1];
    size_t counts[SUBJECTS_PER_BLOCK], lines = 1;
    for (size_t i = 0; i < b->count; i++) {
        size_t n = 0;
        const char *at = b->subjects[i];
        for (; *at != '\0' && n < HEADING_LINES; at += heading_part(at))
            parts[i][n++] = at;
        parts[i][n] = at;
        counts[i] = n;
        lines = n > lines ? n : lines;
    }
    for (size_t line = 0; line < lines; line++) {
        pad_right(out, line == lines - 1 ? title : "", LABEL_COLUMNS);
        for (size_t i = 0; i < b->count; i++) {
            size_t above = lines - counts[i];
            char part[CELL_COLUMNS] = "";
            if (line >= above)
                snprintf(part, sizeof part, "%.*s", (int)(parts[i][line - above + 1] - parts[i][line - above]),
                         parts[i][line - above]);
            pad_left(out, part, CELL_COLUMNS);
        }
        fputc('\n', out);
    }
}

static bool row_has(const struct run *r, size_t row, const struct block *b, const char *metric) {
    if (!run_row_shows(r, row, metric))
        return false;
    for (size_t i = 0; i < b->count; i++) {
        struct run_cell *c = run_find(r, row, b->subjects[i]);
        if (c != NULL && (!isnan(run_median(c, metric)) || c->failed > 0 || c->invalid))
            return true;
    }
    return false;
}

static void print_block(const struct run *r, const char *title, const char *metric, const struct block *b, FILE *out,
                        const struct style *s) {
    size_t rows = 0;
    for (size_t row = 0; row < r->row_count; row++)
        rows += row_has(r, row, b, metric);
    if (rows == 0)
        return;
    print_headings(b, title, out);
    for (size_t row = 0; row < r->row_count; row++) {
        if (!row_has(r, row, b, metric))
            continue;
        pad_right(out, r->rows[row].label, LABEL_COLUMNS);
        for (size_t i = 0; i < b->count; i++) {
            char *text = cell_text(r, run_find(r, row, b->subjects[i]), row, metric, s);
            pad_left(out, text, CELL_COLUMNS);
            free(text);
        }
        fputc('\n', out);
    }
    fputc('\n', out);
}

static void print_blocks(const struct run *r, const char *title, const char *metric, FILE *out, const struct style *s) {
    const bool own = metric_at(metric_index(metric))->own;
    struct block b = {.count = 0};
    for (size_t i = 0; i < r->subject_count; i++) {
        if (own || !run_is_models(r->subjects[i])) /* what models tell has a table of its own (placement.c) */
            b.subjects[b.count++] = r->subjects[i];
        if (b.count < SUBJECTS_PER_BLOCK && i + 1 < r->subject_count)
            continue;
        print_block(r, title, metric, &b, out, s);
        b.count = 0;
    }
}

static void print_geomean(FILE *out, const char *what, struct run_geomean g) {
    if (g.rows == 0)
        return;
    fprintf(out, "    %-46s %.2f", what, g.ratio);
    if (g.interval.known)
        fprintf(out, "  [%.2f, %.2f]", g.interval.low, g.interval.high);
    else
        fputs("  (too few processes for an interval)", out);
    fprintf(out, "  over %zu rows%s", g.rows, "");
    if (g.left_out > 0)
        fprintf(out, ", %zu left out for want of a value", g.left_out);
    fputc('\n', out);
}

static void print_geomeans(const struct run *r, FILE *out) {
    bool first = true;
    for (size_t i = 0; i < r->subject_count; i++) {
        if (!run_is_variant(r->subjects[i]))
            continue;
        if (first)
            fputs("Geometric means (lower is better)\n", out);
        first = false;
        fprintf(out, "  %s\n", r->subjects[i]);
        print_geomean(out, "time over the fastest peer, 1 thread", run_over_best_peer(r, r->subjects[i], "time", 1));
        print_geomean(out, "time over the fastest peer, 2 threads", run_over_best_peer(r, r->subjects[i], "time", 2));
        print_geomean(out, "peak RSS over the smallest peer, all rows",
                      run_over_best_peer(r, r->subjects[i], "peak_rss", 0));
    }
    if (!first)
        fputc('\n', out);
}

static void print_floors(const struct run *r, FILE *out) {
    char *known = lab_strdup("");
    for (size_t row = 0; row < r->row_count; row++) {
        double least = 100 * r->rows[row].least_floor, most = 100 * r->rows[row].most_floor;
        if (isnan(least))
            continue;
        char *range = least == most ? lab_printf("%.1f%%", most) : lab_printf("%.1f to %.1f%%", least, most);
        char *more = lab_printf("%s%s%s %s", known, known[0] != '\0' ? ", " : "", r->rows[row].label, range);
        free(range);
        free(known);
        known = more;
    }
    if (known[0] != '\0')
        fprintf(out, "Noise floors of the ratios (95 %% of A/A halves of both sides differ by less): %s\n", known);
    free(known);
}

/* What disturbed, since its remedy depends on that. */
static void print_disturbed(const struct run *r, FILE *out) {
    if (r->disturbed == 0)
        return;
    fprintf(out, "Disturbed: others took processor time from %ld processes while they were timed:", r->disturbed);
    long queued = r->disturbed - r->stolen;
    if (queued > 0)
        fprintf(out, " %ld waited\nfor a processor behind other programs%s", queued, r->stolen > 0 ? ";" : "");
    if (r->stolen > 0)
        fprintf(out, " %ld lost time to other guests of the host", r->stolen);
    fputs(". spanlab doctor shows the load.\n", out);
}

/* The machine as it could be used, since the figures of threads hang on it. */
static void print_machine(const struct run *r, FILE *out) {
    char *limits = usable_text(r->host);
    fprintf(out, "Machine: %s\n\n", limits);
    free(limits);
}

static void print_shared(const struct run *r, FILE *out) {
    char *all = lab_strdup("");
    for (size_t row = 0; row < r->row_count; row++) {
        if (!r->rows[row].shared)
            continue;
        char *more = lab_printf("%s%s%s", all, all[0] != '\0' ? ", " : "", r->rows[row].label);
        free(all);
        all = more;
    }
    if (all[0] != '\0')
        fprintf(out, "SHARED  %s: more threads than processors (%.3g), so they take turns\n", all,
                usable_processors(r->host));
    free(all);
}

static void print_problems(const struct run *r, FILE *out) {
    for (size_t i = 0; i < r->absent_count; i++)
        fprintf(out, "n/a     %s: %s%s%s\n", r->absent[i].subject, r->absent[i].reason,
                r->absent[i].remedy[0] != '\0' ? "; " : "", r->absent[i].remedy);
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *c = &r->cells[i];
        if (c->failed > 0)
            fprintf(out, "FAILED  %s %s: %ld of %ld processes; %s\n        again: %s\n", c->label, r->rows[c->row].label,
                    c->failed, c->processes, c->failure, c->reproduce);
        if (c->invalid)
            fprintf(out, "INVALID %s %s: its checksum %s is not that of the other subjects: it did other work\n",
                    c->label, r->rows[c->row].label, c->checksum);
    }
}

void table_print(const struct run *r, FILE *out) {
    struct style s = style_for(out);
    fprintf(out, "\nRun %s: %ld of %ld processes, %ld disturbed, %ld failed", r->id, r->done, r->planned, r->disturbed,
            r->failed);
    if (r->invalid > 0)
        fprintf(out, ", %ld cells invalid", r->invalid);
    fputc('\n', out);
    print_disturbed(r, out);
    print_machine(r, out);
    print_blocks(r, "TIME, lower is better", "time", out, &s);
    print_blocks(r, "PEAK RSS, lower better", "peak_rss", out, &s);
    print_blocks(r, "FOOTPRINT OVER BOUND", "footprint_over_bound", out, &s);
    placement_print(r, out);
    timespace_print(r, out);
    collectors_print(r, out);
    print_geomeans(r, out);
    fprintf(
        out,
        "First column (or first value of a row): median and half its 95 %% interval; the others: ratio to it. %s? is "
        "fewer\nthan %d processes. %s faster, %s slower, %s no difference shown (verdict rows: 10 processes, interval, "
        "noise floor, Holm);\nd: no verdict, more than a third of the processes of a side were disturbed; no sign: screening, no "
        "verdict.\n",
        s.plus_minus, STATS_LEAST_FOR_INTERVAL, s.better, s.worse, s.same);
    print_floors(r, out);
    print_shared(r, out);
    print_problems(r, out);
}
