/* SPDX-License-Identifier: MIT
 *
 * The typed interface against a model: a table of pointers, registered as a root, and for each object in it a copy of
 * what it must hold. Objects that leave the table may be collected, where a build collects; those in it may not, and no
 * two of them overlap. One operation: a byte, of which the lower 5 bits choose the operation and the upper 3 the
 * thread; then its numbers.
 */
#include "input.h"
#include "workers.h"

#include "goalloc.h"

#include <errno.h>

enum { OBJECTS = 512, COPY_BYTES = 2048, ROOTS = 8, LARGEST_BYTES = 256 << 10 };
/* Of one input: a build that never collects keeps all of it. */
static const size_t may_take_bytes = 512u << 10;

static const uint64_t mask_of_1024[] = {0x8000000000000001u, 0xf0f0f0f0f0f0f0f0u};
static const uint64_t mask_of_520[] = {0x1, 0x1};
static const struct goalloc_type types[] = {
    {8, 1, NULL},     {16, 1, NULL},         {24, 5, NULL},
    {40, 0x12, NULL}, {64, 0xff, NULL},      {128, 0x8001, NULL},
    {512, ~0u, NULL}, {520, 1, mask_of_520}, {1024, 0x8000000000000001u, mask_of_1024},
    {1, 0, NULL},     {12, 0, NULL},         {48, 0, NULL},
};
enum { TYPES = sizeof types / sizeof *types };

struct object {
    const struct goalloc_type *type; /* NULL: bytes */
    size_t size, n;
    unsigned char copy[COPY_BYTES]; /* its first bytes; all others are zero */
};
static struct object objects[OBJECTS];
static void *table[OBJECTS]; /* where they are; the root that keeps them */
static unsigned count;
static size_t taken_bytes;
static void *extra_roots[ROOTS][4];
static bool rooted[ROOTS];

static bool has_pointers(const struct goalloc_type *type) {
    return type != NULL && (type->pointer_mask != 0 || type->masks != NULL);
}

static size_t copied_bytes(const struct object *o) {
    return o->size < COPY_BYTES ? o->size : COPY_BYTES;
}

static bool is_pointer_word(const struct object *o, size_t word) {
    if (!has_pointers(o->type))
        return false;
    word %= o->type->size_bytes / 8;
    uint64_t mask = o->type->masks != NULL ? o->type->masks[word / 64] : o->type->pointer_mask;
    return (mask >> word % 64 & 1) != 0;
}

/* ---- checks */

static void check_contents(unsigned i) {
    const struct object *o = &objects[i];
    const unsigned char *p = table[i];
    if (memcmp(p, o->copy, copied_bytes(o)) != 0)
        FUZZ_FAIL("the contents of %zu bytes at %p have changed", o->size, (const void *)p);
    for (size_t at = copied_bytes(o); at < o->size; at += o->size / 61 + 1)
        if (p[at] != 0)
            FUZZ_FAIL("byte %zu of %zu at %p is not zero", at, o->size, (const void *)p);
}

/* Bounds of a live object, asked through one of its bytes. */
static void check_known(unsigned i, size_t offset) {
    const struct object *o = &objects[i];
    const unsigned char *p = table[i];
    struct goalloc_object found = {0};
    if (!goalloc_object_of(p + offset % o->size, &found))
        FUZZ_FAIL("object_of(%p + %zu) does not know a live object", (const void *)p, offset % o->size);
    const unsigned char *base = found.base;
    if (base > p || p + o->size > base + found.size_bytes || found.noscan != !has_pointers(o->type))
        FUZZ_FAIL("object_of(%p) says %p, %zu bytes, noscan %d; it has %zu bytes", (const void *)p, found.base,
                  found.size_bytes, found.noscan, o->size);
}

/* Of an address outside all objects nothing is known but that the answer covers it. */
static void check_address(const void *address) {
    struct goalloc_object found = {0};
    if (goalloc_object_of(address, &found) &&
        ((uintptr_t)address < (uintptr_t)found.base || (uintptr_t)address - (uintptr_t)found.base >= found.size_bytes))
        FUZZ_FAIL("object_of(%p) says %p, %zu bytes", address, found.base, found.size_bytes);
}

/* ---- objects in and out */

static void welcome(void *p, const struct goalloc_type *type, size_t n, size_t size, bool zero) {
    if (p == NULL)
        FUZZ_FAIL("%zu bytes are refused with errno %d", size, errno);
    for (unsigned i = 0; i < count; i++)
        if ((unsigned char *)p < (unsigned char *)table[i] + objects[i].size &&
            (unsigned char *)table[i] < (unsigned char *)p + size)
            FUZZ_FAIL("%zu bytes at %p overlap %zu at %p", size, p, objects[i].size, table[i]);
    size_t owed = has_pointers(type) || size % 8 == 0 ? 8 : size % 4 == 0 ? 4 : size % 2 == 0 ? 2 : 1;
    if ((uintptr_t)p % owed != 0)
        FUZZ_FAIL("%zu bytes at %p are misaligned", size, p);
    struct object *o = &objects[count];
    o->type = type, o->n = n, o->size = size;
    memset(o->copy, 0, copied_bytes(o));
    goalloc_store(&table[count], p);
    if (!zero)
        memset(p, 0, size);
    check_contents(count);
    check_known(count, size - 1);
    count++;
    taken_bytes += size;
}

static void leave(unsigned i) {
    check_contents(i);
    count--;
    objects[i] = objects[count];
    goalloc_store(&table[i], table[count]);
    goalloc_store(&table[count], NULL);
}

static unsigned choose_object(struct input *in) {
    return (unsigned)(input_bytes(in, 2) % count);
}

static bool may_take(size_t size) {
    return count < OBJECTS && size <= LARGEST_BYTES && taken_bytes + size <= may_take_bytes;
}

/* ---- the operations */

static void do_new(struct input *in) {
    const struct goalloc_type *type = &types[input_below(in, TYPES)];
    size_t n = input_below(in, 2) == 0 ? 1 : input_size(in), size;
    errno = 0;
    if (__builtin_mul_overflow(n, type->size_bytes, &size) || size > PTRDIFF_MAX) {
        if (goalloc_new(type, n) != NULL || errno != ENOMEM)
            FUZZ_FAIL("%zu objects of %zu bytes are not refused with ENOMEM", n, type->size_bytes);
    } else if (n == 0) {
        if (goalloc_new(type, 0) != goalloc_bytes(0, true))
            FUZZ_FAIL("empty objects have different addresses");
    } else if (may_take(size))
        welcome(goalloc_new(type, n), type, n, size, true);
}

static void do_bytes(struct input *in) {
    size_t size = input_size(in);
    bool zero = input_below(in, 2) == 0;
    errno = 0;
    if (size > PTRDIFF_MAX) {
        if (goalloc_bytes(size, zero) != NULL || errno != ENOMEM)
            FUZZ_FAIL("%zu bytes are not refused with ENOMEM", size);
    } else if (size > 0 && may_take(size))
        /* Below 16 B memory is zero in any case where blocks are shared. */
        welcome(goalloc_bytes(size, zero), NULL, size, size, zero);
}

static void do_burst(struct input *in) {
    const struct goalloc_type *type = &types[input_below(in, TYPES)];
    unsigned n = input_below(in, 200);
    size_t each = 1 + input_below(in, 64);
    for (unsigned i = 0; i < n && may_take(type->size_bytes * each); i++)
        welcome(goalloc_new(type, each), type, each, type->size_bytes * each, true);
}

static void do_drop(struct input *in) {
    unsigned n = input_below(in, 64);
    while (n-- > 0 && count > 0)
        leave(choose_object(in));
}

/* A word of an object: a pointer to some object, inside it maybe, or any bits where no pointer belongs. */
static void do_store(struct input *in) {
    if (count == 0)
        return;
    unsigned i = choose_object(in), to = choose_object(in);
    struct object *o = &objects[i];
    size_t words = copied_bytes(o) / 8, word = words == 0 ? 0 : input_bytes(in, 1) % words;
    if (words == 0 || (uintptr_t)table[i] % 8 != 0)
        return;
    void **slot = (void **)table[i] + word;
    void *value = (char *)table[to] + input_bytes(in, 1) % objects[to].size;
    if (is_pointer_word(o, word)) {
        goalloc_store(slot, input_below(in, 8) == 0 ? NULL : value);
        memcpy(o->copy + word * 8, slot, 8);
    } else {
        uint64_t bits = input_bytes(in, 8);
        memcpy(slot, &bits, 8);
        memcpy(o->copy + word * 8, &bits, 8);
    }
}

/* Objects of one type, between two arrays or within one, by the copies first. */
static void do_move(struct input *in) {
    if (count == 0)
        return;
    unsigned a = choose_object(in), b = choose_object(in);
    if (objects[a].type != objects[b].type)
        b = a;
    const struct goalloc_type *type = objects[a].type;
    if (type == NULL)
        return;
    size_t in_a = copied_bytes(&objects[a]) / type->size_bytes, in_b = copied_bytes(&objects[b]) / type->size_bytes;
    size_t from = input_bytes(in, 1) % in_a, to = input_bytes(in, 1) % in_b, n = input_bytes(in, 1);
    n = n < in_a - from ? n : in_a - from;
    n = n < in_b - to ? n : in_b - to;
    from *= type->size_bytes, to *= type->size_bytes;
    memmove(objects[b].copy + to, objects[a].copy + from, n * type->size_bytes);
    goalloc_move((char *)table[b] + to, (char *)table[a] + from, type, n);
    check_contents(a);
    check_contents(b);
}

static void do_clear(struct input *in) {
    if (count == 0)
        return;
    unsigned i = choose_object(in);
    const struct goalloc_type *type = objects[i].type;
    if (type == NULL)
        return;
    size_t held = copied_bytes(&objects[i]) / type->size_bytes, at = input_bytes(in, 1) % held;
    size_t n = input_bytes(in, 1) % (held - at + 1);
    memset(objects[i].copy + at * type->size_bytes, 0, n * type->size_bytes);
    goalloc_clear((char *)table[i] + at * type->size_bytes, type, n);
    check_contents(i);
}

static void do_root(struct input *in) {
    unsigned i = input_below(in, ROOTS);
    if (rooted[i])
        goalloc_root_remove(extra_roots[i]);
    else if (goalloc_root_add(extra_roots[i], 4) != 0)
        FUZZ_FAIL("a root is refused");
    rooted[i] = !rooted[i];
    if (rooted[i] && count > 0)
        goalloc_store(&extra_roots[i][i % 4], table[choose_object(in)]);
}

static void do_object_of(struct input *in) {
    size_t offset = input_size(in);
    check_address((void *)(uintptr_t)input_bytes(in, 8));
    if (count == 0)
        return;
    unsigned i = choose_object(in);
    check_known(i, offset);
    check_address((char *)table[i] + objects[i].size);
    check_address((void *)((uintptr_t)table[i] + offset));
    check_address((void *)((uintptr_t)table[i] - offset));
}

static void step(void *argument) {
    struct input *in = argument;
    unsigned operation = in->at[-1] & 31;
    switch (operation) {
    case 0 ... 5:
        do_new(in);
        break;
    case 6 ... 9:
        do_bytes(in);
        break;
    case 10 ... 11:
        do_burst(in);
        break;
    case 12 ... 13:
        do_drop(in);
        break;
    case 14 ... 18:
        do_store(in);
        break;
    case 19 ... 20:
        do_move(in);
        break;
    case 21 ... 22:
        do_clear(in);
        break;
    case 23 ... 24:
        do_root(in);
        break;
    case 25 ... 26:
        do_object_of(in);
        break;
    case 27:
        goalloc_collect();
        break;
    case 28:
        goalloc_purge();
        break;
    case 29:
        goalloc_safepoint();
        break;
    case 30:
        goalloc_thread_detach();
        break;
    default:
        if (!goalloc_thread_attach())
            FUZZ_FAIL("a thread is refused");
    }
}

static void finish(void) {
    while (count > 0)
        leave(count - 1);
    for (unsigned i = 0; i < ROOTS; i++)
        if (rooted[i])
            goalloc_root_remove(extra_roots[i]);
    memset(rooted, 0, sizeof rooted);
    memset(extra_roots, 0, sizeof extra_roots);
    workers_end();
    goalloc_root_remove(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    taken_bytes = 0;
    if (goalloc_root_add(table, OBJECTS) != 0)
        FUZZ_FAIL("a root is refused");
    while (!input_ended(&in)) {
        unsigned operation = (unsigned)input_bytes(&in, 1), worker = operation / 32 % 4;
        if (operation == 255)
            worker_end(1 + input_below(&in, WORKERS - 1));
        else
            worker_run(worker < WORKERS ? worker : 0, step, &in);
    }
    finish();
    return 0;
}
