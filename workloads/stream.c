/* SPDX-License-Identifier: MIT
 *
 * stream.c: what a real program asked of malloc, recorded and played again: a workload for each file of streams/, whose
 * README says what they are. The build hands over the list of files (SPANLAB_STREAMS), and their bytes are in the program.
 */
#include "workload.h"

/* Recorded calls include realloc, which the heap interface has not. */
#if !HEAP_TRACED

#include <string.h>

enum { POINT_MASK = 255, TOUCH_BYTES = 4096 };

static const struct workload_param params[] = {
    {"calls", 0, 4000, "allocations that are played, all at 0"},
    {NULL, 0, 0, NULL},
};

struct stream {
    const unsigned char *at, *end;
};

/* An allocation, or a reallocation, which goes on under the next number. */
struct object {
    uint64_t *p;
    uint64_t size_bytes;
};

struct playing {
    struct stream stream;
    uint64_t calls;
    struct object *objects; /* by the number of their allocation */
    uint64_t count;
};

/* Seven bits a byte, the lowest first; the file's end ends a number as well. */
static uint64_t number_read(struct stream *s) {
    uint64_t n = 0;
    for (unsigned shift = 0; s->at < s->end && shift < 64; shift += 7) {
        const unsigned char byte = *s->at++;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    return n;
}

static uint64_t allocations_of(struct stream s) {
    uint64_t count = 0;
    while (s.at < s.end) {
        const uint64_t n = number_read(&s);
        count += (n & 3) != 1;
        if ((n & 3) == 2)
            number_read(&s);
    }
    return count;
}

static void *stream_setup(struct bench *b, const unsigned char *begin, const unsigned char *end) {
    static const char header[] = "spanlab-stream 1\n";
    struct playing *p = bench_scratch(b, sizeof *p);
    if ((size_t)(end - begin) < sizeof header || memcmp(begin, header, sizeof header - 1) != 0)
        bench_fail(b, "the recorded stream does not begin with 'spanlab-stream 1'");
    p->stream = (struct stream){begin + sizeof header - 1, end};
    p->calls = bench_param(b, "calls");
    p->objects = bench_scratch(b, (allocations_of(p->stream) + 1) * sizeof *p->objects);
    return p;
}

/* Written on every page, as the program will have; what is short of 8 bytes holds nothing that can be read back. */
static void stamp(const struct object *o, uint64_t number) {
    if (o->size_bytes < sizeof number) {
        memset(o->p, (int)number, o->size_bytes);
        return;
    }
    for (uint64_t at = 0; at + sizeof number <= o->size_bytes; at += TOUCH_BYTES)
        o->p[at / sizeof number] = number;
    memcpy((char *)o->p + o->size_bytes - sizeof number, &number, sizeof number);
}

static uint64_t read_back(const struct object *o) {
    return o->size_bytes < sizeof(uint64_t) ? 0 : o->p[0];
}

static void allocated(struct bench_thread *t, struct playing *p, void *block, uint64_t size_bytes) {
    struct object *o = &p->objects[p->count];
    *o = (struct object){bench_need(t, block, size_bytes), size_bytes};
    stamp(o, p->count++);
    t->live_bytes += size_bytes;
    if ((++t->ops & POINT_MASK) == 0)
        bench_point(t);
}

static void forget(struct bench_thread *t, struct object *o) {
    t->checksum = bench_mix(t->checksum, read_back(o));
    t->live_bytes -= o->size_bytes;
}

static void play_call(struct bench_thread *t, struct playing *p) {
    const uint64_t n = number_read(&p->stream), what = n & 3;
    if (what == 0) {
        allocated(t, p, malloc(n >> 2), n >> 2);
        return;
    }
    if (n >> 2 == 0 || n >> 2 > p->count)
        bench_fail(t->bench, "the recorded stream frees what it has not allocated");
    struct object *o = &p->objects[p->count - (n >> 2)];
    forget(t, o);
    void *block = o->p;
    o->p = NULL;
    if (what == 1) {
        free(block);
        return;
    }
    const uint64_t size_bytes = number_read(&p->stream);
    allocated(t, p, realloc(block, size_bytes), size_bytes);
}

static void stream_body(struct bench_thread *t, void *arg) {
    struct playing *p = arg;
    while (p->stream.at < p->stream.end && (p->calls == 0 || t->ops < p->calls))
        play_call(t, p);
    bench_point(t);
}

static void stream_run(struct bench *b, void *state) {
    bench_parallel(b, 1, stream_body, state);
}

/* What the program left to its end. */
static void stream_teardown(struct bench *b, void *state) {
    struct playing *p = state;
    (void)b;
    for (uint64_t i = 0; i < p->count; i++)
        free(p->objects[i].p);
}

#define STREAM(id, path)                                                                                               \
    extern const unsigned char stream_##id##_begin[], stream_##id##_end[];                                             \
    __asm__(".section .rodata\n"                                                                                       \
            ".balign 16\n"                                                                                             \
            "stream_" #id "_begin: .incbin \"" path "\"\n"                                                             \
            "stream_" #id "_end: .byte 0\n"                                                                            \
            ".previous\n");                                                                                            \
    static void *setup_##id(struct bench *b) {                                                                         \
        return stream_setup(b, stream_##id##_begin, stream_##id##_end);                                                \
    }                                                                                                                  \
    WORKLOAD(stream_##id) = {                                                                                          \
        .name = "stream-" #id,                                                                                         \
        .summary = "the calls of malloc, realloc and free of a real program (" #id "), recorded and played again",     \
        .op = "block allocated or resized",                                                                                                 \
        .models = "One run of that program as far as its heap goes: sizes, lifetimes and their order are its own. A "  \
                  "block is written on every page and at its ends, no more.",                                          \
        .source = "Recorded by workloads/streams/record.sh, which has the program and its input. Nothing random.",                     \
        .bad_for = "An allocator whose runs or spans wait for the last of their blocks: real programs keep some.",     \
        .params = params,                                                                                              \
        .flavours = WORKLOAD_MANUAL,                                                                                   \
        .setup = setup_##id,                                                                                           \
        .run = stream_run,                                                                                             \
        .teardown = stream_teardown,                                                                                   \
    };

#include SPANLAB_STREAMS

#endif
