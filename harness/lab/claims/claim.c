/* SPDX-License-Identifier: MIT */
#include "claims/claim.h"
#include "claims/counted.h"
#include "command.h"
#include "error.h"
#include "text.h"
#include "yaml_file.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the schema */

static const struct field_choice provenances[] = {{"P1", CLAIM_P1}, {"P2", CLAIM_P2}, {"P3", CLAIM_P3}, {"P4", CLAIM_P4},
                                                  {NULL, 0}};
static const struct field_choice kinds[] = {
    {"claim", CLAIM_PUBLISHED}, {"article", CLAIM_ARTICLE}, {"conformance", CLAIM_CONFORMANCE}, {NULL, 0}};
static const struct field_choice classes[] = {{"D", CLAIM_D}, {"D*", CLAIM_D_PROXY}, {"N", CLAIM_N}, {NULL, 0}};
static const struct field_choice rules[] = {
    {"equals", CLAIM_EQUALS}, {"at-most", CLAIM_AT_MOST}, {"at-least", CLAIM_AT_LEAST}, {"sign", CLAIM_SIGN}, {NULL, 0}};
static const struct field_choice combines[] = {{"ratio", CLAIM_RATIO},         {"difference", CLAIM_DIFFERENCE},
                                          {"percent", CLAIM_PERCENT},     {"share", CLAIM_SHARE},
                                          {"not-below", CLAIM_NOT_BELOW}, {"slope", CLAIM_SLOPE}, {NULL, 0}};
static const struct field_choice overs[] = {
    {"largest", CLAIM_LARGEST}, {"smallest", CLAIM_SMALLEST}, {"mean", CLAIM_MEAN}, {NULL, 0}};
static const struct field_choice expectations[] = {{"REP", CLAIM_REP},
                                              {"DIR", CLAIM_DIR},
                                              {"REFUTED", CLAIM_REFUTED_EXPECTED},
                                              {"QUAL", CLAIM_QUAL},
                                              {"NT", CLAIM_NT}, {NULL, 0}};

enum { LONGEST = 2000, NAMES = 32 };
#define AT(type, field) offsetof(struct type, field)
#define TEXT(key, type, field)          {key, FIELD_TEXT, true, 1, LONGEST, 0, 0, 0, AT(type, field), 0, NULL, NULL, 0}
#define OPTIONAL_TEXT(key, type, field) {key, FIELD_TEXT, false, 1, LONGEST, 0, 0, 0, AT(type, field), 0, NULL, NULL, 0}
#define TEXTS(key, type, field)                                                                                        \
    {key, FIELD_TEXTS, false, 1, LONGEST, 0, 1, NAMES, AT(type, field), AT(type, field##_count), NULL, NULL, 0}
#define WHOLE(key, type, field)         {key, FIELD_WHOLE, true, 0, UINT_MAX, 0, 0, 0, AT(type, field), 0, NULL, NULL, 0}
#define NUMBER(key, needed, type, field)  {key, FIELD_NUMBER, needed, 0, 0, 0, 0, 0, AT(type, field), 0, NULL, NULL, 0}
#define CHOICE(key, needed, type, field, names)                                                                        \
    {key, FIELD_CHOICE, needed, 0, 0, 0, 0, 0, AT(type, field), 0, names, NULL, 0}
#define MAP(key, type, field, table)                                                                                   \
    {key, FIELD_MAP, false, 0, 0, 0, 0, 0, AT(type, field), 0, NULL, table, sizeof *((struct type *)NULL)->field}

static const struct field against_fields[] = {
    OPTIONAL_TEXT("workload", claim_against, workload), OPTIONAL_TEXT("subject", claim_against, subject),
    OPTIONAL_TEXT("params", claim_against, params),     OPTIONAL_TEXT("within", claim_against, within),
    OPTIONAL_TEXT("program", claim_against, program),   {0},
};
static const struct field count_fields[] = {
    TEXT("per", claim_count, per), WHOLE("from", claim_count, from),           WHOLE("to", claim_count, to),
    OPTIONAL_TEXT("within", claim_count, within), {0},
};
static const struct field check_fields[] = {
    TEXT("program", claim_check, program),
    OPTIONAL_TEXT("tests", claim_check, tests),
    {0},
};
static const struct field sweep_fields[] = {
    TEXT("knob", claim_sweep, knob),
    {"values", FIELD_WHOLES, true, 0, UINT_MAX, 0, 3, NAMES, AT(claim_sweep, values), AT(claim_sweep, values_count), NULL,
     NULL, 0},
    {0},
};
static const struct field measure_fields[] = {
    TEXTS("workloads", claim_measure, workloads),
    OPTIONAL_TEXT("subject", claim_measure, subject),
    OPTIONAL_TEXT("params", claim_measure, params),
    OPTIONAL_TEXT("program", claim_measure, program),
    TEXT("figure", claim_measure, figure),
    MAP("count", claim_measure, count, count_fields),
    MAP("check", claim_measure, check, check_fields),
    NUMBER("less", false, claim_measure, less),
    NUMBER("divide", false, claim_measure, divide),
    MAP("sweep", claim_measure, sweep, sweep_fields),
    CHOICE("combine", false, claim_measure, combine, combines),
    CHOICE("over", false, claim_measure, over, overs),
    MAP("against", claim_measure, against, against_fields),
    {0},
};
static const struct field mutation_fields[] = {
    OPTIONAL_TEXT("file", claim_mutation, file),
    OPTIONAL_TEXT("replace", claim_mutation, replace),
    OPTIONAL_TEXT("with", claim_mutation, with),
    OPTIONAL_TEXT("subject", claim_mutation, subject),
    {0},
};
static const struct field claim_fields[] = {
    TEXT("id", claim, id),
    TEXT("title", claim, title),
    TEXT("statement", claim, statement),
    TEXT("source", claim, source),
    CHOICE("provenance", true, claim, provenance, provenances),
    CHOICE("kind", true, claim, kind, kinds),
    CHOICE("class", true, claim, class, classes),
    NUMBER("published", true, claim, published),
    TEXT("unit", claim, unit),
    OPTIONAL_TEXT("published_params", claim, published_params),
    OPTIONAL_TEXT("our_params", claim, our_params),
    CHOICE("rule", true, claim, rule, rules),
    NUMBER("tolerance", false, claim, tolerance),
    NUMBER("neutral", false, claim, neutral),
    MAP("judge", claim, judge, measure_fields),
    MAP("transfers", claim, transfers, measure_fields),
    TEXTS("beside", claim, beside),
    CHOICE("expected", true, claim, expected, expectations),
    OPTIONAL_TEXT("qualification", claim, qualification),
    OPTIONAL_TEXT("quote", claim, quote),
    OPTIONAL_TEXT("reason", claim, reason),
    MAP("mutation", claim, mutation, mutation_fields),
    {0},
};

/* ---- what a schema cannot say */

static const char *check_fault(const struct claim *c, const struct claim_measure *m) {
    if (m->workloads_count != 0 || m->subject != NULL || m->count != NULL || m->combine != CLAIM_ALONE)
        return "check runs a test program: workloads, subject, count, combine and against do not belong to it";
    if (strcmp(m->figure, "passed") != 0)
        return "check has one figure: passed";
    if (c->kind != CLAIM_CONFORMANCE)
        return "a test of what we coded ourselves decides kind: conformance only";
    return NULL;
}

/* Who is measured: a subject on workloads, or a program. */
static const char *measured_fault(const struct claim_measure *m) {
    if (m->program == NULL)
        return m->workloads_count == 0 || m->subject == NULL
                   ? "a measure needs workloads and subject, or program, or check"
                   : NULL;
    if (m->workloads_count != 0 || m->subject != NULL || m->params != NULL || m->count == NULL)
        return "a program is counted in place of a subject on a workload: it goes with count, without workloads, "
               "subject and params";
    return NULL;
}

/* Of a bootstrap there is an interval for these. */
static bool has_interval(enum claim_combine how) {
    return how != CLAIM_SHARE && how != CLAIM_NOT_BELOW;
}

/* A slope over logarithms: of different values above 0. */
static bool sweep_is_sound(const struct claim_sweep *sweep) {
    for (unsigned i = 0; i < sweep->values_count; i++) {
        if (sweep->values[i] == 0)
            return false;
        for (unsigned j = 0; j < i; j++)
            if (sweep->values[j] == sweep->values[i])
                return false;
    }
    return true;
}

static const char *measure_fault(const struct claim *c, const struct claim_measure *m) {
    if (m == NULL)
        return NULL;
    if (m->check != NULL)
        return check_fault(c, m);
    const char *fault = measured_fault(m);
    if (fault != NULL)
        return fault;
    if ((m->combine == CLAIM_SLOPE) != (m->sweep != NULL))
        return "combine: slope and sweep go together: over which values of which knob";
    if ((m->combine == CLAIM_ALONE || m->combine == CLAIM_SLOPE) != (m->against == NULL))
        return "combine and against go together: what is compared, and with what";
    if (m->less != 0 && m->combine != CLAIM_ALONE && m->combine != CLAIM_SLOPE)
        return "less is taken from a figure that is compared with nothing";
    if (m->sweep != NULL && (m->count != NULL || !sweep_is_sound(m->sweep)))
        return "sweep takes a figure of a run, at three or more different values above 0";
    if ((m->count != NULL) != counted_knows(m->figure))
        return "count goes with figure: instructions, first-level-misses, last-level-misses or simulated-cycles";
    if (m->count != NULL && m->count->from >= m->count->to)
        return "count needs a larger number of operations in to than in from";
    if (m->against != NULL && m->against->within != NULL && m->count == NULL)
        return "within belongs to what is counted";
    if (m->over != CLAIM_SUM && (m->workloads_count < 2 || m->combine == CLAIM_NOT_BELOW || m->combine == CLAIM_SLOPE))
        return "over takes one of the figures of several workloads, or their mean; it does not go with combine: not-below or slope";
    if (m->workloads_count > 1 && m->combine != CLAIM_NOT_BELOW && m->over == CLAIM_SUM)
        return "several workloads need over: largest, smallest or mean, or combine: not-below, which counts those on which the "
               "figure is no smaller";
    if (m->over != CLAIM_SUM && c->class == CLAIM_N)
        return "over is for class D and D*: what is noisy needs an interval, which the largest of several figures has not";
    if (c->class == CLAIM_N && (m->count != NULL || !has_interval(m->combine)))
        return "class N is for what is measured, with an interval: alone, as ratio, difference, percent or slope";
    return NULL;
}

static const char *mutation_fault(const struct claim *c) {
    const struct claim_mutation *m = c->mutation;
    if (m == NULL)
        return NULL;
    if (c->class == CLAIM_N)
        return "a mutation needs class D or D*: noise alone may flip what is noisy";
    bool source = m->file != NULL && m->replace != NULL && m->with != NULL;
    bool no_source = m->file == NULL && m->replace == NULL && m->with == NULL;
    if (m->subject != NULL ? !no_source : !source)
        return "a mutation is either file, replace and with, or subject";
    return NULL;
}

static const char *claim_fault(const struct claim *c) {
    if (c->judge == NULL && c->reason == NULL)
        return "without judge it is not testable here: give the reason";
    if (c->beside_count != 0 && (c->judge == NULL || c->judge->subject == NULL))
        return "beside names other subjects for the judge's measure, which has none";
    if (c->expected == CLAIM_DIR && c->rule != CLAIM_SIGN)
        return "what is expected to hold in direction only (DIR) is judged by rule: sign";
    if (c->expected == CLAIM_QUAL && c->qualification == NULL)
        return "what is expected to hold with a qualification (QUAL) must say which";
    if (c->tolerance < 0)
        return "tolerance is below 0";
    if (c->published_params != NULL && c->our_params == NULL)
        return "published_params differ from ours, so our_params must be given, too";
    const char *fault = measure_fault(c, c->judge);
    fault = fault != NULL ? fault : measure_fault(c, c->transfers);
    return fault != NULL ? fault : mutation_fault(c);
}

/* ---- loading */

static struct claim *claim_load(const char *folder, const char *file) {
    size_t length;
    char *path = lab_printf("%s/%s", folder, file), *text = yaml_read_file(path, "claim", &length);
    struct claim *c = NULL;
    if (text != NULL)
        c = yaml_load(path, "claim", "results/claims/README.md names the fields", text, length, claim_fields, sizeof *c);
    const char *fault = c != NULL ? claim_fault(c) : NULL;
    if (c != NULL && (strlen(file) != strlen(c->id) + 5 || strncmp(file, c->id, strlen(c->id)) != 0))
        fault = "the file's name must be its id and .yaml";
    if (fault != NULL) {
        lab_error(LAB_USAGE, "%s is not a claim: %s", path, fault);
        c = NULL;
    }
    free(text);
    free(path);
    return c;
}

static int by_id(const void *a, const void *b) {
    return strverscmp((*(struct claim *const *)a)->id, (*(struct claim *const *)b)->id);
}

bool claims_load(const char *folder, struct claims *out) {
    *out = (struct claims){0};
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return lab_error(LAB_USAGE,
                         "there is no folder %s with claims: run spanlab in the project's folder, or name one "
                         "with --claims",
                         folder),
               false;
    bool good = true;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        const char *end = strrchr(entry->d_name, '.');
        if (entry->d_name[0] == '.' || end == NULL || strcmp(end, ".yaml") != 0)
            continue;
        struct claim *c = claim_load(folder, entry->d_name);
        good &= c != NULL;
        if (c == NULL)
            continue;
        out->items = lab_realloc(out->items, (out->count + 1) * sizeof *out->items);
        out->items[out->count++] = c;
    }
    closedir(dir);
    if (out->count != 0)
        qsort(out->items, out->count, sizeof *out->items, by_id);
    return good;
}

const struct claim *claims_need(const struct claims *all, const char *id) {
    const char **ids = lab_alloc((all->count + 1) * sizeof *ids);
    const struct claim *found = NULL;
    for (size_t i = 0; i < all->count; i++) {
        ids[i] = all->items[i]->id;
        if (strcmp(ids[i], id) == 0)
            found = all->items[i];
    }
    if (found == NULL)
        text_unknown("there is no claim", id, ids, all->count, "spanlab claims list shows all");
    free(ids);
    return found;
}

/* ---- judging */

static bool claim_holds(const struct claim *c, double figure) {
    /* Figures are sums and quotients of whole numbers in floating point. */
    const double tolerance = c->tolerance + 1e-9 * (1 + fabs(c->published));
    switch (c->rule) {
    case CLAIM_EQUALS:
        return fabs(figure - c->published) <= tolerance;
    case CLAIM_AT_MOST:
        return figure <= c->published + tolerance;
    case CLAIM_AT_LEAST:
        return figure >= c->published - tolerance;
    case CLAIM_SIGN:
        return (figure > c->neutral) == (c->published > c->neutral);
    }
    return false;
}

const struct claim_value claim_no_value = {NAN, NAN, NAN};

/* Whether the interval holds figures of which some are as claimed and some are not. */
static bool claim_is_open(const struct claim *c, struct claim_value v) {
    if (isnan(v.low))
        return false;
    bool around = v.low < c->published && v.high > c->published; /* which a narrow tolerance can lie within */
    return claim_holds(c, v.low) != claim_holds(c, v.high) ||
           (c->rule == CLAIM_EQUALS && around && !claim_holds(c, v.low));
}

enum verdict claim_judge(const struct claim *c, struct claim_value v) {
    if (c->provenance == CLAIM_P4)
        return VERDICT_UNVERIFIED;
    if (c->judge == NULL)
        return VERDICT_NOT_TESTABLE;
    if (isnan(v.value))
        return VERDICT_UNTESTED;
    if (c->kind == CLAIM_CONFORMANCE)
        return claim_holds(c, v.value) ? VERDICT_CONFORMS : VERDICT_DEPARTS;
    if (c->class == CLAIM_N && isnan(v.low))
        return VERDICT_INCONCLUSIVE; /* too few processes for an interval */
    if (c->rule == CLAIM_SIGN && fabs(v.value - c->neutral) <= c->tolerance)
        return VERDICT_INCONCLUSIVE;
    if (claim_is_open(c, v))
        return VERDICT_INCONCLUSIVE;
    return claim_holds(c, v.value) ? VERDICT_REPRODUCED : VERDICT_REFUTED;
}

/* ---- names */

static const char *const verdict_names[] = {"REPRODUCED",        "REFUTED",     "INCONCLUSIVE",   "NOT TESTABLE HERE",
                                            "UNVERIFIED SOURCE", "CONFORMANCE", "NO CONFORMANCE", "UNTESTED"};

const char *verdict_name(enum verdict v) {
    return verdict_names[v];
}

enum verdict verdict_of_name(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof verdict_names / sizeof *verdict_names; i++)
        if (strcmp(verdict_names[i], name) == 0)
            return (enum verdict)i;
    return VERDICT_UNTESTED;
}

const char *claim_class_name(enum claim_class c) {
    return classes[c].name;
}

const char *claim_number(double value, char room[CLAIM_NUMBER_ROOM]) {
    if (isnan(value))
        snprintf(room, CLAIM_NUMBER_ROOM, "n/a");
    else if (value == floor(value) && fabs(value) < 1e9)
        snprintf(room, CLAIM_NUMBER_ROOM, "%.0f", value);
    else
        snprintf(room, CLAIM_NUMBER_ROOM, "%.4g", value);
    return room;
}

char *claim_figure_text(struct claim_value v) {
    char value[CLAIM_NUMBER_ROOM], low[CLAIM_NUMBER_ROOM], high[CLAIM_NUMBER_ROOM];
    if (isnan(v.low))
        return lab_strdup(claim_number(v.value, value));
    return lab_printf("%s [%s, %s]", claim_number(v.value, value), claim_number(v.low, low),
                      claim_number(v.high, high));
}

char *claim_says(const struct claim *c) {
    static const char *const words[] = {
        [CLAIM_EQUALS] = "", [CLAIM_AT_MOST] = "at most ", [CLAIM_AT_LEAST] = "at least "};
    char number[CLAIM_NUMBER_ROOM];
    const char *side = c->published > c->neutral ? "above" : "below";
    if (c->rule == CLAIM_SIGN && c->kind == CLAIM_ARTICLE) /* which states no figure */
        return lab_printf("%s %s %s", side, claim_number(c->neutral, number), c->unit);
    if (c->rule == CLAIM_SIGN) {
        char neutral[CLAIM_NUMBER_ROOM];
        return lab_printf("%s %s, by direction: %s %s", claim_number(c->published, number), c->unit, side,
                          claim_number(c->neutral, neutral));
    }
    return lab_printf("%s%s %s", words[c->rule], claim_number(c->published, number), c->unit);
}
