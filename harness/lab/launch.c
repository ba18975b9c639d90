/* SPDX-License-Identifier: MIT */
#include "launch.h"
#include "error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

enum { LAYOUT_MAX_ENVIRONMENT_BYTES = 4096, LAYOUT_MAX_STACK_BYTES = 16384 };

static bool names_variable(const char *assignment, const char *name) {
    size_t n = strlen(name);
    return strncmp(assignment, name, n) == 0 && assignment[n] == '=';
}

/* Variables that change an allocator's behaviour are set by knobs only, so that every row says what it ran with. */
static bool allocator_variable(const char *assignment) {
    static const char *const prefixes[] = {"LD_PRELOAD=", "MALLOC_CONF=",    "MALLOC_",    "MIMALLOC_",
                                           "TCMALLOC_",   "GLIBC_TUNABLES=", "BENCHMARK_", "TBB_MALLOC_",
                                           "GOALLOC_",    "SPANLAB_PAD="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(assignment, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

const char *launch_left_out(const struct catalog_subject *subject, const char **knob) {
    static const char ours[] = "GOALLOC_";
    bool built_here = false;
    for (size_t i = 0; i < subject->knob_count; i++)
        built_here |= strncmp(subject->knobs[i].variable, ours, strlen(ours)) == 0;
    for (char **e = environ; *e != NULL; e++) {
        if (!allocator_variable(*e))
            continue;
        *knob = NULL;
        for (size_t i = 0; *knob == NULL && i < subject->knob_count; i++)
            if (names_variable(*e, subject->knobs[i].variable))
                *knob = subject->knobs[i].name;
        if (*knob != NULL || (built_here && strncmp(*e, ours, strlen(ours)) == 0))
            return *e;
    }
    return NULL;
}

struct text_list launch_environment(const struct catalog *catalog, const struct text_list *extra) {
    (void)catalog;
    struct text_list out = {0};
    for (char **e = environ; *e != NULL; e++) {
        bool replaced = allocator_variable(*e);
        for (size_t i = 0; !replaced && i < extra->count; i++) {
            char *name = lab_printf("%.*s", (int)strcspn(extra->items[i], "="), extra->items[i]);
            replaced = names_variable(*e, name);
            free(name);
        }
        if (!replaced)
            text_list_add(&out, *e);
    }
    for (size_t i = 0; i < extra->count; i++)
        text_list_add(&out, extra->items[i]);
    return out;
}

static const struct catalog_knob *find_knob(const struct catalog_subject *s, const char *name) {
    for (size_t i = 0; i < s->knob_count; i++)
        if (strcmp(s->knobs[i].name, name) == 0)
            return &s->knobs[i];
    return NULL;
}

/* The format holds one %s. */
static char *fill_in(const char *format, const char *value) {
    const char *hole = strstr(format, "%s");
    if (hole == NULL)
        return lab_strdup(value);
    return lab_printf("%.*s%s%s", (int)(hole - format), format, value, hole + 2);
}

struct text_list launch_subject_variables(const struct catalog_subject *subject, const char *knobs) {
    struct text_list out = {0};
    if (subject->preload && subject->library != NULL)
        text_list_add_taken(&out, lab_printf("LD_PRELOAD=%s", subject->library));
    struct settings settings, variables = {0};
    if (!settings_parse(knobs, &settings))
        return out;
    for (size_t i = 0; i < settings.count; i++) {
        const struct catalog_knob *knob = find_knob(subject, settings.items[i].name);
        if (knob == NULL)
            continue;
        char *value = fill_in(knob->format, settings.items[i].value);
        const char *before = settings_get(&variables, knob->variable);
        if (before != NULL && knob->join != NULL) {
            char *joined = lab_printf("%s%s%s", before, knob->join, value);
            free(value);
            value = joined;
        }
        settings_set(&variables, knob->variable, value);
        free(value);
    }
    for (size_t i = 0; i < variables.count; i++)
        text_list_add_taken(&out, lab_printf("%s=%s", variables.items[i].name, variables.items[i].value));
    settings_free(&variables);
    settings_free(&settings);
    return out;
}

static void add_arguments(struct launch *l, const struct catalog_subject *subject, const struct store_todo *t,
                          uint64_t seed) {
    struct text_list *a = &l->arguments;
    text_list_add(a, subject->program);
    text_list_add_taken(a, lab_printf("--spanlab-workload=%s", t->workload));
    text_list_add_taken(a, lab_printf("--spanlab-params=%s", t->params));
    text_list_add_taken(a, lab_printf("--spanlab-seed=%llu", (unsigned long long)seed));
    text_list_add_taken(a, lab_printf("--spanlab-mode=%s", t->memory ? "memory" : "throughput"));
    text_list_add_taken(a, lab_printf("--spanlab-warmup=%u", t->memory ? 0 : t->warmup));
    text_list_add_taken(a, lab_printf("--spanlab-iterations=%u", t->memory ? 1 : t->iterations));
    text_list_add_taken(a, lab_printf("--spanlab-expect=%s", subject->name));
    if (subject->library != NULL)
        text_list_add_taken(a, lab_printf("--spanlab-library=%s", subject->library));
    if (t->knobs[0] != '\0')
        text_list_add_taken(a, lab_printf("--spanlab-knobs=%s", t->knobs));
}

static char *join_quoted(char *line, const struct text_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        char *quoted = text_shell_quote(list->items[i]);
        char *longer = lab_printf("%s%s%s", line, line[0] == '\0' ? "" : " ", quoted);
        free(quoted);
        free(line);
        line = longer;
    }
    return line;
}

void launch_make(struct launch *out, const struct catalog_subject *subject, const struct store_todo *t, uint64_t seed,
                 const char *result_path) {
    *out = (struct launch){0};
    add_arguments(out, subject, t, seed);
    struct text_list variables = launch_subject_variables(subject, t->knobs);
    bool fixed = t->layout_seed == 0;
    unsigned pad_bytes = fixed ? 0 : (unsigned)(t->layout_seed % LAYOUT_MAX_ENVIRONMENT_BYTES);
    unsigned stack_bytes =
        fixed ? 0 : (unsigned)(t->layout_seed / LAYOUT_MAX_ENVIRONMENT_BYTES % LAYOUT_MAX_STACK_BYTES) & ~15u;
    text_list_add_taken(&variables, lab_printf("SPANLAB_STACK_OFFSET=%u", stack_bytes));
    out->layout = lab_printf("{\"environment_bytes\": %u, \"stack_offset_bytes\": %u, \"aslr\": %s}", pad_bytes,
                             stack_bytes, fixed ? "false" : "true");
    /* The padding is left out of the line to paste: it moves the stack by some bytes and is hundreds of characters
     * long. */
    char *line = join_quoted(lab_strdup(fixed ? "setarch -R env" : "env"), &variables);
    out->reproduce = join_quoted(line, &out->arguments);
    char *pad = lab_alloc(pad_bytes + 1);
    memset(pad, 'x', pad_bytes);
    text_list_add_taken(&variables, lab_printf("SPANLAB_PAD=%s", pad));
    free(pad);
    text_list_add_taken(&out->arguments, lab_printf("--spanlab-result=%s", result_path));
    out->environment = launch_environment(NULL, &variables);
    text_list_free(&variables);
}

void launch_free(struct launch *l) {
    text_list_free(&l->arguments);
    text_list_free(&l->environment);
    free(l->reproduce);
    free(l->layout);
}
