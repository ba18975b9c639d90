/* SPDX-License-Identifier: MIT */
#include "catalog.h"
#include "ask.h"
#include "command.h"
#include "error.h"
#include "library.h"
#include "text.h"

#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CATALOG_MAX_SUBJECTS = 1000, CATALOG_LIMIT_S = 600, NAME_MAX_BYTES = 63 };

static char *text_or_null(json_t *object, const char *key) {
    const char *s = json_string_value(json_object_get(object, key));
    return s == NULL ? NULL : lab_strdup(s);
}

static char *text_or_empty(json_t *object, const char *key) {
    char *s = text_or_null(object, key);
    return s == NULL ? lab_strdup("") : s;
}

static void read_knobs(struct catalog_subject *s, json_t *knobs) {
    size_t i;
    json_t *knob;
    s->knobs = lab_alloc(json_array_size(knobs) * sizeof *s->knobs);
    json_array_foreach(knobs, i, knob) {
        s->knobs[s->knob_count++] = (struct catalog_knob){
            text_or_empty(knob, "name"), text_or_empty(knob, "variable"), text_or_empty(knob, "format"),
            text_or_null(knob, "join"),  text_or_empty(knob, "summary"),
        };
    }
}

static struct catalog_subject *new_subject(struct catalog *c) {
    /* Room for all at once: plans keep pointers to subjects while users' libraries are added. */
    if (c->subjects == NULL)
        c->subjects = lab_alloc(CATALOG_MAX_SUBJECTS * sizeof *c->subjects);
    if (c->subject_count == CATALOG_MAX_SUBJECTS)
        lab_die(LAB_USAGE, "more than %d subjects: name fewer", CATALOG_MAX_SUBJECTS);
    struct catalog_subject *s = &c->subjects[c->subject_count++];
    *s = (struct catalog_subject){0};
    return s;
}

/* A Debian package, or a command that the program names. */
static void read_remedy(struct catalog_subject *s, json_t *subject) {
    const char *package = json_string_value(json_object_get(subject, "package"));
    s->remedy = package != NULL ? lab_printf("apt-get install %s", package) : text_or_empty(subject, "remedy");
}

static void read_subject(struct catalog *c, json_t *subject, const char *program, const char *flavour,
                         json_t *workloads) {
    struct catalog_subject *s = new_subject(c);
    size_t i;
    json_t *workload;
    json_array_foreach(workloads, i, workload)
        text_list_add(&s->workloads, json_string_value(json_object_get(workload, "name")));
    s->name = text_or_empty(subject, "name");
    s->summary = text_or_empty(subject, "summary");
    read_remedy(s, subject);
    s->library = text_or_null(subject, "library");
    s->program = lab_strdup(program);
    s->flavour = lab_strdup(flavour);
    s->preload = json_is_true(json_object_get(subject, "preload"));
    s->bound = json_is_true(json_object_get(subject, "bound"));
    s->present = json_is_true(json_object_get(subject, "present"));
    read_knobs(s, json_object_get(subject, "knobs"));
}

static void read_params(struct catalog_workload *w, json_t *params) {
    size_t i;
    json_t *param;
    w->params = lab_alloc(json_array_size(params) * sizeof *w->params);
    json_array_foreach(params, i, param) {
        struct catalog_param *p = &w->params[w->param_count++];
        p->name = text_or_empty(param, "name");
        p->summary = text_or_empty(param, "summary");
        p->value = (uint64_t)json_integer_value(json_object_get(param, "value"));
        p->smoke = (uint64_t)json_integer_value(json_object_get(param, "smoke"));
    }
}

static void read_workload(struct catalog *c, json_t *workload, bool traced) {
    char *name = text_or_empty(workload, "name");
    struct catalog_workload *w = catalog_find_workload(c, name);
    if (w == NULL) {
        c->workloads = lab_realloc(c->workloads, (c->workload_count + 1) * sizeof *c->workloads);
        w = &c->workloads[c->workload_count++];
        *w = (struct catalog_workload){.name = lab_strdup(name)};
        w->summary = text_or_empty(workload, "summary");
        w->op = text_or_empty(workload, "op");
        w->models = text_or_empty(workload, "models");
        w->source = text_or_empty(workload, "source");
        w->bad_for = text_or_empty(workload, "bad_for");
        read_params(w, json_object_get(workload, "params"));
    }
    *(traced ? &w->traced : &w->manual) = true;
    free(name);
}

static void read_parts(struct catalog *c, json_t *root, const char *program, const char *flavour) {
    size_t i;
    json_t *item, *workloads = json_object_get(root, "workloads");
    json_array_foreach(json_object_get(root, "subjects"), i, item) read_subject(c, item, program, flavour, workloads);
    json_array_foreach(workloads, i, item) read_workload(c, item, strcmp(flavour, "traced") == 0);
}

/* A program that cannot say what it has stops only those who ask for it: its subject is n/a with the reason. */
static void add_broken(struct catalog *c, const char *program, char *reason) {
    const char *file = strrchr(program, '/') != NULL ? strrchr(program, '/') + 1 : program;
    const char *name = strncmp(file, "bench-", 6) == 0 ? file + 6 : file;
    struct catalog_subject *s = new_subject(c);
    *s = (struct catalog_subject){.name = lab_strdup(name),
                                  .summary = lab_printf("%s gives no catalog: %s", program, reason),
                                  .reason = lab_printf("its program gives no catalog: %s", reason),
                                  .remedy = lab_strdup("make build"),
                                  .program = lab_strdup(program),
                                  .flavour = lab_strdup(strcmp(name, "manual") == 0 ? "manual" : "traced")};
    if (c->broken == NULL)
        c->broken = lab_strdup(s->summary);
    free(reason);
}

static void read_program(struct catalog *c, const char *program) {
    char *argv[] = {lab_strdup(program), lab_strdup("--spanlab-catalog"), NULL};
    struct answer a = ask(argv, NULL, CATALOG_LIMIT_S);
    json_error_t error;
    json_t *root = a.status == 0 ? json_loads(a.out, 0, &error) : NULL;
    const char *flavour = json_string_value(json_object_get(root, "flavour"));
    if (a.status != 0)
        add_broken(c, program, answer_failure(&a));
    else if (root == NULL)
        add_broken(c, program, lab_printf("what it says is not JSON: %s", error.text));
    else if (flavour == NULL)
        add_broken(c, program, lab_strdup("it names no flavour"));
    else
        read_parts(c, root, program, flavour);
    json_decref(root);
    answer_free(&a);
    free(argv[0]);
    free(argv[1]);
}

void catalog_load(struct catalog *out) {
    *out = (struct catalog){0};
    /* Tests put programs of their own in place of the real ones. */
    const char *dir = getenv("SPANLAB_BENCH_DIR");
    char *pattern = lab_printf("%s/bench-*", dir != NULL && dir[0] != '\0' ? dir : text_bin_dir());
    glob_t found;
    if (glob(pattern, 0, NULL, &found) != 0)
        lab_die(LAB_CELL_FAILED, "no bench program at %s: run make build first", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++)
        if (access(found.gl_pathv[i], X_OK) == 0)
            read_program(out, found.gl_pathv[i]);
    globfree(&found);
    free(pattern);
    if (out->workload_count == 0 && out->broken != NULL)
        lab_die(LAB_CELL_FAILED, "%s", out->broken);
}

struct catalog_subject *catalog_find_subject(const struct catalog *c, const char *name) {
    for (size_t i = 0; i < c->subject_count; i++)
        if (strcmp(c->subjects[i].name, name) == 0)
            return &c->subjects[i];
    return NULL;
}

struct catalog_workload *catalog_find_workload(const struct catalog *c, const char *name) {
    for (size_t i = 0; i < c->workload_count; i++)
        if (strcmp(c->workloads[i].name, name) == 0)
            return &c->workloads[i];
    return NULL;
}

const struct catalog_param *catalog_find_param(const struct catalog_workload *w, const char *name) {
    for (size_t i = 0; i < w->param_count; i++)
        if (strcmp(w->params[i].name, name) == 0)
            return &w->params[i];
    return NULL;
}

bool catalog_runs(const struct catalog_subject *s, const struct catalog_workload *w) {
    if (s->reason != NULL)
        return true; /* its program could not say */
    if (!s->present) /* what it would run is not known; what others of its flavour do */
        return strcmp(s->flavour, "traced") == 0 ? w->traced : w->manual;
    return text_list_has(&s->workloads, w->name);
}

static bool is_name(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
    size_t length = strspn(name, allowed);
    return name[length] == '\0' && length > 0 && length <= NAME_MAX_BYTES && name[0] != '-';
}

/* The user's library of a "name:path" as an absolute path; NULL after an error line. */
static char *user_library(const char *spec, const char *name, const char *path) {
    if (!is_name(name)) {
        lab_error(LAB_USAGE, "'%s' is no subject: write name:/path/lib.so, the name of letters, digits, '.', '_', '+' and "
                             "'-'",
                  spec);
        return NULL;
    }
    char *real = realpath(path, NULL);
    if (real == NULL) {
        lab_error(LAB_USAGE, "there is no library at '%s' (%s): subject '%s' needs the path of a shared object, without "
                             "space, colon and comma",
                  path, strerror(errno), name);
        return NULL;
    }
    char *problem = library_problem(real);
    if (problem == NULL)
        return real;
    lab_error(LAB_USAGE, "%s cannot be preloaded as subject '%s': %s", real, name, problem);
    free(problem);
    free(real);
    return NULL;
}

/* The subject that has this name already, where the same library is meant. */
static struct catalog_subject *known_user(struct catalog_subject *known, const char *path) {
    if (known->user && strcmp(known->library, path) == 0)
        return known;
    if (known->user)
        lab_error(LAB_USAGE, "'%s' names two libraries, %s and %s: give each a name of its own", known->name,
                  known->library, path);
    else
        lab_error(LAB_USAGE, "'%s' is the name of a known subject: give your library another one, e.g. my-%s:%s",
                  known->name, known->name, path);
    return NULL;
}

struct catalog_subject *catalog_add_user(struct catalog *c, const char *spec) {
    const char *colon = strchr(spec, ':');
    char *name = lab_printf("%.*s", (int)(colon - spec), spec), *path = user_library(spec, name, colon + 1);
    if (path == NULL)
        return NULL;
    struct catalog_subject *known = catalog_find_subject(c, name);
    if (known != NULL)
        return known_user(known, path);
    const struct catalog_subject *model = NULL;
    for (size_t i = 0; i < c->subject_count && model == NULL; i++)
        if (strcmp(c->subjects[i].flavour, "manual") == 0 && c->subjects[i].reason == NULL)
            model = &c->subjects[i];
    if (model == NULL) {
        lab_error(LAB_CELL_FAILED, "%s", c->broken != NULL ? c->broken : "bench-manual is missing: run make build");
        return NULL;
    }
    struct catalog_subject *s = new_subject(c);
    *s = (struct catalog_subject){.name = name,
                                  .library = path,
                                  .program = lab_strdup(model->program),
                                  .remedy = lab_strdup(""),
                                  .preload = true,
                                  .present = true,
                                  .user = true};
    for (size_t i = 0; i < model->workloads.count; i++)
        text_list_add(&s->workloads, model->workloads.items[i]);
    s->summary = lab_printf("your library %s", path);
    s->flavour = lab_strdup("manual");
    return s;
}

static bool knob_known(const struct catalog_subject *s, const char *name) {
    if (!s->present && s->knob_count == 0)
        return true; /* what it has, it will say when it is there: it is n/a, not wrong */
    for (size_t i = 0; i < s->knob_count; i++)
        if (strcmp(s->knobs[i].name, name) == 0)
            return true;
    return false;
}

int catalog_check_knobs(const struct catalog_subject *s, const char *text, char **formatted) {
    struct settings knobs;
    if (!settings_parse(text, &knobs))
        return lab_error(LAB_USAGE, "the knobs of '%s' are '%s': write %s|name=value,name=value, each name once", s->name,
                         text, s->name);
    for (size_t i = 0; i < knobs.count; i++)
        if (!knob_known(s, knobs.items[i].name))
            return lab_error(LAB_USAGE, "%s has no knob '%s': spanlab explain %s lists them", s->name,
                             knobs.items[i].name, s->name);
    *formatted = settings_format(&knobs);
    settings_free(&knobs);
    return LAB_OK;
}

int catalog_unknown(const struct catalog *c, const char *kind, const char *name) {
    bool subjects = strcmp(kind, "subject") == 0;
    if (c->broken != NULL)
        return lab_error(LAB_CELL_FAILED, "%s '%s' is not known, and %s", kind, name, c->broken);
    size_t n = subjects ? c->subject_count : c->workload_count;
    const char **names = lab_alloc((n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = subjects ? c->subjects[i].name : c->workloads[i].name;
    int code = text_unknown(subjects ? "there is no subject" : "there is no workload", name, names, n,
                            "spanlab list shows all");
    free(names);
    return code;
}
