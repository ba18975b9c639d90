/* SPDX-License-Identifier: MIT */
#include "plan.h"
#include "command.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAN_MOST_PROCESSES = 1000000 };

/* A subject as asked for: which, and with what knobs. */
struct choice {
    char *subject, *knobs;
};

struct choices {
    struct choice *items;
    size_t count;
};

struct text_list plan_split_subjects(const char *s) {
    struct text_list parts = text_split(s, ','), out = {0};
    for (size_t i = 0; i < parts.count; i++) {
        const char *part = parts.items[i];
        /* After a subject with knobs, name=value goes on with its knobs. */
        bool knob = strchr(part, '=') != NULL && strpbrk(part, "|/:") == NULL;
        if (knob && out.count > 0 && strchr(out.items[out.count - 1], '|') != NULL) {
            char *longer = lab_printf("%s,%s", out.items[out.count - 1], part);
            free(out.items[out.count - 1]);
            out.items[out.count - 1] = longer;
            continue;
        }
        text_list_add(&out, part);
    }
    text_list_free(&parts);
    return out;
}

static void add_choice(struct choices *out, const char *subject, char *knobs) {
    out->items = lab_realloc(out->items, (out->count + 1) * sizeof *out->items);
    out->items[out->count++] = (struct choice){lab_strdup(subject), knobs};
}

static int add_choice_text(struct choices *out, struct catalog *catalog, const char *text) {
    char *name = lab_printf("%.*s", (int)strcspn(text, "|"), text);
    const char *bar = strchr(text, '|');
    int code = LAB_OK;
    struct catalog_subject *s;
    if (strchr(name, ':') != NULL) {
        s = catalog_add_user(catalog, name);
        code = s == NULL ? LAB_USAGE : LAB_OK;
    } else if ((s = catalog_find_subject(catalog, name)) == NULL) {
        code = catalog_unknown(catalog, "subject", name);
    }
    char *knobs = NULL;
    if (code == LAB_OK)
        code = bar == NULL ? (knobs = lab_strdup(""), LAB_OK) : catalog_check_knobs(s, bar + 1, &knobs);
    if (code == LAB_OK)
        add_choice(out, s->name, knobs);
    free(name);
    return code;
}

static int choose_subjects(struct choices *out, struct catalog *catalog, const struct plan_request *request,
                           const struct matrix_entry *entry) {
    struct text_list list = {0};
    if (request->subjects != NULL)
        list = plan_split_subjects(request->subjects);
    else
        for (unsigned i = 0; i < entry->subjects_count; i++)
            text_list_add(&list, entry->subjects[i]);
    int code = LAB_OK;
    for (size_t i = 0; code == LAB_OK && i < list.count; i++)
        code = add_choice_text(out, catalog, list.items[i]);
    if (list.count == 0)
        for (size_t i = 0; i < catalog->subject_count; i++)
            if (!catalog->subjects[i].bound)
                add_choice(out, catalog->subjects[i].name, lab_strdup(""));
    text_list_free(&list);
    return code;
}

static void note_absent(struct plan *plan, const struct catalog_subject *s) {
    for (size_t i = 0; i < plan->absent_count; i++)
        if (strcmp(plan->absent[i].subject, s->name) == 0)
            return;
    plan->absent = lab_realloc(plan->absent, (plan->absent_count + 1) * sizeof *plan->absent);
    plan->absent[plan->absent_count++] = (struct plan_absent){
        lab_strdup(s->name),
        lab_strdup(s->reason != NULL ? s->reason : s->preload ? "its library was not found" : "it has not been built"),
        lab_strdup(s->remedy)};
}

static int all_params(const struct catalog_workload *w, const struct matrix_entry *entry, unsigned threads,
                      char **out) {
    struct settings all = {0}, given = {0};
    if (entry->params != NULL)
        settings_parse(entry->params, &given);
    for (size_t i = 0; i < given.count; i++) {
        uint64_t number;
        if (catalog_find_param(w, given.items[i].name) == NULL)
            return lab_error(LAB_USAGE, "workload %s has no parameter '%s': spanlab explain %s lists them", w->name,
                             given.items[i].name, w->name);
        if (strcmp(given.items[i].name, "threads") == 0)
            return lab_error(LAB_USAGE, "parameter threads of %s is given by the field threads, or by -t", w->name);
        if (!field_whole(given.items[i].value, 0, INT64_MAX, &number))
            return lab_error(LAB_USAGE, "parameter %s of %s is '%s': it must be a whole number from 0 to %lld",
                             given.items[i].name, w->name, given.items[i].value, (long long)INT64_MAX);
    }
    for (size_t i = 0; i < w->param_count; i++) {
        const struct catalog_param *p = &w->params[i];
        const char *value = settings_get(&given, p->name);
        char number[32];
        snprintf(number, sizeof number, "%llu",
                 strcmp(p->name, "threads") == 0 ? threads
                 : value != NULL                 ? strtoull(value, NULL, 10)
                                                 : (unsigned long long)(entry->smoke ? p->smoke : p->value));
        settings_set(&all, p->name, number);
    }
    *out = settings_format(&all);
    settings_free(&all);
    settings_free(&given);
    return LAB_OK;
}

static struct plan_cell *find_cell(struct plan *plan, const struct plan_cell *like) {
    for (size_t i = 0; i < plan->cell_count; i++) {
        struct plan_cell *c = &plan->cells[i];
        if (c->subject == like->subject && c->workload == like->workload && strcmp(c->knobs, like->knobs) == 0 &&
            strcmp(c->params, like->params) == 0)
            return c;
    }
    return NULL;
}

/* A cell that two entries name is one cell with the larger numbers. */
static void add_cell(struct plan *plan, const struct plan_cell *cell) {
    struct plan_cell *same = find_cell(plan, cell);
    if (same != NULL) {
        if (cell->invocations > same->invocations)
            same->invocations = cell->invocations;
        if (cell->memory > same->memory)
            same->memory = cell->memory;
        return;
    }
    plan->cells = lab_realloc(plan->cells, (plan->cell_count + 1) * sizeof *plan->cells);
    plan->cells[plan->cell_count++] = *cell;
}

static int add_entry_cells(struct plan *plan, struct catalog *catalog, const struct plan_request *request,
                           const struct matrix_entry *entry, struct catalog_workload *w, const struct choices *choices,
                           unsigned threads) {
    if (threads > 1 && catalog_find_param(w, "threads") == NULL)
        return LAB_OK; /* it has one thread only */
    for (size_t i = 0; i < choices->count; i++) {
        struct catalog_subject *s = catalog_find_subject(catalog, choices->items[i].subject);
        if (!catalog_runs(s, w))
            continue;
        if (!s->present) {
            note_absent(plan, s);
            continue;
        }
        struct plan_cell cell = {.subject = s,
                                 .workload = w,
                                 .knobs = lab_strdup(choices->items[i].knobs),
                                 .threads = threads,
                                 .invocations = request->invocations != 0 && entry->invocations != 0
                                                    ? request->invocations
                                                    : entry->invocations,
                                 .memory = entry->memory,
                                 .iterations = entry->iterations,
                                 .warmup = entry->warmup,
                                 .timeout_s = entry->timeout};
        int code = all_params(w, entry, threads, &cell.params);
        if (code != LAB_OK)
            return code;
        add_cell(plan, &cell);
    }
    return LAB_OK;
}

static int add_entry(struct plan *plan, struct catalog *catalog, const struct plan_request *request,
                     const struct matrix_entry *entry, const struct text_list *wanted,
                     const struct text_list *threads) {
    struct choices choices = {0};
    int code = choose_subjects(&choices, catalog, request, entry);
    plan->subjects_named |= request->subjects != NULL || entry->subjects_count > 0;
    for (unsigned i = 0; code == LAB_OK && i < entry->workloads_count; i++) {
        struct catalog_workload *w = catalog_find_workload(catalog, entry->workloads[i]);
        if (w == NULL)
            return catalog_unknown(catalog, "workload", entry->workloads[i]);
        if (wanted->count > 0 && !text_list_has(wanted, w->name))
            continue;
        if (threads->count > 0)
            for (size_t t = 0; code == LAB_OK && t < threads->count; t++)
                code = add_entry_cells(plan, catalog, request, entry, w, &choices, (unsigned)atoi(threads->items[t]));
        else
            for (unsigned t = 0; code == LAB_OK && t < entry->threads_count; t++)
                code = add_entry_cells(plan, catalog, request, entry, w, &choices, entry->threads[t]);
    }
    return code;
}

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15)); /* splitmix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* In rounds: every cell's first invocations come before anybody's second ones, each round shuffled, so that cells are
 * interleaved and a run that is stopped early has served all of them alike. */
static void make_order(struct plan *plan, const struct plan_request *request) {
    uint64_t random = request->seed;
    unsigned rounds = 0;
    for (size_t i = 0; i < plan->cell_count; i++) {
        plan->invocation_count += plan->cells[i].invocations + plan->cells[i].memory;
        if (plan->cells[i].invocations > rounds)
            rounds = plan->cells[i].invocations;
        if (plan->cells[i].memory > rounds)
            rounds = plan->cells[i].memory;
    }
    plan->order = lab_alloc(plan->invocation_count * sizeof *plan->order);
    size_t at = 0;
    for (unsigned round = 1; round <= rounds; round++) {
        size_t first = at;
        for (size_t i = 0; i < plan->cell_count; i++) {
            if (round <= plan->cells[i].invocations)
                plan->order[at++] = (struct plan_invocation){i, false, round, 0};
            if (round <= plan->cells[i].memory)
                plan->order[at++] = (struct plan_invocation){i, true, round, 0};
        }
        for (size_t i = at; i > first + 1; i--) {
            size_t other = first + (size_t)(next_random(&random) % (i - first));
            struct plan_invocation swap = plan->order[other];
            plan->order[other] = plan->order[i - 1];
            plan->order[i - 1] = swap;
        }
    }
    for (size_t i = 0; i < at; i++)
        plan->order[i].layout_seed = request->fixed_layout ? 0 : next_random(&random) >> 1;
}

static int check_names(const struct catalog *catalog, const struct text_list *wanted, const struct text_list *threads) {
    uint64_t number;
    for (size_t i = 0; i < wanted->count; i++)
        if (catalog_find_workload(catalog, wanted->items[i]) == NULL)
            return catalog_unknown(catalog, "workload", wanted->items[i]);
    for (size_t i = 0; i < threads->count; i++)
        if (!field_whole(threads->items[i], 1, MATRIX_THREADS_MOST, &number))
            return lab_error(LAB_USAGE, "--threads is '%s': it must be whole numbers from 1 to %d, separated by commas",
                             threads->items[i], MATRIX_THREADS_MOST);
    return LAB_OK;
}

static int check_size(const struct plan *plan) {
    uint64_t processes = 0;
    for (size_t i = 0; i < plan->cell_count; i++)
        processes += (uint64_t)plan->cells[i].invocations + plan->cells[i].memory;
    if (processes > PLAN_MOST_PROCESSES)
        return lab_error(LAB_USAGE, "%llu processes would be run: at most %d are allowed, name fewer cells or invocations",
                         (unsigned long long)processes, PLAN_MOST_PROCESSES);
    return LAB_OK;
}

int plan_make(const struct plan_request *request, struct catalog *catalog, struct plan *out) {
    *out = (struct plan){0};
    struct matrix *m = matrix_load(request->matrix);
    if (m == NULL)
        return LAB_USAGE;
    struct text_list wanted = text_split(request->workloads != NULL ? request->workloads : "", ',');
    struct text_list threads = text_split(request->threads != NULL ? request->threads : "", ',');
    int code = check_names(catalog, &wanted, &threads);
    for (unsigned i = 0; code == LAB_OK && i < m->cells_count; i++)
        code = add_entry(out, catalog, request, &m->cells[i], &wanted, &threads);
    /* A workload that the matrix does not have is run with the sizes of its first entry. */
    if (code == LAB_OK && wanted.count > 0 && out->cell_count == 0 && m->cells_count > 0) {
        struct matrix_entry entry = m->cells[0];
        entry.workloads = wanted.items;
        entry.workloads_count = (unsigned)wanted.count;
        entry.params = NULL;
        code = add_entry(out, catalog, request, &entry, &wanted, &threads);
    }
    if (code == LAB_OK && out->cell_count == 0 && out->absent_count == 0)
        code =
            lab_error(LAB_USAGE, "nothing to measure: no cell of matrix '%s' fits what was asked for", request->matrix);
    if (code == LAB_OK)
        code = check_size(out);
    if (code == LAB_OK)
        make_order(out, request);
    text_list_free(&wanted);
    text_list_free(&threads);
    return code;
}
