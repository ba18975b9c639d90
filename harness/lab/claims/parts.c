/* SPDX-License-Identifier: MIT */
#include "claims/parts.h"
#include "command.h"
#include "error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A group longer than this share of what one process has to do is a part of its own. */
enum { OWN_PART_SHARE = 32 };

struct part {
    size_t *items, count;
    double seconds;
    pid_t pid;
    FILE *answers;
};

/* ---- which items share what is measured */

/* A key, and what is known of it. */
struct shared {
    const char *key;
    size_t group; /* the first item that has it */
    double seconds;
};

struct grouping {
    size_t *leader; /* of each item: another of its group, at last the group's first */
    struct shared *shared;
    size_t shared_count;
};

static size_t first_of(const struct grouping *g, size_t item) {
    while (g->leader[item] != item)
        item = g->leader[item];
    return item;
}

static void join(struct grouping *g, size_t a, size_t b) {
    a = first_of(g, a), b = first_of(g, b);
    g->leader[a > b ? a : b] = a > b ? b : a;
}

static struct shared *shared_with(struct grouping *g, const char *key, size_t item) {
    for (size_t i = 0; i < g->shared_count; i++)
        if (strcmp(g->shared[i].key, key) == 0)
            return &g->shared[i];
    g->shared = lab_realloc(g->shared, (g->shared_count + 1) * sizeof *g->shared);
    g->shared[g->shared_count] = (struct shared){key, item, 0};
    return &g->shared[g->shared_count++];
}

/* An item's seconds are spread over its keys; a key costs once what it costs the item that tells the most of it. */
static struct grouping group(const struct parts_work *w) {
    struct grouping g = {.leader = lab_alloc((w->count + 1) * sizeof *g.leader)};
    for (size_t i = 0; i < w->count; i++) {
        g.leader[i] = i;
        for (size_t k = 0; k < w->keys[i].count; k++) {
            struct shared *s = shared_with(&g, w->keys[i].items[k], i);
            const double seconds = w->seconds[i] / (double)w->keys[i].count;
            s->seconds = seconds > s->seconds ? seconds : s->seconds;
            join(&g, i, s->group);
        }
    }
    return g;
}

static int by_seconds(const void *a, const void *b) {
    const struct part *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void add_item(struct part *p, size_t item) {
    p->items = lab_realloc(p->items, (p->count + 1) * sizeof *p->items);
    p->items[p->count++] = item;
}

/* A part for each group, the longest first; as many as there are items, some of them empty at the end. */
static struct part *groups_of(const struct parts_work *w) {
    struct grouping g = group(w);
    struct part *groups = lab_alloc((w->count + 1) * sizeof *groups);
    for (size_t i = 0; i < w->count; i++)
        add_item(&groups[first_of(&g, i)], i);
    for (size_t i = 0; i < g.shared_count; i++)
        groups[first_of(&g, g.shared[i].group)].seconds += g.shared[i].seconds;
    qsort(groups, w->count, sizeof *groups, by_seconds);
    free(g.leader);
    free(g.shared);
    return groups;
}

static struct part *shortest_of(struct part *parts, int count) {
    struct part *shortest = parts;
    for (int j = 1; j < count; j++)
        if (parts[j].seconds < shortest->seconds)
            shortest = &parts[j];
    return shortest;
}

static void merge(struct part *into, const struct part *group) {
    for (size_t i = 0; i < group->count; i++)
        add_item(into, group->items[i]);
    into->seconds += group->seconds;
    free(group->items);
}

static int by_place(const void *a, const void *b) {
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Long groups are parts of their own, the short ones are dealt out to as many parts as there are jobs: each part costs
 * some time of its own. The longest is first; *count of them have items. */
static struct part *divide(const struct parts_work *w, size_t *count) {
    struct part *groups = groups_of(w), *parts = lab_alloc((w->count + (size_t)w->jobs) * sizeof *parts);
    double total = 0;
    size_t own = 0;
    for (size_t i = 0; i < w->count; i++)
        total += groups[i].seconds;
    for (; own < w->count && groups[own].seconds > total / w->jobs / OWN_PART_SHARE; own++)
        parts[own] = groups[own];
    for (size_t i = own; i < w->count; i++)
        merge(shortest_of(parts + own, w->jobs), &groups[i]);
    qsort(parts, own + (size_t)w->jobs, sizeof *parts, by_seconds);
    for (*count = 0; *count < own + (size_t)w->jobs && parts[*count].count != 0; ++*count)
        qsort(parts[*count].items, parts[*count].count, sizeof *parts->items, by_place);
    free(groups);
    return parts;
}

/* ---- processes */

_Noreturn static void run_part(const struct parts_work *w, const struct part *p, int number, int end) {
    struct part_answer *answers = lab_alloc((p->count + 1) * sizeof *answers);
    for (size_t i = 0; i < p->count; i++)
        answers[i] = w->answers[p->items[i]];
    int code = w->run(w->context, p->items, p->count, number, answers);
    FILE *out = fdopen(end, "w");
    for (size_t i = 0; out != NULL && i < p->count; i++)
        fprintf(out, "%d %d\n", answers[i].verdict, answers[i].mutation);
    if (out == NULL || fclose(out) != 0)
        code = LAB_DISK;
    fflush(stdout);
    _exit(code);
}

static bool start(const struct parts_work *w, struct part *p, int number) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    p->pid = fork();
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* interrupted with the parent, it measures no further */
        close(ends[0]);
        run_part(w, p, number, ends[1]);
    }
    close(ends[1]);
    p->answers = fdopen(ends[0], "r");
    return p->pid > 0 && p->answers != NULL;
}

static void take_answers(const struct parts_work *w, struct part *p) {
    struct part_answer a;
    for (size_t i = 0; i < p->count && fscanf(p->answers, "%d %d", &a.verdict, &a.mutation) == 2; i++)
        w->answers[p->items[i]] = a;
    fclose(p->answers);
}

/* Waits for any of the parts that were started: its exit code. */
static int finish_one(const struct parts_work *w, struct part *parts, size_t started) {
    int status;
    pid_t pid = waitpid(-1, &status, 0);
    size_t i = 0;
    while (i < started && parts[i].pid != pid)
        i++;
    if (pid < 0 || i == started)
        return lab_error(LAB_CELL_FAILED, "a process that measures claims is lost");
    take_answers(w, &parts[i]);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    return lab_error(LAB_CELL_FAILED, "the process of part %zu of the claims has died by signal %d", i + 1,
                     WTERMSIG(status));
}

/* Whether others are worth measuring after that exit code. */
static bool goes_on(int code) {
    return code == LAB_OK || code == LAB_CELL_FAILED || code == LAB_VERDICT;
}

int parts_run(const struct parts_work *w) {
    size_t count, started = 0, finished = 0;
    struct part *parts = divide(w, &count);
    int worst = LAB_OK;
    bool more = count > 0;
    while (more || finished < started) {
        int code = LAB_OK;
        if (!more || started - finished == (size_t)w->jobs) {
            code = finish_one(w, parts, started);
            finished++;
        } else if (start(w, &parts[started], (int)started + 1)) {
            started++;
        } else {
            code = lab_error(LAB_CELL_FAILED, "no process can be started for part %zu of the claims", started + 1);
            more = false;
        }
        worst = code > worst ? code : worst;
        more = more && started < count && goes_on(worst);
    }
    for (size_t i = 0; i < count; i++)
        free(parts[i].items);
    free(parts);
    return worst;
}
