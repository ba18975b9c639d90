/* SPDX-License-Identifier: MIT */
#include "placement.h"
#include "error.h"

#include <stdlib.h>
#include <string.h>

const char *const placement_names[PLACEMENT_POLICIES] = {"first", "next", "best", "segregated", "classes", "linear", "lines"};

static int index_of(const char *name) {
    for (int i = 0; i < PLACEMENT_POLICIES; i++)
        if (strcmp(placement_names[i], name) == 0)
            return i;
    return -1;
}

const struct run_cell *placement_models(const struct run *r, size_t row) {
    for (size_t i = 0; i < r->cell_count; i++) {
        const struct run_cell *c = &r->cells[i];
        if (c->row == row && strcmp(c->subject, "policy") == 0 && !c->invalid && !isnan(run_median(c, "policy_live")))
            return c;
    }
    return NULL;
}

bool placement_any(const struct run *r) {
    for (size_t row = 0; row < r->row_count; row++)
        if (placement_models(r, row) != NULL)
            return true;
    return false;
}

double placement_need(const struct run_cell *models, int i) {
    char *name = lab_printf("policy_%s", placement_names[i]);
    const double need = run_median(models, name);
    free(name);
    return need;
}

double placement_resident(const struct run_cell *models, const struct run_cell *c) {
    return run_median(c, "peak_rss") / run_median(models, "policy_live");
}

/* A knob as the measured process has read it back: presets and the flavour change what is not named. NULL: not known. */
static const char *knob_in_force(const struct run_cell *c, const char *name) {
    json_t *record = c->memory_record != NULL ? c->memory_record : c->record;
    return json_string_value(json_object_get(json_object_get(json_object_get(record, "subject"), "knobs"), name));
}

/* The axis in the subject's name, and the knobs that change what it means. */
int placement_of(const struct run_cell *c) {
    const char *place = strrchr(c->subject, '-');
    if (!run_is_variant(c->subject) || place == NULL)
        return -1;
    if (strcmp(place, "-sizeclass") == 0)
        return index_of("classes");
    const char *fit = knob_in_force(c, "fit"), *holes = knob_in_force(c, "holes");
    if (strcmp(place, "-list") == 0 && fit != NULL)
        return index_of(fit);
    if (strcmp(place, "-linear") == 0 && holes != NULL)
        return index_of(strcmp(holes, "on") == 0 ? "lines" : "linear");
    return -1;
}

double placement_instructions(const struct run *r, const struct run_cell *c) {
    const char *text = json_string_value(json_object_get(r->meta, "instructions"));
    json_t *all = text != NULL ? json_loads(text, 0, NULL) : NULL;
    char *id = lab_printf("%ld", c->id);
    json_t *number = json_object_get(all, id);
    const double value = json_is_number(number) ? json_number_value(number) : NAN;
    json_decref(all);
    free(id);
    return value;
}

/* ---- the table */

static void print_resident(const struct run_cell *models, const struct run_cell *c, FILE *out) {
    const double ratio = placement_resident(models, c);
    if (isnan(ratio))
        fprintf(out, "%10s", c->failed > 0 ? "FAILED" : "n/a");
    else
        fprintf(out, "%s%9.3f", run_is_below(c, "peak_rss") ? "<" : " ", ratio);
}

static void print_number(double value, const char *format, int width, FILE *out) {
    char *text = isnan(value) ? lab_strdup("n/a") : lab_printf(format, value);
    fprintf(out, "%*s", width, text);
    free(text);
}

/* Bytes of a line in the model of lines. A build may have others. */
static const char *model_line(const struct run_cell *models) {
    const char *line = knob_in_force(models, "line");
    return line != NULL ? line : "?";
}

static void print_build(const struct run *r, const struct run_cell *models, const struct run_cell *c, FILE *out) {
    fprintf(out, "   %-38s", c->label);
    print_resident(models, c, out);
    print_number(placement_instructions(r, c), "%.0f", 14, out);
    print_number(run_median(c, "time"), "%.1f", 11, out);
    fputc('\n', out);
}

static void print_policy(const struct run *r, const struct run_cell *models, int policy, FILE *out) {
    size_t builds = 0;
    fprintf(out, "  %-11s", placement_names[policy]);
    print_number(placement_need(models, policy), "%.3f", 10, out);
    for (size_t i = 0; i < r->subject_count; i++) {
        const struct run_cell *c = run_find(r, models->row, r->subjects[i]);
        if (c == NULL || c->invalid || placement_of(c) != policy)
            continue;
        if (builds++ > 0)
            fprintf(out, "  %-11s%10s", "", "");
        print_build(r, models, c, out);
    }
    if (builds == 0)
        fputs("   (no build of it ran)\n", out);
}

static void print_row(const struct run *r, size_t row, const struct run_cell *models, FILE *out) {
    fprintf(out, "%s: %.0f bytes live at most; the models' lines are of %s B\n", r->rows[row].label,
            run_median(models, "policy_live"), model_line(models));
    for (int policy = 0; policy < PLACEMENT_POLICIES; policy++)
        print_policy(r, models, policy, out);
}

static void print_heading(FILE *out) {
    fprintf(out, "POLICY AND BUILD over live bytes, lower is better: what a policy needs, what a build takes resident\n"
                 "  %-11s%10s   %-38s%10s%14s%11s\n",
            "policy", "needs", "build", "resident", "instructions", "ns/op");
}

void placement_print(const struct run *r, FILE *out) {
    bool begun = false;
    for (size_t row = 0; row < r->row_count; row++) {
        const struct run_cell *models = placement_models(r, row);
        if (models == NULL)
            continue;
        if (!begun)
            print_heading(out);
        begun = true;
        print_row(r, row, models, out);
    }
    if (begun)
        fputs("needs: at its peak, by a model of the same calls: blocks and holes, no metadata, no pages.\n"
              "instructions: of one operation, what plays the calls included; n/a until spanlab count counts them.\n\n",
              out);
}
