/* SPDX-License-Identifier: MIT */
#include "claims/counted.h"
#include "claims/checked.h"
#include "error.h"
#include "launch.h"
#include "text.h"
#include "whole.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COUNT_TIMEOUT_MS = 600000 };

/* ---- figures */

/* Callgrind's events of data caches and instructions, as it names them. */
enum event { IR, I1MR, D1MR, D1MW, ILMR, DLMR, DLMW, EVENTS };
static const char *const event_names[EVENTS] = {"Ir", "I1mr", "D1mr", "D1mw", "ILmr", "DLmr", "DLmw"};

/* A figure is a weighted sum of events. */
static const struct counted_sum {
    const char *name;
    double weights[EVENTS];
} sums[] = {
    {"instructions", {[IR] = 1}},
    {"first-level-misses", {[D1MR] = 1, [D1MW] = 1}},
    {"last-level-misses", {[DLMR] = 1, [DLMW] = 1}},
    {"simulated-cycles", {[IR] = 1, [I1MR] = 10, [D1MR] = 10, [D1MW] = 10, [ILMR] = 100, [DLMR] = 100, [DLMW] = 100}},
};

static const struct counted_sum *sum_named(const char *figure) {
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (strcmp(sums[i].name, figure) == 0)
            return &sums[i];
    return NULL;
}

static bool needs_caches(const struct counted_sum *sum) {
    for (unsigned e = IR + 1; e < EVENTS; e++)
        if (sum->weights[e] != 0)
            return true;
    return false;
}

bool counted_knows(const char *figure) {
    return sum_named(figure) != NULL;
}

const char *counted_how(const char *figure) {
    return needs_caches(sum_named(figure)) ? "callgrind, caches of 48 KiB and 2 MiB" : "callgrind";
}

/* What stands behind "word :" in callgrind's last words, up to the line's end; NULL: it is not there. */
static const char *behind(const char *text, const char *word) {
    const char *found = strstr(text, word);
    found = found != NULL ? strchr(found, ':') : NULL;
    return found != NULL ? found + 1 : NULL;
}

/* "Events : Ir Dr ..." names what "Collected : 12 3 ..." counts; without caches there is one number. False: there are
 * none. */
static bool read_events(const char *text, double events[EVENTS]) {
    const char *names = behind(text, "Events "), *numbers = behind(text, "Collected ");
    double collected_any = 0;
    if (names == NULL || numbers == NULL)
        return false;
    for (;;) {
        char *end;
        names += strspn(names, " ");
        size_t length = strcspn(names, " \n");
        double n = strtod(numbers, &end);
        if (length == 0 || end == numbers)
            break;
        for (unsigned e = 0; e < EVENTS; e++)
            if (strlen(event_names[e]) == length && strncmp(event_names[e], names, length) == 0)
                events[e] = n;
        collected_any += n;
        names += length;
        numbers = end;
    }
    return collected_any > 0;
}

static double weighed(const double events[EVENTS], const struct counted_sum *sum) {
    double total = 0;
    for (unsigned e = 0; e < EVENTS; e++)
        total += sum->weights[e] * events[e];
    return total;
}

/* callgrind's arguments before the program's. */
static struct text_list under_callgrind(const struct counted_wish *w) {
    static const char *const caches[] = {"--cache-sim=yes", "--I1=32768,8,64", "--D1=49152,12,64",
                                         "--LL=2097152,16,64"};
    struct text_list argv = {0};
    text_list_add(&argv, "/usr/bin/env");
    text_list_add(&argv, "valgrind");
    text_list_add(&argv, "--tool=callgrind");
    text_list_add(&argv, "--callgrind-out-file=/dev/null");
    text_list_add(&argv, "--trace-children=yes"); /* what starts another program ends as that one */
    for (size_t i = 0; needs_caches(sum_named(w->figure)) && i < sizeof caches / sizeof *caches; i++)
        text_list_add(&argv, caches[i]);
    if (w->within != NULL)
        text_list_add_taken(&argv, lab_printf("--toggle-collect=%s", w->within));
    return argv;
}

/* What one process has counted, and took. */
struct counts {
    double events[EVENTS];
    double seconds;
    uint64_t peak_bytes;
    char *missing;
    bool died;
};

/* One process of a whole command. */
static struct counts count_once(struct spawner *spawner, const struct counted_wish *w, struct text_list *argv,
                                struct text_list *environment, const char *folder) {
    struct counts out = {0};
    char *said = lab_printf("%s/said", folder);
    text_list_add_taken(argv, NULL);
    text_list_add_taken(environment, NULL);
    struct spawn_request request = {argv->items, environment->items, "/dev/null", said, COUNT_TIMEOUT_MS, true};
    struct spawn_result result;
    bool finished = spawner_run(spawner, &request, NULL, NULL, &result);
    bool good =
        finished && !result.start_failed && WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 0;
    char *text = text_read_tail(said, 4000);
    if (!good || !read_events(text, out.events))
        out.missing =
            WIFEXITED(result.wait_status) && WEXITSTATUS(result.wait_status) == 127
                ? lab_strdup("valgrind is not installed: apt-get install valgrind")
                : lab_printf("%s under callgrind failed: %.200s", w->program != NULL ? w->program : w->workload, text);
    out.died = finished && !result.start_failed && WIFSIGNALED(result.wait_status);
    out.seconds = (double)result.wall_ns / 1e9;
    out.peak_bytes = result.peak_bytes;
    unlink(said);
    argv->count--; /* the NULLs */
    environment->count--;
    free(text);
    free(said);
    return out;
}

/* Real Go is started by a script (variants/go/bench-go.sh.in). Callgrind would begin once for the shell and once more
 * for what it starts, so it is given that. The caller's to free. */
static char *started_by(const char *program) {
    const char *slash = strrchr(program, '/'), *name = slash != NULL ? slash + 1 : program;
    char *go = lab_printf("%.*s/../go/%s", slash != NULL ? (int)(slash - program) : 1, slash != NULL ? program : ".",
                          strncmp(name, "bench-", 6) == 0 ? name + 6 : name);
    if (access(go, X_OK) == 0)
        return go;
    free(go);
    return lab_strdup(program);
}

static struct counts count_subject(struct spawner *spawner, const struct counted_wish *w, unsigned operations,
                                   const char *folder) {
    char *params = lab_printf("%s%s%s=%u", w->params != NULL ? w->params : "", w->params != NULL ? "," : "",
                              w->count->per, operations);
    char *record = lab_printf("%s/record", folder);
    struct store_todo todo = {.threads = 1,
                              .iterations = 1,
                              .subject = w->subject->name,
                              .knobs = (char *)w->knobs,
                              .workload = (char *)w->workload,
                              .params = params,
                              .flavour = w->subject->flavour};
    struct launch l;
    launch_make(&l, w->subject, &todo, 1, record);
    struct text_list argv = under_callgrind(w);
    text_list_add_taken(&argv, started_by(w->subject->program));
    for (size_t i = 1; i < l.arguments.count; i++)
        text_list_add(&argv, l.arguments.items[i]);
    struct counts count = count_once(spawner, w, &argv, &l.environment, folder);
    unlink(record);
    text_list_free(&argv);
    launch_free(&l);
    free(record);
    free(params);
    return count;
}

static struct counts count_program(struct spawner *spawner, const struct counted_wish *w, unsigned operations,
                                   const char *folder) {
    struct text_list argv = under_callgrind(w), words = text_split(w->program, ' '), environment = {0};
    struct counts count = {0};
    char *path = checked_program(words.items[0], &count.missing);
    if (count.missing == NULL) {
        text_list_add(&argv, path);
        for (size_t i = 1; i < words.count; i++)
            text_list_add(&argv, words.items[i]);
        text_list_add_taken(&argv, lab_printf("%u", operations));
        text_list_add_taken(&environment, lab_printf("PATH=%s", getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin"));
        count = count_once(spawner, w, &argv, &environment, folder);
    }
    text_list_free(&argv);
    text_list_free(&words);
    text_list_free(&environment);
    free(path);
    return count;
}

/* ---- several figures of the same processes */

struct memo {
    char *key;
    struct counts counts;
    struct memo *next;
};
static struct memo *memos;

static const char *or_none(const char *s) {
    return s != NULL ? s : "";
}

/* All that what is counted depends on, but for the figure. */
static char *key_of(const struct counted_wish *w, unsigned operations) {
    return lab_printf("%s|%s|%s|%s|%s|%s|%s|%u|%d|%u", or_none(w->program), w->subject != NULL ? w->subject->name : "",
                      or_none(w->knobs), or_none(w->workload), or_none(w->params), w->count->per, or_none(w->within),
                      operations, needs_caches(sum_named(w->figure)), w->attempt);
}

static struct counts counts_of(struct spawner *spawner, const struct counted_wish *w, unsigned operations,
                               const char *folder) {
    char *key = key_of(w, operations);
    for (const struct memo *m = memos; m != NULL; m = m->next)
        if (strcmp(m->key, key) == 0) {
            free(key);
            return m->counts;
        }
    struct counts counts = (w->program != NULL ? count_program : count_subject)(spawner, w, operations, folder);
    struct memo *m = lab_alloc(sizeof *m);
    *m = (struct memo){key, counts, memos};
    memos = m;
    return counts;
}

struct counted counted_figure(struct spawner *spawner, const struct counted_wish *w) {
    struct counted out = {.per_operation = NAN};
    char *folder = whole_temporary_name("count");
    if (mkdtemp(folder) == NULL)
        lab_die(whole_temporary_error(folder), "nothing can be counted without it");
    double figures[2] = {NAN, NAN};
    const unsigned operations[2] = {w->count->from, w->count->to};
    for (int i = 0; i < 2 && out.missing == NULL; i++) {
        struct counts c = counts_of(spawner, w, operations[i], folder);
        figures[i] = weighed(c.events, sum_named(w->figure));
        out.missing = c.missing != NULL ? lab_strdup(c.missing) : NULL;
        out.died |= c.died;
        out.seconds += c.seconds;
        out.peak_bytes = c.peak_bytes > out.peak_bytes ? c.peak_bytes : out.peak_bytes;
        out.processes++;
    }
    if (out.missing == NULL && fabs(figures[1] - figures[0]) < 0.001 * fabs(figures[0]))
        out.missing =
            lab_printf("%s counts as much with %s=%u as with %u: give count other numbers",
                       w->program != NULL ? w->program : w->workload, w->count->per, operations[1], operations[0]);
    if (out.missing == NULL)
        out.per_operation = (figures[1] - figures[0]) / (w->count->to - w->count->from);
    rmdir(folder);
    free(folder);
    return out;
}
