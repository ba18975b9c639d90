/* SPDX-License-Identifier: MIT */
#include "heapmap.h"

#include "flavour.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- moments */

bool heapmap_open(struct heapmap *h, const char *path, const char *at, char *error, size_t error_size) {
    *h = (struct heapmap){.path = path};
    for (const char *s = at; h->count == 0 || *s != '\0'; s += *s == ',') {
        char *end;
        double share = strtod(s, &end);
        double before = h->count > 0 ? h->moments[h->count - 1].share : 0;
        if (end == s || (*end == ',' ? end[1] == '\0' : *end != '\0') || !(share >= before && share <= 1)) {
            snprintf(error, error_size,
                     "heap maps at '%s': give ascending shares of the operations from 0 to 1, as 0.25,0.5,1", at);
            return false;
        }
        if (h->count == HEAPMAP_MAX_MOMENTS) {
            snprintf(error, error_size, "more than %d heap maps of one run", HEAPMAP_MAX_MOMENTS);
            return false;
        }
        h->moments[h->count++].share = share;
        s = end;
    }
    h->moments[h->count++].share = -1;
    return true;
}

struct rehearsal {
    uint64_t ops, points;
};

static void rehearsal_end(struct bench *b, enum bench_status status, const char *message) {
    (void)b, (void)status;
    dprintf(STDERR_FILENO, "spanlab: %s\n", message);
    _exit(1);
}

static _Noreturn void rehearse_here(struct bench *b, int out_fd) {
    static struct memory_meter meter;
    char error[256];
    b->end = rehearsal_end;
    if (!memory_open(&meter, b, NULL, NULL, error, sizeof error))
        rehearsal_end(b, BENCH_FAILED, error);
    flavour_attach();
    bench_iterate(b);
    struct rehearsal told = {b->now.ops, meter.points};
    _exit(write(out_fd, &told, sizeof told) == sizeof told ? 0 : 1);
}

bool heapmap_rehearse(struct heapmap *h, struct bench *b, char *error, size_t error_size) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(error, error_size, "no pipe to the rehearsal: %s", strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0)
        rehearse_here(b, ends[1]);
    close(ends[1]);
    struct rehearsal told = {0, 0};
    bool heard = pid > 0 && read(ends[0], &told, sizeof told) == sizeof told;
    close(ends[0]);
    int status = 0;
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (!heard || status != 0) {
        snprintf(error, error_size, "the rehearsal that counts the operations of %s did not come to its end",
                 b->workload->name);
        return false;
    }
    h->all_ops = told.ops;
    h->all_points = told.points;
    return true;
}

/* ---- taking maps */

static void keep_run(void *context, const struct peer_run *run) {
    struct heapmap *h = context;
    if (h->run_count == h->run_capacity) {
        size_t capacity = h->run_capacity == 0 ? 1 << 14 : h->run_capacity * 2;
        void *runs =
            h->runs == NULL
                ? mmap(NULL, capacity * sizeof *h->runs, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                : mremap(h->runs, h->run_capacity * sizeof *h->runs, capacity * sizeof *h->runs, MREMAP_MAYMOVE);
        if (runs == MAP_FAILED) {
            h->full = true;
            return;
        }
        h->runs = runs;
        h->run_capacity = capacity;
    }
    h->runs[h->run_count++] = *run;
}

static void take(struct heapmap *h, struct memory_meter *m, uint64_t ops, uint64_t live_bytes,
                 const struct memory_counters *counters) {
    struct heapmap_moment *at = &h->moments[h->taken++];
    at->ops = ops;
    at->live_bytes = live_bytes;
    at->metadata_bytes = counters->known ? counters->at.metadata_bytes : PEER_NA;
    at->first_run = h->run_count;
    if (h->walk(keep_run, h) != 0 || h->full)
        bench_fail(m->bench, "no memory for a map of the heap");
    at->run_count = h->run_count - at->first_run;
    memory_exclude(m, at->run_count * sizeof *h->runs);
}

/* All of the operations means the last point, which can come before the last operation, or well after it: a workload
 * may go on freeing. Until then the first point that reaches the share is due. */
static bool is_due(const struct heapmap *h, const struct memory_meter *m) {
    double share = h->moments[h->taken].share;
    return m->points == h->all_points || (share < 1 && (double)m->end_ops >= share * (double)h->all_ops);
}

void heapmap_point(struct heapmap *h, struct memory_meter *m) {
    while (h->taken < h->count - 1 && is_due(h, m))
        take(h, m, m->end_ops, m->end_live_bytes, &m->end_counters);
}

void heapmap_run_end(struct heapmap *h, struct memory_meter *m) {
    while (h->taken < h->count - 1)
        take(h, m, m->bench->now.ops, m->end_live_bytes, &m->end_counters);
}

void heapmap_drained(struct heapmap *h, struct memory_meter *m) {
    if (h->taken < h->count)
        take(h, m, m->bench->now.ops, 0, &m->drained_counters);
}

/* ---- the document */

struct writer {
    int fd;
    bool failed;
    size_t used;
    char text[1 << 16];
};

static void writer_flush(struct writer *w) {
    for (size_t at = 0; at < w->used && !w->failed;) {
        ssize_t n = write(w->fd, w->text + at, w->used - at);
        if (n > 0)
            at += (size_t)n;
        else if (n == 0 || errno != EINTR)
            w->failed = true;
    }
    w->used = 0;
}

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...) {
    enum { LONGEST = 4096 };
    if (sizeof w->text - w->used < LONGEST)
        writer_flush(w);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->text + w->used, LONGEST, format, args);
    va_end(args);
    w->used += n < LONGEST ? (size_t)n : LONGEST - 1;
}

static void put_run(struct writer *w, const struct peer_run *r, bool first) {
    static const char *const kinds[] = {"span", "large", "free", "released", "cached"};
    put(w, "%s\n[\"%s\",%" PRIuPTR ",%zu,%u,%d,%d,%zu,%zu,%zu,%zu]", first ? "" : ",", kinds[r->kind], r->base,
        r->pages, r->span_class, r->noscan, r->released, r->slot_bytes, r->slots, r->used_slots, r->used_bytes);
}

static void put_moment(struct writer *w, const struct heapmap *h, const struct heapmap_moment *at) {
    char share[32] = "null", metadata[32] = "null";
    if (at->share >= 0)
        snprintf(share, sizeof share, "%.9g", at->share);
    if (at->metadata_bytes != PEER_NA)
        snprintf(metadata, sizeof metadata, "%" PRIu64, at->metadata_bytes);
    put(w, "%s\n{\"share\":%s,\"ops\":%" PRIu64 ",\"live_bytes\":%" PRIu64 ",\"metadata_bytes\":%s,\"runs\":[",
        at == h->moments ? "" : ",", share, at->ops, at->live_bytes, metadata);
    for (size_t i = 0; i < at->run_count; i++)
        put_run(w, &h->runs[at->first_run + i], i == 0);
    put(w, "]}");
}

bool heapmap_write(const struct heapmap *h, const struct bench *b, const char *subject, const char *version) {
    static struct writer w;
    w.fd = open(h->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size_t page_bytes = h->run_count > 0 ? h->runs[0].size_bytes / h->runs[0].pages : 0;
    if (w.fd >= 0) {
        put(&w,
            "{\"schema\":1,\"subject\":\"%s\",\"version\":\"%s\",\"workload\":\"%s\",\"seed\":%" PRIu64 ",\"params\":{",
            subject, version, b->workload->name, b->seed);
        for (int i = 0; b->workload->params != NULL && b->workload->params[i].name != NULL; i++)
            put(&w, "%s\"%s\":%" PRIu64, i == 0 ? "" : ",", b->workload->params[i].name, b->params[i]);
        put(&w,
            "},\"ops\":%" PRIu64
            ",\"page_bytes\":%zu,\n\"columns\":[\"kind\",\"base\",\"pages\",\"span_class\",\"noscan\","
            "\"released\",\"slot_bytes\",\"slots\",\"used_slots\",\"used_bytes\"],\n\"moments\":[",
            b->now.ops, page_bytes);
        for (unsigned i = 0; i < h->taken; i++)
            put_moment(&w, h, &h->moments[i]);
        put(&w, "]}\n");
        writer_flush(&w);
    }
    if (w.fd < 0 || w.failed || close(w.fd) != 0) {
        fprintf(stderr, "spanlab: cannot write the heap map to %s: %s\n", h->path, strerror(errno));
        return false;
    }
    return true;
}
