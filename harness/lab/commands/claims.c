/* SPDX-License-Identifier: MIT
 *
 * claims: published claims and what measuring them gives: listed, shown, run, and put into the README.
 */
#include "claims/claim.h"
#include "claims/experiment.h"
#include "claims/mutation.h"
#include "claims/page.h"
#include "claims/parts.h"
#include "claims/recorded.h"
#include "command.h"
#include "error.h"
#include "option.h"
#include "run_dir.h"
#include "text.h"
#include "whole.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* D*: a figure that has moved by more than this is worth a line. */
static const double drift_percent = 2;

struct claims_options {
    char *folder, *verdicts, *class, *output, *write, *check;
    int record, mutate, mutations, alone, jobs;
    const char **names; /* what else was given, NULL-terminated */
    struct claims all;
};

static bool is_class(const char *name) {
    static const char *const classes[] = {"D", "D*", "N", "D+"};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(name, classes[i]) == 0)
            return true;
    return false;
}

static bool of_class(const struct claims_options *o, const struct claim *c) {
    return o->class == NULL || strcmp(claim_class_name(c->class), o->class) == 0 ||
           (strcmp(o->class, "D+") == 0 && c->class != CLAIM_N);
}

/* ---- list, show */

static int list(const struct claims_options *o) {
    struct claim_outcome *outcomes = recorded_all(o->verdicts, &o->all);
    printf("%-8s %-5s %-18s %s\n", "claim", "class", "recorded verdict", "");
    for (size_t i = 0; i < o->all.count; i++)
        if (of_class(o, o->all.items[i]))
            printf("%-8s %-5s %-18s %s\n", o->all.items[i]->id, claim_class_name(o->all.items[i]->class),
                   verdict_name(outcomes[i].judge.verdict), o->all.items[i]->title);
    claims_count(&o->all, outcomes, stdout);
    free(outcomes);
    return LAB_OK;
}

static void show_check(const char *label, const struct claim_check *k) {
    char *text = lab_printf("tests of %s that pass%s%s", k->program, k->tests != NULL ? ", of " : "",
                            k->tests != NULL ? k->tests : "");
    text_paragraph(label, text);
    free(text);
}

static void show_program(const char *label, const struct claim_measure *m) {
    char *text = lab_printf("%s of %s", m->figure, m->program);
    text_paragraph(label, text);
    free(text);
    if (m->against != NULL && m->against->program != NULL)
        text_paragraph("  against", m->against->program);
}

static void show_measure(const char *label, const struct claim_measure *m) {
    if (m == NULL)
        return;
    if (m->check != NULL) {
        show_check(label, m->check);
        return;
    }
    if (m->program != NULL) {
        show_program(label, m);
        return;
    }
    char *names = lab_strdup("");
    for (unsigned i = 0; i < m->workloads_count; i++) {
        char *longer = lab_printf("%s%s%s", names, i > 0 ? ", " : "", m->workloads[i]);
        free(names);
        names = longer;
    }
    char *text = lab_printf("%s of %s on %s%s%s", m->figure, m->subject, names, m->params != NULL ? ", " : "",
                            m->params != NULL ? m->params : "");
    text_paragraph(label, text);
    free(names);
    free(text);
    if (m->against == NULL)
        return;
    const struct claim_against *a = m->against;
    text = lab_printf("%s%s%s%s%s%s%s", a->subject != NULL ? a->subject : "", a->workload != NULL ? " on " : "",
                      a->workload != NULL ? a->workload : "", a->params != NULL ? " with " : "",
                      a->params != NULL ? a->params : "", a->within != NULL ? " within " : "",
                      a->within != NULL ? a->within : "");
    text_paragraph("  against", text);
    free(text);
}

static void show_figure(const char *label, const struct claim *c, const struct claim_figure *f) {
    if (f->subject == NULL)
        return;
    char *number = claim_figure_text(f->figure);
    char *text = lab_printf("%s %s, %s%s", number, c->unit, f->subject, f->recorded ? ", recorded" : "");
    text_paragraph(label, text);
    free(number);
    free(text);
}

static void show_cost(const struct claim_outcome *o) {
    if (o->processes == 0)
        return;
    char *processes = claim_processes(o), *text = lab_printf("%.2f min in %s", o->seconds / 60, processes);
    free(processes);
    text_paragraph("cost", text);
    free(text);
}

static void show_claim(const struct claim *c, const struct claim_outcome *o) {
    printf("%s: %s\n\n", c->id, c->title);
    text_paragraph("states", c->statement);
    text_paragraph("source", c->source);
    char *says = claim_says(c);
    char *figure = lab_printf("%s; class %s, provenance P%d", says, claim_class_name(c->class), c->provenance + 1);
    text_paragraph("published", figure);
    free(says);
    free(figure);
    if (c->published_params != NULL) {
        text_paragraph("  there", c->published_params);
        text_paragraph("  here", c->our_params);
    }
    show_measure("measured", c->judge);
    show_measure("goalloc", c->transfers);
    if (c->reason != NULL)
        text_paragraph("because", c->reason);
    puts("");
    text_paragraph("verdict", verdict_name(o->judge.verdict));
    if (c->qualification != NULL)
        text_paragraph("  but", c->qualification);
    show_figure("figure", c, &o->judge);
    show_figure("transfers", c, &o->transfers);
    for (unsigned i = 0; o->beside != NULL && i < c->beside_count; i++)
        show_figure(i == 0 ? "beside" : "", c, &o->beside[i]);
    char *quote = claim_quote(c, o);
    if (quote != NULL)
        text_paragraph("to quote", quote);
    free(quote);
    show_cost(o);
    printf("\nmeasure it: spanlab claims run %s\n", c->id);
}

static int show(const struct claims_options *o) {
    if (o->names == NULL || o->names[0] == NULL)
        return lab_error(LAB_USAGE, "which claim? spanlab claims show ID; spanlab claims list shows all");
    for (size_t i = 0; o->names[i] != NULL; i++) {
        const struct claim *c = claims_need(&o->all, o->names[i]);
        if (c == NULL)
            return LAB_USAGE;
        struct claim_outcome outcome;
        recorded_read(o->verdicts, c, &outcome);
        show_claim(c, &outcome);
    }
    return LAB_OK;
}

/* ---- run */

/* Those named, or all of the class. */
static int choose(const struct claims_options *o, struct claims *out) {
    *out = (struct claims){.items = lab_alloc((o->all.count + 1) * sizeof *out->items)};
    for (size_t i = 0; o->names != NULL && o->names[i] != NULL; i++) {
        const struct claim *c = claims_need(&o->all, o->names[i]);
        if (c == NULL)
            return LAB_USAGE;
        out->items[out->count++] = (struct claim *)c;
    }
    const bool named = out->count != 0;
    for (size_t i = 0; !named && i < o->all.count; i++)
        if (of_class(o, o->all.items[i]))
            out->items[out->count++] = o->all.items[i];
    for (size_t i = 0; o->alone && i < out->count; i++)
        out->items[i]->beside_count = 0;
    return LAB_OK;
}

/* ---- measuring */

static void print_beside(const char *subject, const struct claim_figure *f) {
    char *text = claim_figure_text(f->figure);
    if (f->missing != NULL)
        printf("         beside: %s n/a: %s\n", subject, f->missing);
    else
        printf("         beside: %s %s\n", subject, text);
    free(text);
}

static void print_outcome(const struct claim *c, const struct claim_outcome *o) {
    char *says = claim_says(c), *measured = claim_figure_text(o->judge.figure);
    char *transfers = claim_figure_text(o->transfers.figure);
    printf("%-8s %-3s %-28.28s %9s  %-17s", c->id, claim_class_name(c->class), says, measured,
           verdict_name(o->judge.verdict));
    if (c->transfers != NULL)
        printf(" goalloc %s, %s", transfers, verdict_name(o->transfers.verdict));
    puts(o->judge.recorded ? " (recorded)" : "");
    if (o->judge.missing != NULL)
        printf("         n/a: %s\n", o->judge.missing);
    if (o->transfers.missing != NULL)
        printf("         goalloc n/a: %s\n", o->transfers.missing);
    for (unsigned i = 0; o->beside != NULL && i < c->beside_count; i++)
        print_beside(c->beside[i], &o->beside[i]);
    free(says);
    free(measured);
    free(transfers);
}

/* A figure that could not be measured now is the recorded one. */
static void fall_back(struct claim_outcome *now, const struct claim_outcome *then) {
    if (isnan(now->judge.figure.value) && !isnan(then->judge.figure.value)) {
        char *missing = now->judge.missing;
        now->judge = then->judge;
        now->judge.missing = missing;
    }
}

/* By how much a figure has moved. A change of so many percent has moved by what it changes has: one of 0.1 % that has
 * become 0.2 % is still about none. */
static double moved_percent(const struct claim *c, double now, double then) {
    bool change = c->judge != NULL && c->judge->combine == CLAIM_PERCENT;
    return change ? 100 * fabs((100 + now) / (100 + then) - 1) : 100 * fabs(now / then - 1);
}

/* Whether what was measured is other than what is recorded, with a line that says so; of D it fails the run. */
static bool differs(const struct claim *c, const struct claim_outcome *now, const struct claim_outcome *then) {
    bool verdict = now->judge.verdict != then->judge.verdict;
    bool transfers = c->transfers != NULL && !isnan(now->transfers.figure.value) &&
                     now->transfers.verdict != then->transfers.verdict;
    double moved = moved_percent(c, now->judge.figure.value, then->judge.figure.value);
    if (verdict)
        fprintf(stderr, "%s: %s, and %s is recorded\n", c->id, verdict_name(now->judge.verdict),
                verdict_name(then->judge.verdict));
    if (transfers)
        fprintf(stderr, "%s: goalloc: %s, and %s is recorded\n", c->id, verdict_name(now->transfers.verdict),
                verdict_name(then->transfers.verdict));
    if (c->class == CLAIM_D_PROXY && moved > drift_percent)
        fprintf(stderr, "%s: its figure has moved by %.1f %% since it was recorded\n", c->id, moved);
    return (verdict || transfers) && c->class == CLAIM_D;
}

/* What is measured: claims as they are written, and their mutations, each behind its claim. */
struct work {
    const struct claims_options *options;
    const struct claim **items, **originals; /* of what is no mutation there is no original */
    size_t count;
};

static void work_add(struct work *w, const struct claim *c, const struct claim *original) {
    w->items = lab_realloc(w->items, (w->count + 1) * sizeof *w->items);
    w->originals = lab_realloc(w->originals, (w->count + 1) * sizeof *w->originals);
    w->items[w->count] = c;
    w->originals[w->count++] = original;
}

static struct work work_of(const struct claims_options *o, const struct claims *chosen) {
    struct work w = {.options = o};
    for (size_t i = 0; i < chosen->count; i++) {
        const struct claim *c = chosen->items[i];
        const struct claim *changed = o->mutate || o->mutations ? mutation_of(c) : NULL;
        if (!o->mutate)
            work_add(&w, c, NULL);
        if (changed != NULL)
            work_add(&w, changed, c);
    }
    return w;
}

struct run_state {
    const struct work *work;
    struct part_answer *answers;
    bool gate;
    int code; /* of recording */
};

/* Printed and recorded as it comes. */
static void take_claim(struct run_state *s, const struct claim *c, struct claim_outcome *now) {
    const struct claims_options *o = s->work->options;
    struct claim_outcome then;
    bool known = recorded_read(o->verdicts, c, &then), measured = !isnan(now->judge.figure.value);
    if (known)
        fall_back(now, &then);
    print_outcome(c, now);
    if (o->record && measured && s->code == LAB_OK)
        s->code = recorded_write(o->verdicts, c, now);
    if (!o->record && known)
        s->gate |= differs(c, now, &then);
}

static void take_item(void *context, size_t i, struct claim_outcome *now) {
    struct run_state *s = context;
    const struct claim *original = s->work->originals[i];
    if (original != NULL)
        s->answers[i].mutation = mutation_judge(s->work->options->verdicts, original, now);
    else
        take_claim(s, s->work->items[i], now);
    s->answers[i].verdict = now->judge.verdict;
    fflush(stdout);
}

static int run_work(const struct work *w, const char *output, struct part_answer *answers) {
    struct run_state state = {.work = w, .answers = answers};
    struct experiment_listener listener = {take_item, &state};
    struct claim_outcome *now = lab_alloc((w->count + 1) * sizeof *now);
    int code = experiments_run(w->items, w->count, output, listener, now);
    free(now);
    if (code != LAB_OK && code != LAB_CELL_FAILED)
        return code;
    if (state.code != LAB_OK)
        return state.code;
    if (state.gate)
        return lab_error(LAB_VERDICT, "a verdict is not what results/verdicts says: find out why, and only then "
                                      "spanlab claims run ID --record");
    return code;
}

/* ---- several at a time */

struct run_parts {
    const struct work *work;
    char *output;
};

static int run_part(void *context, const size_t *items, size_t count, int number, struct part_answer *answers) {
    const struct run_parts *r = context;
    struct work own = {.options = r->work->options};
    for (size_t i = 0; i < count; i++)
        work_add(&own, r->work->items[items[i]], r->work->originals[items[i]]);
    char *output = lab_printf("%s-part%d", r->output, number);
    return run_work(&own, output, answers);
}

/* A second more than what is recorded, of a mutation for its claim; what was never measured is taken for short. */
static double expected_seconds(const struct work *w, size_t i) {
    struct claim_outcome then;
    recorded_read(w->options->verdicts, w->originals[i] != NULL ? w->originals[i] : w->items[i], &then);
    return isnan(then.seconds) ? 1 : then.seconds + 1;
}

static int run_parts(const struct work *w, const char *output, struct part_answer *answers) {
    struct run_parts r = {w, output != NULL ? lab_strdup(output) : run_dir_name("claims")};
    struct text_list *keys = lab_alloc((w->count + 1) * sizeof *keys);
    double *seconds = lab_alloc((w->count + 1) * sizeof *seconds);
    for (size_t i = 0; i < w->count; i++) {
        keys[i] = experiment_keys(w->items[i]);
        seconds[i] = expected_seconds(w, i);
    }
    experiments_prepare();
    const struct parts_work parts = {w->count, keys, seconds, w->options->jobs, run_part, &r, answers};
    int code = parts_run(&parts);
    for (size_t i = 0; i < w->count; i++)
        text_list_free(&keys[i]);
    free(keys);
    free(seconds);
    free(r.output);
    return code;
}

/* ---- what comes out of all */

static void print_verdicts(const struct work *w, const struct part_answer *answers) {
    struct claims all = {.items = lab_alloc((w->count + 1) * sizeof *all.items)};
    struct claim_outcome *outcomes = lab_alloc((w->count + 1) * sizeof *outcomes);
    for (size_t i = 0; i < w->count; i++)
        if (w->originals[i] == NULL) {
            outcomes[all.count].judge.verdict = (enum verdict)answers[i].verdict;
            all.items[all.count++] = (struct claim *)w->items[i];
        }
    claims_count(&all, outcomes, stdout);
    free(all.items);
    free(outcomes);
}

/* Adds the number of mutations that flip, and whether one does not, to the exit code. */
static int judge_mutations(const struct work *w, const struct part_answer *answers, int code) {
    size_t flipped = 0, measured = 0;
    for (size_t i = 0; i < w->count; i++) {
        flipped += answers[i].mutation == MUTATION_FLIPS;
        measured += answers[i].mutation == MUTATION_FLIPS || answers[i].mutation == MUTATION_STAYS;
    }
    printf("%zu of %zu mutations flip the verdict\n", flipped, measured);
    if (flipped < measured)
        return lab_error(LAB_VERDICT, "a changed build gives the same verdict: the claim's figure does not measure it");
    return code;
}

static int refuse_noisy(const struct work *w) {
    for (size_t i = 0; i < w->count; i++)
        if (w->items[i]->class == CLAIM_N)
            return lab_error(LAB_USAGE,
                             "%s is of class N, which others would disturb: leave --jobs away, or say "
                             "--class D+",
                             w->items[i]->id);
    return LAB_OK;
}

static int run(const struct claims_options *o) {
    struct claims chosen;
    int code = choose(o, &chosen);
    if (code != LAB_OK)
        return code;
    struct work w = work_of(o, &chosen);
    if (o->jobs > 1 && refuse_noisy(&w) != LAB_OK)
        return LAB_USAGE;
    struct part_answer *answers = lab_alloc((w.count + 1) * sizeof *answers);
    for (size_t i = 0; i < w.count; i++)
        answers[i] = (struct part_answer){VERDICT_UNTESTED, MUTATION_NONE};
    code = o->jobs > 1 ? run_parts(&w, o->output, answers) : run_work(&w, o->output, answers);
    const bool measured = code == LAB_OK || code == LAB_CELL_FAILED || code == LAB_VERDICT;
    if (measured && !o->mutate)
        print_verdicts(&w, answers);
    if (measured && (o->mutate || o->mutations))
        code = judge_mutations(&w, answers, code);
    free(answers);
    return code;
}

/* ---- report */

/* The README's text with the table between its markers replaced; NULL after an error line. */
static char *with_table(const char *path, const char *table) {
    char *text = text_read_file(path);
    char *begin = text != NULL ? strstr(text, claims_begin_marker) : NULL;
    char *end = begin != NULL ? strstr(begin, claims_end_marker) : NULL;
    if (end == NULL) {
        lab_error(LAB_USAGE, "%s has no lines '%s' and '%s' for the table to stand between", path, claims_begin_marker,
                  claims_end_marker);
        free(text);
        return NULL;
    }
    char *whole = lab_printf("%.*s%s%s", (int)(begin - text), text, table, end + strlen(claims_end_marker) + 1);
    free(text);
    return whole;
}

static int check_table(const char *path, const char *whole) {
    char *there = text_read_file(path);
    bool same = there != NULL && strcmp(there, whole) == 0;
    free(there);
    return same ? LAB_OK
                : lab_error(LAB_VERDICT, "the table of claims in %s is stale: spanlab claims report --write %s", path,
                            path);
}

static int write_table(const char *path, const char *whole) {
    struct whole_file file;
    int code = whole_begin(&file, path);
    if (code != LAB_OK)
        return code;
    fputs(whole, file.out);
    return whole_end(&file);
}

static int report(const struct claims_options *o) {
    struct claim_outcome *outcomes = recorded_all(o->verdicts, &o->all);
    if (recorded_unreadable() > 0) { /* said line by line: the table would lack them */
        free(outcomes);
        return LAB_USAGE;
    }
    char *table = claims_markdown(&o->all, outcomes);
    const char *path = o->check != NULL ? o->check : o->write;
    int code = LAB_OK;
    if (path == NULL) {
        fputs(table, stdout);
    } else {
        char *whole = with_table(path, table);
        code = whole == NULL ? LAB_USAGE : o->check != NULL ? check_table(path, whole) : write_table(path, whole);
        free(whole);
    }
    free(table);
    free(outcomes);
    return code;
}

/* ---- the command */

enum { CLAIM_NAMES = 1000 };

/* A record that cannot be read is worth an exit code, except where it is written anew. */
static int finish(const struct claims_options *o, int code) {
    return code == LAB_OK && !o->record && recorded_unreadable() > 0 ? LAB_USAGE : code;
}

static const char usage[] = "list | show ID... | run [ID...] | report";

static int claims(int argc, const char **argv) {
    struct claims_options o = {.folder = "results/claims", .verdicts = "results/verdicts"};
    uint64_t jobs = 1;
    const struct option_row options[] = {
        {"class", 'c', OPTION_TEXT, &o.class, 0, 0, "list, run: only claims of this class: D, D*, N; D+ is D and D*",
         "CLASS"},
        {"record", '\0', OPTION_FLAG, &o.record, 0, 0, "run: write what comes out to results/verdicts", NULL},
        {"mutate", '\0', OPTION_FLAG, &o.mutate, 0, 0,
         "run: on changed builds only, which must flip each verdict; exit 5 if not", NULL},
        {"mutations", '\0', OPTION_FLAG, &o.mutations, 0, 0, "run: on changed builds, too, as --mutate",
         NULL},
        {"alone", '\0', OPTION_FLAG, &o.alone, 0, 0, "run: without the subjects that are shown beside", NULL},
        {"jobs", 'j', OPTION_WHOLE, &jobs, 1, 256, "run: so many at a time; not those of class N", "2"},
        {"output", 'o', OPTION_TEXT, &o.output, 0, 0, "run: folder of the run", "DIR"},
        {"write", '\0', OPTION_TEXT, &o.write, 0, 0, "report: put the table into this file", "README.md"},
        {"check", '\0', OPTION_TEXT, &o.check, 0, 0, "report: exit 5 if this file's table is stale", "README.md"},
        {"claims", '\0', OPTION_TEXT, &o.folder, 0, 0, "folder of the claims (results/claims)", "DIR"},
        {"verdicts", '\0', OPTION_TEXT, &o.verdicts, 0, 0, "folder of the recorded verdicts (results/verdicts)",
         "DIR"},
        {0}};
    const char **rest;
    int parsed = options_read(argc, argv, usage, options, CLAIM_NAMES, &rest);
    if (parsed != LAB_OK)
        return parsed;
    if (o.class != NULL && !is_class(o.class))
        return lab_error(LAB_USAGE, "--class is '%s': it must be D, D*, N, or D+ for D and D*", o.class);
    const char *verb = rest[0];
    o.names = verb != NULL ? rest + 1 : rest;
    o.jobs = (int)jobs;
    static const struct {
        const char *name;
        int (*run)(const struct claims_options *o);
    } verbs[] = {{"list", list}, {"show", show}, {"run", run}, {"report", report}};
    for (size_t i = 0; verb != NULL && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verb, verbs[i].name) == 0)
            return finish(&o, claims_load(o.folder, &o.all) ? verbs[i].run(&o) : LAB_USAGE);
    return lab_error(LAB_USAGE, "%s%s%s: say spanlab claims %s",
                     verb != NULL ? "there is no spanlab claims '" : "what of the claims", verb != NULL ? verb : "",
                     verb != NULL ? "'" : "", usage);
}

COMMAND(claims) = {"claims", "list|show|run|report", "published claims, and what measuring them gives", 85, claims};
