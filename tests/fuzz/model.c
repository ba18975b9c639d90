/* SPDX-License-Identifier: MIT */
#include "model.h"
#include "workers.h"

#include "goalloc.h"

#include <errno.h>

enum { FILL_ALL_BYTES = 1024, BURST = 128 };
/* Below these a request must be granted; the address space is not what the machine has. */
static const size_t must_grant_bytes = (size_t)1 << 30, must_grant_live_bytes = (size_t)8 << 30;
/* The heap never shrinks in address space, and purging and counting look at all of it: more would make every later
 * input slow. Beyond what any machine has, requests are refused at once. */
static const size_t may_ask_live_bytes = (size_t)256 << 20, may_ask_once_bytes = (size_t)1 << 30;
static const size_t absurd_bytes = (size_t)1 << 45;

struct object model_live[MODEL_OBJECTS];
unsigned model_count;
void *model_freed[MODEL_FREED];
unsigned model_freed_count;
static size_t live_bytes; /* usable ones */
static unsigned asked_much;

/* ---- the objects by address */

/* Index of the first object that begins above address. */
static unsigned index_above(const void *address) {
    unsigned from = 0, to = model_count;
    while (from < to) {
        unsigned middle = (from + to) / 2;
        if ((uintptr_t)model_live[middle].p <= (uintptr_t)address)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct object *model_object_of(const void *address) {
    unsigned above = index_above(address);
    if (above == 0)
        return NULL;
    struct object *o = &model_live[above - 1];
    return (uintptr_t)address - (uintptr_t)o->p < o->usable ? o : NULL;
}

/* ---- contents: small objects to the last byte, of large ones some */

FUZZ_UNWATCHED static size_t fill_step(size_t size) {
    return size <= FILL_ALL_BYTES ? 1 : size / 61;
}

FUZZ_UNWATCHED static unsigned char byte_at(const struct object *o, size_t offset) {
    return (unsigned char)(o->tag + offset * 7 + (offset >> 8));
}

FUZZ_UNWATCHED static void fill(const struct object *o) {
    for (size_t i = 0; i < o->usable; i += fill_step(o->usable))
        o->p[i] = byte_at(o, i);
    o->p[o->usable - 1] = byte_at(o, o->usable - 1);
}

/* The bytes below limit, at another address maybe. */
FUZZ_UNWATCHED static void check_contents(const struct object *o, const unsigned char *p, size_t limit,
                                          const char *when) {
    for (size_t i = 0; i < o->usable && i < limit; i += fill_step(o->usable))
        if (p[i] != byte_at(o, i))
            FUZZ_FAIL("%s: byte %zu of %zu has changed at %p", when, i, o->usable, (const void *)p);
    if (limit >= o->usable && p[o->usable - 1] != byte_at(o, o->usable - 1))
        FUZZ_FAIL("%s: the last byte of %zu has changed at %p", when, o->usable, (const void *)p);
}

FUZZ_UNWATCHED static void check_zero(const unsigned char *p, size_t size) {
    for (size_t i = 0; i < size; i += fill_step(size))
        if (p[i] != 0)
            FUZZ_FAIL("calloc did not clear byte %zu of %zu at %p", i, size, (const void *)p);
    if (size > 0 && p[size - 1] != 0)
        FUZZ_FAIL("calloc did not clear the last byte of %zu at %p", size, (const void *)p);
}

/* ---- objects in and out */

static size_t owed_alignment(size_t size) {
    return size >= 16 ? 16 : size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;
}

static void refused(size_t size, int error, const char *what) {
    if (error != ENOMEM)
        FUZZ_FAIL("%s of %zu bytes is refused with errno %d", what, size, error);
    if (size <= must_grant_bytes && live_bytes <= must_grant_live_bytes)
        FUZZ_FAIL("%s of %zu bytes is refused with %zu bytes live", what, size, live_bytes);
}

/* p is what a call has returned for a request. */
static void welcome(void *p, size_t size, size_t align, const char *what) {
    static uint8_t tag;
    if (p == NULL) {
        refused(size, errno, what);
        return;
    }
    struct object o = {p, size, goalloc_usable_size(p), align, tag += 37};
    if (size > PTRDIFF_MAX || o.usable < size || o.usable == 0)
        FUZZ_FAIL("%s of %zu bytes has %zu usable ones", what, size, o.usable);
    if ((uintptr_t)p % owed_alignment(size) != 0 || (align != 0 && (uintptr_t)p % align != 0))
        FUZZ_FAIL("%s of %zu bytes at %p is misaligned", what, size, p);
    unsigned at = index_above(p);
    if ((at > 0 && model_live[at - 1].p + model_live[at - 1].usable > o.p) ||
        (at < model_count && o.p + o.usable > model_live[at].p))
        FUZZ_FAIL("%s of %zu bytes at %p overlaps a live object", what, size, p);
    memmove(&model_live[at + 1], &model_live[at], (model_count - at) * sizeof o);
    model_live[at] = o;
    model_count++;
    live_bytes += o.usable;
    fill(&o);
}

static void leave(struct object *o) {
    live_bytes -= o->usable;
    model_freed[model_freed_count++ % MODEL_FREED] = o->p;
    model_count--;
    memmove(o, o + 1, (size_t)(&model_live[model_count] - o) * sizeof *o);
}

static void give_back(struct object *o, unsigned how) {
    struct object dead = *o;
    check_contents(&dead, dead.p, dead.usable, "free");
    leave(o);
    errno = 4711;
    if (how == 1 && dead.align == 0)
        goalloc_free_sized(dead.p, dead.size);
    else if (how == 1)
        goalloc_free_aligned_sized(dead.p, dead.align, dead.size);
    else
        goalloc_free(dead.p);
    if (errno != 4711)
        FUZZ_FAIL("free of %p changes errno", (void *)dead.p);
}

/* ---- the operations */

static bool may_ask(size_t size) {
    if (model_count == MODEL_OBJECTS)
        return false;
    if (size >= absurd_bytes || live_bytes + size <= may_ask_live_bytes)
        return true;
    return live_bytes + size <= may_ask_once_bytes && asked_much++ == 0;
}

static struct object *choose_object(struct input *in) {
    return model_count == 0 ? NULL : &model_live[input_bytes(in, 2) % model_count];
}

static void do_malloc(struct input *in) {
    size_t size = input_size(in);
    if (!may_ask(size))
        return;
    errno = 0;
    welcome(goalloc_malloc(size), size, 0, "malloc");
}

static void do_calloc(struct input *in) {
    size_t size = input_size(in), count = input_below(in, 4) == 0 ? input_size(in) : 1, total;
    bool overflows = __builtin_mul_overflow(size, count, &total);
    if (!may_ask(overflows ? SIZE_MAX : total))
        return;
    errno = 0;
    void *p = goalloc_calloc(count, size);
    if (p != NULL && overflows)
        FUZZ_FAIL("calloc of %zu times %zu bytes is granted", count, size);
    if (p != NULL)
        check_zero(p, total);
    welcome(p, overflows ? SIZE_MAX : total, 0, "calloc");
}

static void do_realloc(struct input *in) {
    struct object *o = choose_object(in);
    size_t size = input_size(in);
    bool array = input_below(in, 2) == 1;
    if (!may_ask(size))
        return;
    errno = 0;
    if (o == NULL) {
        welcome(array ? goalloc_reallocarray(NULL, 1, size) : goalloc_realloc(NULL, size), size, 0, "realloc of NULL");
        return;
    }
    struct object old = *o;
    check_contents(&old, old.p, old.usable, "realloc");
    unsigned char *p = array && size % 2 == 0 ? goalloc_reallocarray(old.p, size / 2, 2) : goalloc_realloc(old.p, size);
    if (p == NULL && size != 0) {
        refused(size, errno, "realloc");
        check_contents(&old, old.p, old.usable, "realloc that was refused");
        return;
    }
    leave(o);
    if (size == 0) {
        if (p != NULL)
            FUZZ_FAIL("realloc to 0 bytes returns %p", (void *)p);
        return;
    }
    check_contents(&old, p, size, "realloc");
    welcome(p, size, 0, "realloc");
}

static void do_reallocarray_overflow(struct input *in) {
    struct object *o = choose_object(in);
    size_t size = input_size(in), count, total;
    if (size < 2)
        return;
    count = SIZE_MAX / size + 1 + input_bytes(in, 1);
    errno = 0;
    if (__builtin_mul_overflow(size, count, &total) &&
        (goalloc_reallocarray(o != NULL ? o->p : NULL, count, size) != NULL || errno != ENOMEM))
        FUZZ_FAIL("reallocarray of %zu times %zu bytes is not refused with ENOMEM", count, size);
}

static void do_free(struct input *in) {
    struct object *o = choose_object(in);
    if (o != NULL)
        give_back(o, 0);
    else
        goalloc_free(NULL);
}

static void do_free_sized(struct input *in) {
    struct object *o = choose_object(in);
    if (o != NULL)
        give_back(o, 1);
}

/* Powers of two up to 2^63, and other numbers. */
static size_t choose_alignment(struct input *in) {
    unsigned n = input_below(in, 128);
    return n < 64 ? (size_t)1 << n % 14 : n < 80 ? (size_t)1 << n % 32 : n < 96 ? (size_t)1 << n % 64 : n - 96;
}

static bool is_power_of_two(size_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

/* Alignments far beyond a page take address space that is counted as if it were asked for. */
static bool may_ask_aligned(size_t align, size_t size) {
    return may_ask(align >= absurd_bytes ? SIZE_MAX : size + align < size ? SIZE_MAX : size + align);
}

static void do_aligned_alloc(struct input *in, void *(*call)(size_t, size_t)) {
    size_t align = choose_alignment(in), size = input_size(in);
    if (!may_ask_aligned(align, size))
        return;
    errno = 0;
    void *p = call(align, size);
    if (!is_power_of_two(align)) {
        if (p != NULL || errno != EINVAL)
            FUZZ_FAIL("alignment %zu is not refused with EINVAL", align);
        return;
    }
    if (p == NULL && align > must_grant_bytes && errno == ENOMEM)
        return;
    welcome(p, size, align, "aligned_alloc");
}

static void do_posix_memalign(struct input *in) {
    size_t align = choose_alignment(in), size = input_size(in);
    if (!may_ask_aligned(align, size))
        return;
    void *p = &align;
    errno = 4711;
    int error = goalloc_posix_memalign(&p, align, size);
    if (errno != 4711)
        FUZZ_FAIL("posix_memalign changes errno");
    if ((error == EINVAL) != (!is_power_of_two(align) || align % sizeof(void *) != 0))
        FUZZ_FAIL("posix_memalign says %d for alignment %zu", error, align);
    if (error != 0 && p != (void *)&align)
        FUZZ_FAIL("posix_memalign fails and stores %p", p);
    if (error == EINVAL || (error == ENOMEM && align > must_grant_bytes))
        return;
    errno = error;
    welcome(error == 0 ? p : NULL, size, align, "posix_memalign");
}

static void do_valloc(struct input *in) {
    size_t size = input_size(in);
    if (!may_ask(size))
        return;
    errno = 0;
    welcome(goalloc_valloc(size), size, 4096, "valloc");
}

static void do_pvalloc(struct input *in) {
    size_t size = input_size(in), rounded = size + 4095 < size ? SIZE_MAX : (size + 4095) & ~(size_t)4095;
    if (!may_ask(size))
        return;
    errno = 0;
    welcome(goalloc_pvalloc(size), rounded, 4096, "pvalloc");
}

/* The allocator and the model must agree about any address at all. */
static void check_address(const void *address) {
    struct goalloc_object found = {0};
    struct object *o = model_object_of(address);
    if (goalloc_object_of(address, &found) != (o != NULL))
        FUZZ_FAIL("object_of(%p) %s", address, o != NULL ? "does not know a live object" : "finds a dead object");
    if (o != NULL && (found.base != o->p || found.size_bytes != o->usable || !found.noscan))
        FUZZ_FAIL("object_of(%p) says %p, %zu bytes; it is %p, %zu", address, found.base, found.size_bytes,
                  (void *)o->p, o->usable);
}

static void do_object_of(struct input *in) {
    struct object *o = choose_object(in);
    size_t offset = input_size(in);
    if (o != NULL) {
        check_address(o->p + offset % o->usable);
        check_address((void *)((uintptr_t)o->p + offset));
        check_address((void *)((uintptr_t)o->p - offset));
        if (goalloc_usable_size(o->p) != o->usable)
            FUZZ_FAIL("the usable size of %p has changed", (void *)o->p);
    }
    check_address((void *)(uintptr_t)input_bytes(in, 8));
    if (model_freed_count > 0)
        check_address(model_freed[offset % (model_freed_count < MODEL_FREED ? model_freed_count : MODEL_FREED)]);
    if (goalloc_usable_size(NULL) != 0)
        FUZZ_FAIL("NULL has a usable size");
}

static void do_purge(struct input *in) {
    (void)in;
    goalloc_purge();
}

static void check_counters(void) {
    uint64_t counters[GOALLOC_COUNTERS];
    goalloc_counters(counters);
    if (counters[0] != live_bytes)
        FUZZ_FAIL("%llu bytes are counted as allocated, %zu are", (unsigned long long)counters[0], live_bytes);
    if (counters[0] + counters[1] + counters[2] + counters[3] + counters[8] != counters[5])
        FUZZ_FAIL("the counters do not add up to what is committed");
}

static void do_check_all(struct input *in) {
    (void)in;
    for (unsigned i = 0; i < model_count; i++)
        check_contents(&model_live[i], model_live[i].p, model_live[i].usable, "at rest");
}

/* Many of one size: whole spans fill and empty. */
static void do_burst(struct input *in) {
    size_t size = input_bytes(in, 2) & 0x3fff;
    unsigned n = input_below(in, BURST);
    for (unsigned i = 0; i < n && may_ask(size); i++) {
        errno = 0;
        welcome(goalloc_malloc(size), size, 0, "malloc");
    }
}

/* Every step-th object of a run of neighbours. */
static void do_free_burst(struct input *in) {
    struct object *o = choose_object(in);
    unsigned n = input_below(in, BURST), step = input_below(in, 4);
    if (o == NULL)
        return;
    for (unsigned i = (unsigned)(o - model_live), k = 0; k < n && i < model_count; k++, i += step)
        give_back(&model_live[i], 0);
}

/* ---- the interpreter */

static unsigned counted; /* counting walks the heap, so it is not done at every turn */

static void step(void *argument) {
    struct input *in = argument;
    unsigned operation = in->at[-1] & 31;
    switch (operation) {
    case 0 ... 3:
        do_malloc(in);
        break;
    case 4 ... 5:
        do_calloc(in);
        break;
    case 6 ... 8:
        do_realloc(in);
        break;
    case 9:
        do_reallocarray_overflow(in);
        break;
    case 10 ... 13:
        do_free(in);
        break;
    case 14:
        do_free_sized(in);
        break;
    case 15:
        do_aligned_alloc(in, goalloc_aligned_alloc);
        break;
    case 16:
        do_aligned_alloc(in, goalloc_memalign);
        break;
    case 17:
        do_posix_memalign(in);
        break;
    case 18:
        do_valloc(in);
        break;
    case 19:
        do_pvalloc(in);
        break;
    case 20 ... 21:
        do_object_of(in);
        break;
    case 22:
        do_purge(in);
        break;
    case 23:
        do_check_all(in);
        break;
    case 24 ... 26:
        do_burst(in);
        break;
    case 27 ... 29:
        do_free_burst(in);
        break;
    default:
        if (counted++ == 0)
            check_counters();
    }
}

void model_run(struct input *in) {
    counted = asked_much = 0;
    while (!input_ended(in)) {
        unsigned operation = (unsigned)input_bytes(in, 1), worker = operation / 32 % 4;
        if (operation == 255)
            worker_end(1 + input_below(in, WORKERS - 1));
        else
            worker_run(worker < WORKERS ? worker : 0, step, in);
    }
}

void model_finish(void) {
    static unsigned inputs;
    while (model_count > 0)
        give_back(&model_live[model_count / 2], 0);
    workers_end();
    goalloc_purge();
    model_freed_count = 0;
    if (inputs++ % 64 == 0)
        check_counters();
}
