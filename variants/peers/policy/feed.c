/* SPDX-License-Identifier: MIT */
#include "feed.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

struct object {
    uint64_t size_bytes;
    uint32_t serial; /* place in the order of allocations, from 0; of an unused one the next unused */
    struct policy_block blocks[POLICY_KINDS];
};

/* What happened to the object of a serial; a resized one goes on as the next serial. */
enum { EVENT_ALLOCATE, EVENT_FREE, EVENT_RESIZE };
struct event {
    uint32_t serial, what;
};

static struct object *object_at(const struct feed *f, uint32_t i) {
    return TABLE_AT(&f->objects, struct object, i);
}

void feed_begin(struct feed *f, const struct policy_options *options, bool remember) {
    *f = (struct feed){.remembers = remember, .resize_moves = options->resize_moves};
    f->objects.item_bytes = sizeof(struct object);
    f->sizes.item_bytes = sizeof(uint64_t);
    f->events.item_bytes = sizeof(struct event);
    table_add(&f->objects); /* 0 */
    for (int kind = 0; kind < POLICY_KINDS; kind++)
        f->policies[kind] = policy_new((enum policy_kind)kind, options);
}

void feed_end(struct feed *f) {
    for (int kind = 0; kind < POLICY_KINDS && f->policies[kind] != NULL; kind++)
        policy_delete(f->policies[kind]);
    table_release(&f->objects);
    table_release(&f->sizes);
    table_release(&f->events);
    *f = (struct feed){.live_bytes = 0};
}

static void remember(struct feed *f, uint32_t serial, uint32_t what) {
    if (f->remembers)
        *(struct event *)table_add(&f->events) = (struct event){serial, what};
}

/* The object is the next allocation. */
static void serial_next(struct feed *f, struct object *o, uint64_t size_bytes) {
    o->size_bytes = size_bytes == 0 ? 1 : size_bytes;
    o->serial = (uint32_t)f->figures.allocations++;
    if (f->remembers)
        *(uint64_t *)table_add(&f->sizes) = o->size_bytes;
    f->live_bytes += o->size_bytes;
}

static void live_note(struct feed *f) {
    if (f->live_bytes <= f->figures.live_bytes)
        return;
    f->figures.live_bytes = f->live_bytes;
    f->figures.live_blocks = f->live_blocks;
}

uint32_t feed_allocate(struct feed *f, uint64_t size_bytes) {
    uint32_t i = f->unused;
    if (i != 0)
        f->unused = object_at(f, i)->serial;
    else {
        table_add(&f->objects);
        i = (uint32_t)f->objects.count - 1;
    }
    struct object *o = object_at(f, i);
    serial_next(f, o, size_bytes);
    for (int kind = 0; kind < POLICY_KINDS; kind++)
        o->blocks[kind] = policy_allocate(f->policies[kind], o->size_bytes);
    remember(f, o->serial, EVENT_ALLOCATE);
    f->live_blocks++;
    live_note(f);
    return i;
}

void feed_free(struct feed *f, uint32_t object) {
    struct object *o = object_at(f, object);
    for (int kind = 0; kind < POLICY_KINDS; kind++)
        policy_free(f->policies[kind], &o->blocks[kind]);
    remember(f, o->serial, EVENT_FREE);
    f->live_blocks--;
    f->live_bytes -= o->size_bytes;
    o->serial = f->unused;
    f->unused = object;
}

void feed_resize(struct feed *f, uint32_t object, uint64_t size_bytes) {
    struct object *o = object_at(f, object);
    const uint64_t old_bytes = o->size_bytes;
    remember(f, o->serial, EVENT_RESIZE);
    serial_next(f, o, size_bytes);
    if (f->resize_moves) { /* while it is copied, both live */
        f->live_blocks++;
        live_note(f);
        f->live_blocks--;
    }
    f->live_bytes -= old_bytes;
    for (int kind = 0; kind < POLICY_KINDS; kind++)
        policy_resize(f->policies[kind], &o->blocks[kind], o->size_bytes);
    live_note(f);
}

struct feed_figures feed_figures(const struct feed *f) {
    struct feed_figures out = f->figures;
    out.end_blocks = f->live_blocks;
    for (int kind = 0; kind < POLICY_KINDS; kind++) {
        out.need_bytes[kind] = policy_peak_bytes(f->policies[kind]);
        out.end_holes[kind] = policy_holes(f->policies[kind]);
    }
    return out;
}

double feed_over_live(const struct feed_figures *f, enum policy_kind kind) {
    return f->live_bytes == 0 ? NAN : (double)f->need_bytes[kind] / (double)f->live_bytes;
}

/* ---- without order */

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void shuffle(uint64_t *items, size_t count, uint64_t *state) {
    for (size_t i = count; i > 1; i--) {
        const size_t k = (size_t)(splitmix(state) % i);
        const uint64_t swapped = items[i - 1];
        items[i - 1] = items[k];
        items[k] = swapped;
    }
}

/* Allocations from an object's own until its death, itself counted; what lives on lives past the end. A block that moves
 * outlives the allocation of its copy. */
static void lifetimes_of(const struct feed *f, uint64_t *lifetimes) {
    const size_t count = f->sizes.count;
    uint64_t now = 0;
    for (size_t i = 0; i < count; i++)
        lifetimes[i] = count + 1;
    for (size_t i = 0; i < f->events.count; i++) {
        const struct event e = *TABLE_AT(&f->events, struct event, i);
        if (e.what != EVENT_ALLOCATE)
            lifetimes[e.serial] = now - e.serial + (e.what == EVENT_RESIZE && f->resize_moves);
        if (e.what != EVENT_FREE)
            now++;
    }
}

struct feed_figures feed_shuffled(const struct feed *f, const struct policy_options *options, uint64_t seed) {
    const size_t count = f->sizes.count;
    struct table sizes = {.item_bytes = sizeof(uint64_t)}, lifetimes = sizes;
    struct table dying = {.item_bytes = sizeof(uint32_t)}, next = dying; /* objects by the moment that they die at */
    uint64_t *of_size = table_add_many(&sizes, count + 1), *of_life = table_add_many(&lifetimes, count + 1);
    uint32_t *first = table_add_many(&dying, count + 2), *then = table_add_many(&next, count + 2);
    struct feed other;
    memcpy(of_size, f->sizes.items, count * sizeof *of_size);
    lifetimes_of(f, of_life);
    shuffle(of_size, count, &seed);
    shuffle(of_life, count, &seed);
    feed_begin(&other, options, false);
    for (size_t now = 0; now < count; now++) {
        for (uint32_t dead = first[now]; dead != 0;) {
            const uint32_t after = then[dead];
            feed_free(&other, dead);
            dead = after;
        }
        const uint32_t object = feed_allocate(&other, of_size[now]);
        if (now + of_life[now] >= count)
            continue;
        then[object] = first[now + of_life[now]];
        first[now + of_life[now]] = object;
    }
    const struct feed_figures out = feed_figures(&other);
    feed_end(&other);
    table_release(&sizes);
    table_release(&lifetimes);
    table_release(&dying);
    table_release(&next);
    return out;
}

/* Which of two policies needs more; 0: they tie. */
static int order_of(const struct feed_figures *f, int i, int k) {
    const double more = feed_over_live(f, (enum policy_kind)i) - feed_over_live(f, (enum policy_kind)k);
    return (more > FEED_TIE) - (more < -FEED_TIE);
}

double feed_tau(const struct feed_figures *a, const struct feed_figures *b) {
    int sum = 0, ordered_in_a = 0, ordered_in_b = 0;
    for (int i = 0; i < POLICY_KINDS; i++)
        for (int k = 0; k < i; k++) {
            const int in_a = order_of(a, i, k), in_b = order_of(b, i, k);
            sum += in_a * in_b;
            ordered_in_a += in_a != 0;
            ordered_in_b += in_b != 0;
        }
    return ordered_in_a == 0 || ordered_in_b == 0 ? NAN : sum / sqrt((double)ordered_in_a * ordered_in_b);
}

/* ---- on disk */

static bool write_all(int fd, const unsigned char *bytes, size_t count) {
    while (count > 0) {
        const ssize_t n = write(fd, bytes, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        count -= (size_t)n;
    }
    return true;
}

/* Seven bits a byte, the lowest first. */
static size_t put_number(unsigned char *out, uint64_t n) {
    size_t at = 0;
    for (; n >= 0x80; n >>= 7)
        out[at++] = (unsigned char)(n | 0x80);
    out[at++] = (unsigned char)n;
    return at;
}

bool feed_write(const struct feed *f, int fd) {
    enum { ROOM = 4096, LONGEST = 10 };
    unsigned char buffer[ROOM] = "spanlab-stream 1\n";
    size_t at = strlen((const char *)buffer);
    uint64_t now = 0;
    for (size_t i = 0; i < f->events.count; i++) {
        const struct event e = *TABLE_AT(&f->events, struct event, i);
        if (e.what != EVENT_ALLOCATE)
            at += put_number(buffer + at, (now - e.serial) << 2 | e.what);
        if (e.what == EVENT_ALLOCATE)
            at += put_number(buffer + at, *TABLE_AT(&f->sizes, uint64_t, now++) << 2);
        else if (e.what == EVENT_RESIZE)
            at += put_number(buffer + at, *TABLE_AT(&f->sizes, uint64_t, now++));
        if (at + 2 * LONGEST > ROOM) {
            if (!write_all(fd, buffer, at))
                return false;
            at = 0;
        }
    }
    return write_all(fd, buffer, at);
}
