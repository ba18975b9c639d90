/* SPDX-License-Identifier: MIT */
#include "run_dir.h"
#include "command.h"
#include "error.h"
#include "host.h"
#include "store_file.h"
#include "whole.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { MIN_FREE_BYTES = 64 << 20 };

/* "results/2026-11-23T0826-quick"; the second run of a minute gets a -2. */
char *run_dir_name(const char *matrix) {
    char stamp[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H%M", gmtime_r(&now, &tm));
    const char *base = strrchr(matrix, '/') != NULL ? strrchr(matrix, '/') + 1 : matrix;
    char *name = lab_printf("results/%s-%.*s", stamp, (int)strcspn(base, "."), base);
    for (int i = 2; access(name, F_OK) == 0; i++) {
        free(name);
        name = lab_printf("results/%s-%.*s-%d", stamp, (int)strcspn(base, "."), base, i);
    }
    return name;
}

static int make_dirs(const char *path) {
    char *copy = lab_strdup(path);
    for (char *at = copy + 1; *at != '\0'; at++)
        if (*at == '/') {
            *at = '\0';
            mkdir(copy, 0755);
            *at = '/';
        }
    int failed = mkdir(copy, 0755) != 0 && errno != EEXIST;
    free(copy);
    return failed ? lab_error(errno == ENOSPC ? LAB_DISK : LAB_USAGE, "cannot make the folder %s: %s", path,
                              strerror(errno))
                  : LAB_OK;
}

static int check_room(const char *dir) {
    struct statvfs fs;
    if (statvfs(dir, &fs) == 0 && (unsigned long long)fs.f_bavail * fs.f_frsize < MIN_FREE_BYTES)
        return lab_error(LAB_DISK,
                         "less than %d MiB are free where %s lies: free some space or name another folder with -o",
                         MIN_FREE_BYTES >> 20, dir);
    return LAB_OK;
}

static char *command_line(int argc, const char **argv) {
    char *line = lab_strdup("spanlab");
    for (int i = 0; i < argc; i++) {
        char *quoted = text_shell_quote(argv[i]), *longer = lab_printf("%s %s", line, quoted);
        free(line);
        free(quoted);
        line = longer;
    }
    return line;
}

static int set_meta_taken(struct store *s, const char *key, char *value) {
    int code = store_set_meta(s, key, value);
    free(value);
    return code;
}

static void write_manifest(const char *dir, json_t *manifest) {
    char *path = lab_printf("%s/manifest.json", dir);
    struct whole_file file;
    /* Where it cannot be written a line says so; run.sqlite holds the same facts. */
    if (whole_begin(&file, path) == LAB_OK) {
        json_dumpf(manifest, file.out, JSON_INDENT(2) | JSON_SORT_KEYS);
        whole_end(&file);
    }
    free(path);
}

/* "x:/path/lib.so,y:/path/other.so", for resume. */
static char *user_subjects(const struct catalog *catalog) {
    char *list = lab_strdup("");
    for (size_t i = 0; i < catalog->subject_count; i++) {
        if (!catalog->subjects[i].user)
            continue;
        char *longer = lab_printf("%s%s%s:%s", list, list[0] != '\0' ? "," : "", catalog->subjects[i].name,
                                  catalog->subjects[i].library);
        free(list);
        list = longer;
    }
    return list;
}

static int describe(struct store *s, const struct run_options *o, const struct catalog *catalog, const struct plan *plan,
                    int argc, const char **argv) {
    json_t *host = host_facts(), *binaries = host_binaries(catalog);
    char *command = command_line(argc, argv), *created = text_now_utc(), *matrix = matrix_text(o->request.matrix);
    json_t *manifest = json_pack("{s:i s:s s:s s:s s:s s:I s:b s:O s:O}", "schema_version", STORE_VERSION, "spanlab_version",
                                 SPANLAB_VERSION, "created_at", created, "command", command, "matrix",
                                 o->request.matrix, "seed", (json_int_t)o->request.seed, "fixed_layout",
                                 o->request.fixed_layout, "host", host, "binaries", binaries);
    write_manifest(s->dir, manifest);
    const char *slash = strrchr(s->dir, '/');
    int code = set_meta_taken(s, "schema_version", lab_printf("%d", STORE_VERSION));
    code = code ? code : store_set_meta(s, "spanlab_version", SPANLAB_VERSION);
    code = code ? code : store_set_meta(s, "created_at", created);
    code = code ? code : store_set_meta(s, "command", command);
    code = code ? code : store_set_meta(s, "matrix", matrix != NULL ? matrix : "");
    code = code ? code : store_set_meta(s, "matrix_name", o->request.matrix);
    code = code ? code : store_set_meta(s, "subject_order", plan->subjects_named ? "given" : "");
    code = code ? code : store_set_meta(s, "fixed_layout", o->request.fixed_layout ? "1" : "0");
    code = code ? code : set_meta_taken(s, "user_subjects", user_subjects(catalog));
    code = code ? code : set_meta_taken(s, "seed", lab_printf("%llu", (unsigned long long)o->request.seed));
    code = code ? code : set_meta_taken(s, "host", json_dumps(host, JSON_COMPACT));
    code = code ? code : set_meta_taken(s, "host_identity", host_identity());
    code = code ? code : set_meta_taken(s, "binaries", json_dumps(binaries, JSON_COMPACT | JSON_SORT_KEYS));
    /* The last: a run that has it has all of them. */
    code = code ? code : store_set_meta(s, "run_id", slash != NULL ? slash + 1 : s->dir);
    json_decref(manifest);
    json_decref(host);
    json_decref(binaries);
    free(command);
    free(created);
    free(matrix);
    return code;
}

static void point_latest(const char *dir) {
    if (strncmp(dir, "results/", 8) != 0)
        return; /* a folder named with -o is found by its name */
    unlink("results/latest");
    if (symlink(dir + 8, "results/latest") != 0)
        lab_error(LAB_OK, "results/latest was not set (%s): name the run, e.g. spanlab report %s", strerror(errno),
                  dir);
}

/* Of two runs that begin in one minute each makes a folder of its own. */
static int make_own_folder(const char *matrix, char **dir) {
    int code = make_dirs("results");
    *dir = run_dir_name(matrix);
    while (code == LAB_OK && mkdir(*dir, 0755) != 0) {
        if (errno != EEXIST)
            return lab_error(LAB_DISK, "cannot make the folder %s (%s): name another one with -o", *dir, strerror(errno));
        free(*dir);
        *dir = run_dir_name(matrix);
    }
    return code;
}

int run_dir_create(struct store *s, const struct run_options *o, const struct catalog *catalog, const struct plan *plan,
                   int argc, const char **argv) {
    char *dir = o->output != NULL ? lab_strdup(o->output) : NULL;
    int code = dir != NULL ? make_dirs(dir) : make_own_folder(o->request.matrix, &dir);
    code = code ? code : check_room(dir);
    code = code ? code : store_create(s, dir, plan);
    if (code == LAB_OK) {
        code = describe(s, o, catalog, plan, argc, argv);
        if (code == LAB_OK)
            point_latest(dir);
        else
            store_discard(s);
    }
    free(dir);
    return code;
}

/* Are all binaries what they were? */
static int check_binaries(struct store *s, const struct catalog *catalog) {
    char *stored = store_get_meta(s, "binaries");
    json_t *then = stored == NULL ? NULL : json_loads(stored, 0, NULL), *now = host_binaries(catalog), *hash;
    const char *path;
    int code = LAB_OK;
    if (json_object_size(then) == 0)
        code = lab_error(LAB_USAGE, "%s does not say which binaries it was measured with: begin a new run with spanlab run", s->dir);
    json_object_foreach(then, path, hash) {
        json_t *same = json_object_get(now, path);
        if (code == LAB_OK && (same == NULL || !json_equal(same, hash)))
            code = lab_error(LAB_USAGE,
                             "%s has changed since this run began: its numbers must not be mixed; begin a new one with "
                             "spanlab run",
                             path);
    }
    json_decref(then);
    json_decref(now);
    free(stored);
    return code;
}

/* Digits alone: of another seed the streams would be others. */
static bool is_number(const char *text) {
    return text != NULL && text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* Libraries of the user are in the stored plan by name only; their paths are in the list of binaries. */
static void add_user_subjects(struct store *s, struct catalog *catalog) {
    char *command = store_get_meta(s, "user_subjects");
    struct text_list list = text_split(command != NULL ? command : "", ',');
    for (size_t i = 0; i < list.count; i++)
        catalog_add_user(catalog, list.items[i]);
    text_list_free(&list);
    free(command);
}

int run_dir_check(struct store *s, struct catalog *catalog, struct measure_options *options) {
    char *host_then = store_get_meta(s, "host_identity"), *host_now = host_identity(),
         *seed = store_get_meta(s, "seed");
    char *fixed = store_get_meta(s, "fixed_layout");
    add_user_subjects(s, catalog);
    int code = LAB_OK;
    if (host_then == NULL || !is_number(seed))
        code = lab_error(LAB_USAGE, "%s does not say which machine or which seed it was measured with: begin a new run with "
                                    "spanlab run",
                         s->dir);
    else if (strcmp(host_then, host_now) != 0)
        code = lab_error(LAB_USAGE,
                         "%s was measured on another machine, or another part of one, or under other limits (%s, now %s): "
                         "begin a new run with spanlab run",
                         s->dir, host_then, host_now);
    code = code ? code : check_binaries(s, catalog);
    if (code == LAB_OK) {
        options->seed = strtoull(seed, NULL, 10);
        options->fixed_layout = fixed != NULL && fixed[0] == '1';
        options->session = (int)store_count(s, "SELECT coalesce(max(session),0)+1 FROM invocation");
    }
    free(host_then);
    free(host_now);
    free(seed);
    free(fixed);
    return code;
}

void plan_print(const struct plan *plan, FILE *out) {
    double seconds = 0;
    fprintf(out, "%-34s %-15s %3s %9s %6s  %s\n", "subject", "workload", "thr", "time", "memory", "parameters");
    for (size_t i = 0; i < plan->cell_count; i++) {
        const struct plan_cell *c = &plan->cells[i];
        char *subject = lab_printf("%s%s%s", c->subject->name, c->knobs[0] != '\0' ? "|" : "", c->knobs);
        char *time = c->invocations == 0 ? lab_strdup("-")
                                         : lab_printf("%u\303\227(%u+%u)", c->invocations, c->warmup, c->iterations);
        fprintf(out, "%-34s %-15s %3u %*s %6u  %s\n", subject, c->workload->name, c->threads,
                9 + (c->invocations == 0 ? 0 : 1), time, c->memory, c->params);
        /* One iteration of a default size is made to take about 0.1 s; a process starts in 0.05 s. */
        seconds += c->invocations * (0.05 + 0.1 * (c->warmup + c->iterations)) + c->memory * 0.2;
        free(subject);
        free(time);
    }
    fprintf(out,
            "\n%zu cells, %zu processes: about %s at the workloads' usual sizes (a run estimates from its own first "
            "processes)\n",
            plan->cell_count, plan->invocation_count, text_duration(seconds));
    for (size_t i = 0; i < plan->absent_count; i++)
        fprintf(out, "n/a: %s (%s)\n", plan->absent[i].subject, plan->absent[i].remedy);
}
