/* SPDX-License-Identifier: MIT */
#include "timespace.h"
#include "error.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

const double timespace_targets[TIMESPACE_TARGETS] = {1.25, 1.5, 2, 3, 5};

/* ---- one curve */

double timespace_cost_at(const struct timespace_point *points, size_t count, double footprint) {
    for (size_t i = 0; i < count; i++) {
        const struct timespace_point *p = &points[i];
        if (p->footprint == footprint)
            return p->cost;
        if (i + 1 == count || !(p->footprint < footprint && footprint < p[1].footprint))
            continue;
        double share = log(footprint / p->footprint) / log(p[1].footprint / p->footprint);
        return exp(log(p->cost) + share * log(p[1].cost / p->cost));
    }
    return NAN;
}

/* The knobs that trade memory for time. */
static const char *const swept[] = {"GOGC", "divisor"};

/* A label without them: what the points of a curve have in common. */
static char *curve_name(const struct run_cell *c, bool *has_knob) {
    struct settings knobs = {0}, kept = {0};
    *has_knob = false;
    if (!settings_parse(c->knobs, &knobs))
        return lab_strdup(c->label);
    for (size_t i = 0; i < knobs.count; i++) {
        bool is_swept = false;
        for (size_t k = 0; k < sizeof swept / sizeof *swept; k++)
            is_swept |= strcmp(knobs.items[i].name, swept[k]) == 0;
        *has_knob |= is_swept;
        if (!is_swept)
            settings_set(&kept, knobs.items[i].name, knobs.items[i].value);
    }
    char *rest = settings_format(&kept);
    char *name = rest[0] != '\0' ? lab_printf("%s|%s", c->subject, rest) : lab_strdup(c->subject);
    free(rest);
    settings_free(&knobs);
    settings_free(&kept);
    return name;
}

static int by_footprint(const void *a, const void *b) {
    double x = ((const struct timespace_point *)a)->footprint, y = ((const struct timespace_point *)b)->footprint;
    return x < y ? -1 : x > y;
}

static struct timespace_curve *curve_of(struct timespace *t, const char *name) {
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->curves[i].name, name) == 0)
            return &t->curves[i];
    t->curves = lab_realloc(t->curves, (t->count + 1) * sizeof *t->curves);
    t->curves[t->count] = (struct timespace_curve){.name = lab_strdup(name)};
    return &t->curves[t->count++];
}

/* ---- a row */

static bool measured(const struct run_cell *c) {
    return c != NULL && !c->invalid && run_values(c, "cpu").count > 0 &&
           run_median(c, "peak_rss") > METRIC_RSS_RESOLUTION_BYTES;
}

/* Whoever frees explicitly: the variant after Go's placement, else the one that takes least CPU. */
static const struct run_cell *explicit_free(const struct run *r, size_t row) {
    const struct run_cell *best = NULL;
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *c = &r->cells[i];
        if (c->row != row || !measured(c) || strcmp(c->flavour, "manual") != 0 || run_is_bound(c->subject))
            continue;
        if (strcmp(c->label, "manual-tiny-sizeclass") == 0)
            return c;
        if (best == NULL || run_median(c, "cpu") < run_median(best, "cpu"))
            best = c;
    }
    return best;
}

static struct timespace_point point_of(const struct timespace *t, const struct run_cell *c) {
    if (!measured(c))
        return (struct timespace_point){NAN, NAN, NULL};
    return (struct timespace_point){run_median(c, "peak_rss") / t->live_bytes,
                                    run_median(c, "cpu") / run_median(t->frees, "cpu"), c};
}

struct timespace timespace_of(const struct run *r, size_t row) {
    struct timespace t = {.frees = explicit_free(r, row), .live_bytes = NAN};
    t.free_bound = t.never = (struct timespace_point){NAN, NAN, NULL};
    if (t.frees == NULL)
        return t;
    t.live_bytes = run_median(t.frees, "peak_live");
    if (!(t.live_bytes > 0))
        return t;
    t.free_bound = point_of(&t, t.frees);
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *c = &r->cells[i];
        bool has_knob;
        if (c->row != row || !measured(c))
            continue;
        if (strncmp(c->subject, "nogc-", 5) == 0)
            t.never = point_of(&t, c);
        char *name = curve_name(c, &has_knob);
        if (c->collects) {
            struct timespace_curve *curve = curve_of(&t, name);
            curve->points = lab_realloc(curve->points, (curve->count + 1) * sizeof *curve->points);
            curve->points[curve->count++] = point_of(&t, c);
        }
        free(name);
    }
    size_t kept = 0;
    for (size_t i = 0; i < t.count; i++) {
        struct timespace_curve *curve = &t.curves[i];
        if (curve->count < TIMESPACE_LEAST_POINTS) {
            free(curve->name);
            free(curve->points);
            continue;
        }
        qsort(curve->points, curve->count, sizeof *curve->points, by_footprint);
        t.curves[kept++] = *curve;
    }
    t.count = kept;
    return t;
}

void timespace_free(struct timespace *t) {
    for (size_t i = 0; i < t->count; i++) {
        free(t->curves[i].name);
        free(t->curves[i].points);
    }
    free(t->curves);
    *t = (struct timespace){0};
}

/* ---- LBO */

/* CPU per operation that is not the collector's; NAN where that is not known. */
static double other_cpu(const struct run_cell *c) {
    double cpu = run_median(c, "cpu");
    if (strncmp(c->subject, "nogc-", 5) == 0)
        return cpu;
    return run_is_variant(c->subject) && c->collects ? cpu * (1 - run_median(c, "gc_cpu_share")) : NAN;
}

double timespace_lbo(const struct run *r, const struct run_cell *c) {
    double least = NAN;
    if (c == NULL || c->invalid || isnan(other_cpu(c)))
        return NAN;
    for (size_t i = 0; i < r->cell_count; i++) {
        double other = r->cells[i].row == c->row && !r->cells[i].invalid ? other_cpu(&r->cells[i]) : NAN;
        if (!isnan(other) && !(other >= least))
            least = other;
    }
    return run_median(c, "cpu") / least;
}

/* ---- the tables */

static void print_curve(const struct timespace_curve *c, FILE *out) {
    fprintf(out, "  %-46s", c->name);
    for (int i = 0; i < TIMESPACE_TARGETS; i++) {
        double cost = timespace_cost_at(c->points, c->count, timespace_targets[i]);
        if (isnan(cost))
            fprintf(out, "%7s", "n/a");
        else
            fprintf(out, "%7.2f", cost);
    }
    fprintf(out, "   %.2f to %.2f\n", c->points[0].footprint, c->points[c->count - 1].footprint);
}

static void print_row(const struct run *r, size_t row, const struct timespace *t, FILE *out) {
    fprintf(out, "%s\n", r->rows[row].label);
    for (size_t i = 0; i < t->count; i++)
        print_curve(&t->curves[i], out);
    fprintf(out, "  bounds: explicit free (%s) 1 at %.2f", t->frees->label, t->free_bound.footprint);
    if (!isnan(t->never.footprint))
        fprintf(out, "; never freed (%s) %.2f at %.2f", t->never.cell->label, t->never.cost, t->never.footprint);
    fputc('\n', out);
}

void timespace_print(const struct run *r, FILE *out) {
    bool begun = false;
    for (size_t row = 0; row < r->row_count; row++) {
        struct timespace t = timespace_of(r, row);
        if (t.count > 0 && !begun) {
            fputs(
                "TIME AND SPACE: CPU over that of explicit free (lower is better), at footprints of so many times what "
                "is live\n",
                out);
            fprintf(out, "  %-46s", "");
            for (int i = 0; i < TIMESPACE_TARGETS; i++)
                fprintf(out, "%7g", timespace_targets[i]);
            fputs("   measured\n", out);
        }
        begun |= t.count > 0;
        if (t.count > 0)
            print_row(r, row, &t, out);
        timespace_free(&t);
    }
    if (begun)
        fputs("Footprint: peak RSS over peak requested live bytes. Between two settings, linear in logarithms; n/a: "
              "outside of them.\n\n",
              out);
}
