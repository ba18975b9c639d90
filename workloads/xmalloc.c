/* SPDX-License-Identifier: MIT
 *
 * xmalloc.c: xmalloc-test: some threads allocate batches of objects, others free them; every free is a remote one.
 */
#include <pthread.h>
#include <string.h>

#include "workload.h"

enum {
    BATCH_OBJECTS = 4096,
    BATCHES_QUEUED_MAX = 100, /* then producers wait */
    TOUCHED_BYTES_MAX = 128,  /* the original fills no more of an object */
    READ_BACK_STRIDE = 64,    /* the original reads nothing: one object in 64 keeps the reading out of the time */
};

static const uint16_t mixed_sizes[] = {8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048};
enum { MIXED = sizeof mixed_sizes / sizeof mixed_sizes[0] };

static const struct workload_param params[] = {
    {"threads", 2, 2, "half of them allocate, half free; 1: one thread does both in turn"},
    {"size", 64, 64, "bytes per object; 0: drawn from 17 sizes of 8 to 2048"},
    {"batches", 1000, 5, "batches of 4096 objects per allocating thread"},
    {NULL, 0, 0, NULL},
};

/* Lives in the subject's heap and travels with its objects, as in the original. */
struct batch {
    struct batch *next;
    uint64_t id;
    uint64_t object_bytes; /* requested for all objects */
    unsigned char *objects[BATCH_OBJECTS];
};

struct xmalloc {
    unsigned threads, producers;
    uint64_t size_bytes; /* 0: mixed */
    uint64_t batches;    /* per producer */
    uint64_t total;      /* over all producers */
    pthread_mutex_t lock;
    pthread_cond_t not_empty, not_full, all_freed;
    struct batch *top; /* a stack: the last batch in is the first out */
    unsigned queued;
    uint64_t taken, freed;
    uint64_t read_back; /* a sum: which thread frees which batch is chance and must not matter */
};

static void *xmalloc_setup(struct bench *b) {
    struct xmalloc *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->producers = s->threads - s->threads / 2;
    s->size_bytes = bench_param(b, "size");
    s->batches = bench_param(b, "batches");
    s->total = s->producers * s->batches;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->not_empty, NULL);
    pthread_cond_init(&s->not_full, NULL);
    pthread_cond_init(&s->all_freed, NULL);
    return s;
}

static inline size_t next_size(struct bench_thread *t, const struct xmalloc *s) {
    return s->size_bytes > 0 ? s->size_bytes : mixed_sizes[rng_below(&t->rng, MIXED)];
}

static struct batch *produce(struct bench_thread *t, const struct xmalloc *s, uint64_t id) {
    struct batch *batch = bench_need(t, heap_bytes(sizeof *batch, HEAP_RAW), sizeof *batch);
    batch->id = id;
    batch->object_bytes = 0;
    for (unsigned i = 0; i < BATCH_OBJECTS; i++) {
        const size_t size_bytes = next_size(t, s);
        unsigned char *p = bench_need(t, heap_bytes(size_bytes, HEAP_RAW), size_bytes);
        memset(p, (int)((i + id) & 255), size_bytes < TOUCHED_BYTES_MAX ? size_bytes : TOUCHED_BYTES_MAX);
        batch->objects[i] = p;
        batch->object_bytes += size_bytes;
    }
    t->ops += BATCH_OBJECTS;
    t->live_bytes += sizeof *batch + batch->object_bytes;
    t->checksum = bench_mix(bench_mix(t->checksum, id), batch->object_bytes);
    bench_point(t);
    return batch;
}

/* Returns what it read back. */
static uint64_t consume(struct bench_thread *t, struct batch *batch) {
    uint64_t read_back = bench_mix(batch->id, batch->object_bytes);
    for (unsigned i = 0; i < BATCH_OBJECTS; i += READ_BACK_STRIDE)
        read_back = bench_mix(read_back, batch->objects[i][0]);
    for (unsigned i = 0; i < BATCH_OBJECTS; i++)
        heap_drop(batch->objects[i]);
    t->live_bytes -= sizeof *batch + batch->object_bytes;
    heap_drop(batch);
    return read_back;
}

static void enqueue(struct xmalloc *s, struct batch *batch) {
    pthread_mutex_lock(&s->lock);
    while (s->queued >= BATCHES_QUEUED_MAX)
        pthread_cond_wait(&s->not_full, &s->lock);
    batch->next = s->top;
    s->top = batch;
    s->queued++;
    pthread_cond_signal(&s->not_empty);
    pthread_mutex_unlock(&s->lock);
}

/* NULL when all batches have been taken. */
static struct batch *dequeue(struct xmalloc *s) {
    pthread_mutex_lock(&s->lock);
    while (s->top == NULL && s->taken < s->total)
        pthread_cond_wait(&s->not_empty, &s->lock);
    struct batch *batch = s->top;
    if (batch != NULL) {
        s->top = batch->next;
        s->queued--;
        s->taken++;
        pthread_cond_signal(&s->not_full);
        if (s->taken == s->total)
            pthread_cond_broadcast(&s->not_empty);
    }
    pthread_mutex_unlock(&s->lock);
    return batch;
}

static void count_freed(struct xmalloc *s, uint64_t read_back) {
    pthread_mutex_lock(&s->lock);
    s->read_back += read_back;
    if (++s->freed == s->total)
        pthread_cond_signal(&s->all_freed);
    pthread_mutex_unlock(&s->lock);
}

static void produce_all(struct bench_thread *t, struct xmalloc *s) {
    for (uint64_t i = 0; i < s->batches; i++) {
        struct batch *batch = produce(t, s, t->index * s->batches + i);
        if (s->threads == 1)
            count_freed(s, consume(t, batch));
        else
            enqueue(s, batch);
    }
    if (t->index != 0)
        return;
    /* The first thread answers for what the others read back: their own shares depend on chance. */
    pthread_mutex_lock(&s->lock);
    while (s->freed < s->total)
        pthread_cond_wait(&s->all_freed, &s->lock);
    t->checksum = bench_mix(t->checksum, s->read_back);
    pthread_mutex_unlock(&s->lock);
}

static void xmalloc_body(struct bench_thread *t, void *arg) {
    struct xmalloc *s = arg;
    if (t->index < s->producers) {
        produce_all(t, s);
        return;
    }
    for (struct batch *batch; (batch = dequeue(s)) != NULL;)
        count_freed(s, consume(t, batch));
}

static void xmalloc_run(struct bench *b, void *state) {
    struct xmalloc *s = state;
    bench_parallel(b, s->threads, xmalloc_body, s);
}

static void xmalloc_teardown(struct bench *b, void *state) {
    struct xmalloc *s = state;
    (void)b;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->not_empty);
    pthread_cond_destroy(&s->not_full);
    pthread_cond_destroy(&s->all_freed);
}

WORKLOAD(xmalloc) = {
    .name = "xmalloc",
    .summary = "threads allocate batches of 4096 objects, other threads free them",
    .op = "object allocated by one thread and freed by another",
    .models =
        "A pipeline: messages are made by one thread and dropped by the next. All frees are remote, so the allocating "
        "threads live on what comes back from the others.",
    .source =
        "Lever and Boreham, USENIX 2000 (FREENIX), in the form of xmalloc-test in mimalloc-bench ce5784f (-w N -t 5 "
        "-s 64): batches of 4096 objects of 64 B, at most 100 queued on one stack, the first 128 B of an object "
        "written, the batch itself allocated and freed too. Changed: a fixed number of batches where the original "
        "runs for 5 s; one object in 64 is read back before its free; threads counts both kinds (-w N is "
        "threads=2N). How many batches wait, and so the memory held, depends on scheduling, as there. Raw memory; "
        "nothing random unless size=0.",
    .bad_for =
        "gperftools' tcmalloc and jemalloc: thread caches fill on one side and run dry on the other, and all traffic "
        "goes through locked central lists (rpmalloc's published results: 23.0 s and 2.57 s where snmalloc takes "
        "0.10 s).",
    .params = params,
    .flavours = WORKLOAD_MANUAL,
    .setup = xmalloc_setup,
    .run = xmalloc_run,
    .teardown = xmalloc_teardown,
};
