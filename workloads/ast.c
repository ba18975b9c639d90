/* SPDX-License-Identifier: MIT
 *
 * ast.c: syntax trees of packages, made as a parser makes them; half of the slots that hold them are overwritten again
 * and again, the other half stays.
 */
#include "workload.h"

#include <string.h>

enum { POINTS = 200, FUNCTIONS = 32, STATEMENTS_MAX = 8, DEPTH_MAX = 3, PACKAGE_BYTES = 280 << 10 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has slots of its own"},
    {"live", 25, 2, "MiB in all slots together, about"},
    {"packages", 2000, 2, "packages parsed into slots that are taken, by all threads together"},
    {NULL, 0, 0, NULL},
};

struct bytes { /* a slice, as the twin's: where names and comments lie */
    uint8_t *at;
    uint64_t length, capacity;
};
struct list { /* a slice of pointers */
    void **at;
    uint64_t length, capacity;
};
struct ident {
    uint64_t position;
    struct bytes name;
};
struct expression {
    uint32_t operator, unused;
    uint64_t position;
    struct expression *x, *y;
    struct ident *ident;   /* what an expression without operands is */
    struct list arguments; /* expressions */
};
struct block {
    uint64_t open, close;
    struct list statements;
};
struct statement {
    uint64_t position;
    struct expression *left, *right;
    struct block *body;
};
struct function {
    struct ident *name;
    struct list parameters; /* idents */
    struct block *body;
    struct bytes comment;
};
struct package {
    struct list functions;
    struct ident *name;
};

/* Word 0 of a slice is its pointer. */
HEAP_TYPE(pointer_type, void *, 1);
HEAP_TYPE(ident_type, struct ident, HEAP_POINTER(struct ident, name));
HEAP_TYPE(expression_type, struct expression,
          HEAP_POINTER(struct expression, x) | HEAP_POINTER(struct expression, y) |
              HEAP_POINTER(struct expression, ident) | HEAP_POINTER(struct expression, arguments));
HEAP_TYPE(block_type, struct block, HEAP_POINTER(struct block, statements));
HEAP_TYPE(statement_type, struct statement,
          HEAP_POINTER(struct statement, left) | HEAP_POINTER(struct statement, right) |
              HEAP_POINTER(struct statement, body));
HEAP_TYPE(function_type, struct function,
          HEAP_POINTER(struct function, name) | HEAP_POINTER(struct function, parameters) |
              HEAP_POINTER(struct function, body) | HEAP_POINTER(struct function, comment));
HEAP_TYPE(package_type, struct package, HEAP_POINTER(struct package, functions) | HEAP_POINTER(struct package, name));

struct ast {
    unsigned threads;
    uint64_t slots, packages; /* of one thread */
    uint64_t *slot_bytes;     /* of each thread's packages: a collected program does not walk what it forgets */
};

static void *ast_setup(struct bench *b) {
    struct ast *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->slots = (bench_param(b, "live") << 20) / PACKAGE_BYTES / s->threads;
    s->packages = bench_param(b, "packages") / s->threads;
    if (s->slots < 2)
        bench_fail(b, "live is %llu MiB for %u threads; every thread needs two packages of %d KiB",
                   (unsigned long long)bench_param(b, "live"), s->threads, PACKAGE_BYTES >> 10);
    s->slot_bytes = bench_scratch(b, s->threads * s->slots * sizeof *s->slot_bytes);
    return s;
}

/* ---- allocation: every object counts, and goes by drop_sized */

static void *make(struct bench_thread *t, const heap_type *type) {
    void *p = bench_need(t, heap_object(type, HEAP_ZERO), type->size_bytes);
    t->ops++;
    t->live_bytes += type->size_bytes;
    t->zero_bytes += type->size_bytes;
    return p;
}

static void drop_sized(struct bench_thread *t, void *p, uint64_t size_bytes) {
    t->live_bytes -= size_bytes;
    heap_drop(p);
}

/* Lower-case letters; short names are frequent. */
static void give_bytes(struct bench_thread *t, struct bytes *text, uint64_t length) {
    uint8_t *at = bench_need(t, heap_bytes(length, HEAP_RAW), length);
    uint64_t letters = rng_next(&t->rng);
    for (uint64_t i = 0; i < length; i++)
        at[i] = (uint8_t)('a' + (letters >> (i * 5 % 60)) % 26);
    heap_store(&text->at, at);
    text->length = text->capacity = length;
    t->ops++;
    t->live_bytes += length;
}

/* Twice the room once it is used up. Go's append would take what its size class leaves over, too; the twin does as
 * here.
 */
static void append(struct bench_thread *t, struct list *list, void *item) {
    if (list->length == list->capacity) {
        const uint64_t capacity = list->capacity == 0 ? 1 : list->capacity * 2, size_bytes = capacity * sizeof item;
        void **at = bench_need(t, heap_pointers(capacity), size_bytes);
        t->ops++;
        t->live_bytes += size_bytes;
        t->zero_bytes += size_bytes;
        if (list->length > 0)
            heap_move(at, list->at, &pointer_type, list->length);
        drop_sized(t, list->at, list->capacity * sizeof item);
        heap_store(&list->at, at);
        list->capacity = capacity;
    }
    heap_store(&list->at[list->length++], item);
}

/* ---- making a package */

static struct ident *make_ident(struct bench_thread *t) {
    struct ident *ident = make(t, &ident_type);
    const uint64_t draw = rng_next(&t->rng);
    ident->position = draw >> 40;
    give_bytes(t, &ident->name, 1 + ((draw & 15) * (draw >> 4 & 15) >> 4));
    return ident;
}

static struct expression *make_expression(struct bench_thread *t, unsigned depth) {
    struct expression *e = make(t, &expression_type);
    const uint64_t draw = rng_next(&t->rng), kind = depth == 0 ? 0 : draw & 3;
    e->operator=(uint32_t)(draw >> 8 & 63);
    e->position = draw >> 40;
    if (kind <= 1) {
        heap_store(&e->ident, make_ident(t));
    } else if (kind == 2) {
        heap_store(&e->x, make_expression(t, depth - 1));
        heap_store(&e->y, make_expression(t, depth - 1));
    } else {
        heap_store(&e->x, make_expression(t, 0));
        for (uint64_t i = draw >> 4 & 3; i > 0; i--)
            append(t, &e->arguments, make_expression(t, depth - 1));
    }
    return e;
}

static struct block *make_block(struct bench_thread *t, unsigned depth);

static struct statement *make_statement(struct bench_thread *t, unsigned depth) {
    struct statement *s = make(t, &statement_type);
    const uint64_t draw = rng_next(&t->rng);
    s->position = draw >> 40;
    heap_store(&s->left, make_expression(t, depth));
    if (draw & 1)
        heap_store(&s->right, make_expression(t, depth));
    if (depth > 0 && (draw >> 1 & 3) == 0)
        heap_store(&s->body, make_block(t, depth - 1));
    return s;
}

static struct block *make_block(struct bench_thread *t, unsigned depth) {
    struct block *block = make(t, &block_type);
    const uint64_t draw = rng_next(&t->rng);
    block->open = draw >> 40;
    block->close = block->open + 1;
    for (uint64_t i = draw % STATEMENTS_MAX + 1; i > 0; i--)
        append(t, &block->statements, make_statement(t, depth));
    return block;
}

static struct function *make_function(struct bench_thread *t) {
    struct function *f = make(t, &function_type);
    const uint64_t draw = rng_next(&t->rng);
    heap_store(&f->name, make_ident(t));
    for (uint64_t i = draw & 3; i > 0; i--)
        append(t, &f->parameters, make_ident(t));
    heap_store(&f->body, make_block(t, DEPTH_MAX));
    if (draw & 4)
        give_bytes(t, &f->comment, 20 + (draw >> 8) % 200);
    return f;
}

static struct package *make_package(struct bench_thread *t) {
    struct package *p = make(t, &package_type);
    heap_store(&p->name, make_ident(t));
    for (unsigned i = 0; i < FUNCTIONS; i++)
        append(t, &p->functions, make_function(t));
    return p;
}

/* ---- reading a package, and in manual flavour dropping it: one walk for both, children before parents */

static uint64_t walk_bytes(struct bench_thread *t, const struct bytes *text, bool drop) {
    uint64_t sum = text->length;
    for (uint64_t i = 0; i < text->length; i++)
        sum = sum * 31 + text->at[i];
    if (drop)
        drop_sized(t, text->at, text->length);
    return sum;
}

static void walk_list(struct bench_thread *t, const struct list *list, bool drop) {
    if (drop)
        drop_sized(t, list->at, list->capacity * sizeof *list->at);
}

static uint64_t walk_ident(struct bench_thread *t, struct ident *ident, bool drop) {
    if (ident == NULL)
        return 0;
    const uint64_t sum = ident->position + walk_bytes(t, &ident->name, drop);
    if (drop)
        drop_sized(t, ident, sizeof *ident);
    return sum;
}

static uint64_t walk_expression(struct bench_thread *t, struct expression *e, bool drop) {
    if (e == NULL)
        return 0;
    uint64_t sum = e->operator+ e->position + walk_ident(t, e->ident, drop);
    sum = sum * 7 + walk_expression(t, e->x, drop);
    sum = sum * 7 + walk_expression(t, e->y, drop);
    for (uint64_t i = 0; i < e->arguments.length; i++)
        sum = sum * 7 + walk_expression(t, e->arguments.at[i], drop);
    walk_list(t, &e->arguments, drop);
    if (drop)
        drop_sized(t, e, sizeof *e);
    return sum;
}

static uint64_t walk_block(struct bench_thread *t, struct block *block, bool drop) {
    if (block == NULL)
        return 0;
    uint64_t sum = block->open * 3 + block->close;
    for (uint64_t i = 0; i < block->statements.length; i++) {
        struct statement *s = block->statements.at[i];
        sum = sum * 7 + s->position;
        sum = sum * 7 + walk_expression(t, s->left, drop);
        sum = sum * 7 + walk_expression(t, s->right, drop);
        sum = sum * 7 + walk_block(t, s->body, drop);
        if (drop)
            drop_sized(t, s, sizeof *s);
    }
    walk_list(t, &block->statements, drop);
    if (drop)
        drop_sized(t, block, sizeof *block);
    return sum;
}

static uint64_t walk_function(struct bench_thread *t, struct function *f, bool drop) {
    uint64_t sum = walk_ident(t, f->name, drop);
    for (uint64_t i = 0; i < f->parameters.length; i++)
        sum = sum * 7 + walk_ident(t, f->parameters.at[i], drop);
    sum = sum * 7 + walk_block(t, f->body, drop);
    sum = sum * 7 + walk_bytes(t, &f->comment, drop);
    walk_list(t, &f->parameters, drop);
    if (drop)
        drop_sized(t, f, sizeof *f);
    return sum;
}

static uint64_t walk_package(struct bench_thread *t, struct package *p, bool drop) {
    uint64_t sum = walk_ident(t, p->name, drop);
    for (uint64_t i = 0; i < p->functions.length; i++)
        sum = sum * 31 + walk_function(t, p->functions.at[i], drop);
    walk_list(t, &p->functions, drop);
    if (drop)
        drop_sized(t, p, sizeof *p);
    return sum;
}

/* ---- the slots */

static void forget(struct bench_thread *t, struct package *p, uint64_t size_bytes) {
    if (HEAP_TRACED)
        t->live_bytes -= size_bytes;
    else
        walk_package(t, p, true);
}

static void fill_slot(struct bench_thread *t, const struct ast *s, struct package **slots, uint64_t i) {
    uint64_t *size_bytes = &s->slot_bytes[t->index * s->slots + i];
    const uint64_t live_bytes = t->live_bytes;
    struct package *fresh = make_package(t), *before = slots[i];
    const uint64_t fresh_bytes = t->live_bytes - live_bytes;
    heap_store(&slots[i], fresh);
    if (before != NULL)
        forget(t, before, *size_bytes);
    *size_bytes = fresh_bytes;
    t->checksum = bench_mix(t->checksum, walk_package(t, fresh, false));
    bench_point(t);
}

static void ast_body(struct bench_thread *t, void *arg) {
    const struct ast *s = arg;
    const uint64_t slots_bytes = s->slots * sizeof(void *);
    struct package **slots = bench_need(t, heap_pointers(s->slots), slots_bytes);
    t->ops++;
    t->live_bytes += slots_bytes;
    t->zero_bytes += slots_bytes;
    for (uint64_t i = 0; i < s->slots; i++)
        fill_slot(t, s, slots, i);
    for (uint64_t i = 0; i < s->packages; i++)
        fill_slot(t, s, slots, i % (s->slots / 2));
    for (uint64_t i = 0; i < s->slots; i++) {
        t->checksum = bench_mix(t->checksum, walk_package(t, slots[i], false));
        forget(t, slots[i], s->slot_bytes[t->index * s->slots + i]);
    }
    drop_sized(t, slots, slots_bytes);
}

static void ast_run(struct bench *b, void *state) {
    struct ast *s = state;
    bench_parallel(b, s->threads, ast_body, s);
}

WORKLOAD(ast) = {
    .name = "ast",
    .summary = "syntax trees of packages; half of the slots that hold them are overwritten again and again",
    .op = "object allocated (node, list, name)",
    .models = "Compilers, linters and language servers: trees of many small nodes of a dozen types with tiny names, "
              "made in one go "
              "and read once or twice; some packages stay, others are parsed again.",
    .source =
        "After golang.org/x/benchmarks, garbage: the trees of net/http in n slots, of which the first half is "
        "overwritten "
        "in turn; n fills 4/5 of 64 MB by half, as there, which is the default of live. Its parser's input and types "
        "are "
        "Go's; these trees are random ones of our own (packages of 32 functions, about 280 KiB), made and read by one "
        "thread per set of slots, and collections are not forced.",
    .bad_for =
        "Collectors that trace the half that stays each time; allocators that pay per object or round tiny names up "
        "(1 to 15 B: a quarter of all objects).",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = ast_setup,
    .run = ast_run,
};
