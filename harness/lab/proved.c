/* SPDX-License-Identifier: MIT */
#include "proved.h"
#include "error.h"
#include "prove/record.h"
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINES = 10, START_LIMIT_MS = 10000, START_STEP_MS = 10 };

int proved_open(struct proved *p) {
    struct stat file;
    p->fd = memfd_create("spanlab-exec", MFD_CLOEXEC);
    if (p->fd < 0 || fstat(p->fd, &file) != 0)
        return -1;
    p->variable = lab_printf(RECORD_FILE "=/proc/%ld/fd/%d:%llu:%llu", (long)getpid(), p->fd,
                             (unsigned long long)file.st_dev, (unsigned long long)file.st_ino);
    return 0;
}

void proved_close(struct proved *p) {
    close(p->fd);
    free(p->variable);
}

void proved_announce(const struct proved *p, const char *path) {
    dprintf(p->fd, "E %ld %s\t\n", (long)getpid(), path);
}

/* ---- the record, read */

struct event {
    char kind;
    long pid;
    size_t place;
    const char *path, *reason;
};

struct events {
    char *text;
    struct event *items;
    size_t count;
};

struct failure {
    long pid;
    const char *path, *reason;
};

struct failures {
    struct failure *items;
    size_t count;
};

static char *whole(int fd) {
    struct stat file;
    size_t size_bytes = fstat(fd, &file) == 0 ? (size_t)file.st_size : 0;
    char *text = lab_alloc(size_bytes + 1);
    ssize_t n = pread(fd, text, size_bytes, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static int by_process(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    if (x->pid != y->pid)
        return x->pid < y->pid ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

static struct events read_events(int fd) {
    struct events e = {.text = whole(fd)};
    char *rest = NULL;
    size_t room = 0;
    for (char *line = strtok_r(e.text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char *end;
        if (line[0] == '\0' || line[1] != ' ')
            continue;
        if (e.count == room)
            e.items = lab_realloc(e.items, (room = 2 * room + 16) * sizeof *e.items);
        struct event *at = &e.items[e.count];
        *at = (struct event){.kind = line[0], .place = e.count++, .path = "", .reason = ""};
        at->pid = strtol(line + 2, &end, 10);
        char *tab = strchr(end, '\t');
        if (*end != ' ' || tab == NULL)
            continue;
        *tab = '\0';
        at->path = end + 1;
        at->reason = tab + 1;
    }
    if (e.count > 1)
        qsort(e.items, e.count, sizeof *e.items, by_process);
    return e;
}

static void events_free(struct events *e) {
    free(e->items);
    free(e->text);
}

static void add_failure(struct failures *out, const struct event *e) {
    out->items = lab_realloc(out->items, (out->count + 1) * sizeof *out->items);
    out->items[out->count++] = (struct failure){e->pid, e->path, e->reason};
}

/* The events of one process number, in order. An image that was announced before it began is proved by the next proof; one
 * that posix_spawn made may have proved itself before its parent could write that it made it. */
static void judge_process(const struct event *e, size_t count, struct failures *out) {
    const struct event *announced = NULL, *spawned = NULL;
    bool proof_to_spare = false;
    for (size_t i = 0; i < count; i++) {
        if (e[i].kind == 'U' || e[i].kind == 'X')
            add_failure(out, &e[i]);
        if (e[i].kind == 'E') {
            if (announced != NULL)
                add_failure(out, announced);
            announced = &e[i];
        } else if (e[i].kind == 'S') {
            if (!proof_to_spare)
                spawned = &e[i];
            proof_to_spare = false;
        } else if (e[i].kind == 'F') {
            announced = NULL;
        } else if (e[i].kind == 'P' || e[i].kind == 'X') {
            proof_to_spare = announced == NULL && spawned == NULL;
            if (announced != NULL)
                announced = NULL;
            else
                spawned = NULL;
        }
    }
    if (announced != NULL)
        add_failure(out, announced);
    if (spawned != NULL)
        add_failure(out, spawned);
}

static struct failures judge_events(const struct events *e) {
    struct failures out = {0};
    for (size_t from = 0, to; from < e->count; from = to) {
        for (to = from; to < e->count && e->items[to].pid == e->items[from].pid; to++)
            ;
        judge_process(&e->items[from], to - from, &out);
    }
    return out;
}

/* ---- those that have only just been started */

static bool is_running(long pid) {
    char *path = lab_printf("/proc/%ld/stat", pid), *stat = text_read_file(path);
    const char *state = stat == NULL ? NULL : strrchr(stat, ')');
    bool running = state != NULL && strlen(state) > 2 && strchr("ZX", state[2]) == NULL;
    free(stat);
    free(path);
    return running;
}

static bool may_still_prove(const struct failures *f) {
    for (size_t i = 0; i < f->count; i++)
        if (f->items[i].reason[0] == '\0' && is_running(f->items[i].pid))
            return true;
    return false;
}

size_t proved_tell(const struct proved *p, const char *subject) {
    struct events events;
    struct failures failures;
    for (int waited_ms = 0;; waited_ms += START_STEP_MS) {
        events = read_events(p->fd);
        failures = judge_events(&events);
        if (waited_ms >= START_LIMIT_MS || !may_still_prove(&failures))
            break;
        events_free(&events);
        free(failures.items);
        nanosleep(&(struct timespec){.tv_nsec = START_STEP_MS * 1000000}, NULL);
    }
    for (size_t i = 0; i < failures.count && i < MAX_LINES; i++) {
        const struct failure *f = &failures.items[i];
        lab_error(0, "exec: %s (process %ld) is not proved to run on %s: %s", f->path, f->pid, subject,
                  f->reason[0] != '\0' ? f->reason : "it ended or went on before it loaded what proves it");
    }
    if (failures.count > MAX_LINES)
        lab_error(0, "exec: and %zu more", failures.count - MAX_LINES);
    size_t count = failures.count;
    events_free(&events);
    free(failures.items);
    return count;
}
