/* SPDX-License-Identifier: MIT
 *
 * stress: seeded random operations of the whole malloc ABI against a shadow model: no two live objects overlap
 * (shadow.h), contents stay, alignment and usable size are as promised, calloc clears. Objects pass between threads,
 * which free and reallocate them; at the end of each round the threads exit and leave their objects to the next
 * round's.
 *
 *   stress [--seed=N] [--threads=N] [--operations=N per thread and round] [--rounds=N]
 *
 * A failure prints one line with what went wrong and the command that repeats it (with one thread exactly). Nothing
 * here allocates but the calls under test.
 */
#include "abi.h"
#include "shadow.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 6000, MAX_THREADS = 16, MAIL = 128, FILL_ALL_BYTES = 16384, STRIDE = 1021 };
static const size_t live_budget_bytes = (size_t)64 << 20; /* per thread */

struct object {
    unsigned char *p;
    size_t size;   /* asked for */
    size_t usable; /* promised, and filled */
    size_t align;  /* asked for; 0: none */
    uint64_t tag;  /* of the fill */
};

/* One way to one neighbour: full is set by the sender after the object, cleared by the receiver. */
struct letter {
    struct object object;
    int full;
};

struct worker {
    struct object slots[SLOTS];
    size_t used;
    size_t live_bytes;
    uint64_t random;
    uint64_t next_tag;
    unsigned number;
    struct letter inbox[MAIL];
    uint64_t counts[8]; /* by enum what */
};

enum what { ALLOCATED, CLEARED, REALIGNED, RESIZED, FREED, SENT, RECEIVED, BYTES };
static const char *const what_names[] = {"malloc", "calloc", "aligned", "realloc", "free", "sent", "received", "bytes"};

static struct {
    uint64_t seed;
    unsigned threads;
    uint64_t operations;
    unsigned rounds;
    const char *program;
    bool has_memalign, has_valloc, has_pvalloc, has_free_sized;
} run = {.seed = 1, .threads = 1, .operations = 300000, .rounds = 3};
static struct worker *workers;

static _Noreturn void failed(const struct worker *w, const char *what, const struct object *o) {
    char text[512];
    int length = snprintf(
        text, sizeof text,
        "stress: FAILED: %s: object %p, %zu bytes, usable %zu, alignment %zu, thread %u; repeat: %s --seed=%llu "
        "--threads=%u --operations=%llu --rounds=%u\n",
        what, (void *)o->p, o->size, o->usable, o->align, w->number, run.program, (unsigned long long)run.seed,
        run.threads, (unsigned long long)run.operations, run.rounds);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(3);
    _exit(1);
}

/* ---- choices */

static uint64_t choose(struct worker *w, uint64_t below) {
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (w->random * 0x2545f4914f6cdd1dull >> 16) % below;
}

/* Mostly small, with a long tail, and often next to where allocators change their mind. */
static size_t choose_size(struct worker *w) {
    static const size_t edges[] = {8, 16, 32, 64, 128, 512, 1024, 4096, 8192, 16384, 32752, 32768, 65536};
    uint64_t kind = choose(w, 10000);
    if (kind < 6000)
        return choose(w, 129);
    if (kind < 8700)
        return choose(w, 1100);
    if (kind < 9400)
        return edges[choose(w, sizeof edges / sizeof *edges)] + choose(w, 33) - 16 + 8;
    if (kind < 9900)
        return choose(w, 33000);
    if (kind < 9990)
        return choose(w, 300000);
    if (kind < 9999)
        return choose(w, 5u << 20);
    return choose(w, 90u << 20);
}

/* ---- the model */

/* Small objects are filled to the last byte; of large ones the ends and a byte every STRIDE. */
static unsigned char byte_at(uint64_t tag, size_t offset) {
    return (unsigned char)((tag ^ tag >> 17) + offset * 131 + (offset >> 8) * 7 + 1);
}

static size_t next_filled(size_t offset, size_t size) {
    if (offset < FILL_ALL_BYTES / 2 || offset + FILL_ALL_BYTES / 2 >= size)
        return offset + 1;
    size_t next = offset + STRIDE, tail = size - FILL_ALL_BYTES / 2;
    return next < tail ? next : tail;
}

static void fill(const struct object *o) {
    for (size_t i = 0; i < o->usable; i = next_filled(i, o->usable))
        o->p[i] = byte_at(o->tag, i);
}

/* The bytes below limit that were filled when the object had o->usable bytes. */
static bool filled(const struct object *o, const unsigned char *p, size_t limit) {
    for (size_t i = 0; i < limit && i < o->usable; i = next_filled(i, o->usable))
        if (p[i] != byte_at(o->tag, i))
            return false;
    return true;
}

static bool is_zero(const unsigned char *p, size_t size) {
    return size == 0 || (p[0] == 0 && memcmp(p, p + 1, size - 1) == 0);
}

static size_t owed_alignment(size_t size) {
    size_t align = 1;
    while (align * 2 <= size && align < _Alignof(max_align_t))
        align *= 2;
    return align;
}

/* Enters an object that the allocator has just given. */
static void welcome(struct worker *w, struct object *o) {
    __asm__ volatile("" : "+r"(o->p) : : "memory"); /* the compiler may not believe what headers promise */
    if (o->p == NULL)
        failed(w, "out of memory", o);
    size_t align = o->align > owed_alignment(o->size) ? o->align : owed_alignment(o->size);
    if ((uintptr_t)o->p % align != 0)
        failed(w, "misaligned", o);
    o->usable = abi_usable_size(o->p);
    if (o->usable < o->size)
        failed(w, "usable size below the requested", o);
    if (!shadow_take(o->p, o->usable))
        failed(w, "overlaps a live object", o);
    o->tag = w->next_tag += 0x9e3779b97f4a7c15ull;
    fill(o);
    w->live_bytes += o->usable;
    w->counts[BYTES] += o->usable;
}

/* Last look before an object is given back or passed on. */
static void check(struct worker *w, const struct object *o) {
    if (!filled(o, o->p, o->usable))
        failed(w, "contents changed", o);
    size_t usable = abi_usable_size(o->p);
    if (usable != o->usable) {
        char what[80];
        snprintf(what, sizeof what, "usable size changed to %zu", usable);
        failed(w, what, o);
    }
}

static void leave(struct worker *w, const struct object *o) {
    if (!shadow_drop(o->p, o->usable))
        failed(w, "the shadow lost it (an error of the test)", o);
    w->live_bytes -= o->usable;
}

/* ---- operations */

static void aligned_request(struct worker *w, struct object *o) {
    o->align = (size_t)1 << (choose(w, 40) == 0 ? choose(w, 21) : choose(w, 13));
    void *p = NULL;
    switch (choose(w, 8)) {
    case 0:
    case 1:
        o->p = abi_aligned_alloc(o->align, o->size);
        return;
    case 2:
        if (run.has_memalign) {
            o->p = abi_memalign(o->align, o->size);
            return;
        }
        break;
    case 3:
        if (run.has_valloc) {
            o->align = 4096;
            o->p = abi_valloc(o->size);
            return;
        }
        break;
    case 4:
        if (run.has_pvalloc) {
            o->align = 4096;
            o->size = (o->size + 4095) / 4096 * 4096;
            o->p = abi_pvalloc(o->size);
            return;
        }
        break;
    }
    if (o->align < sizeof(void *))
        o->align = sizeof(void *);
    o->p = abi_posix_memalign(&p, o->align, o->size) == 0 ? p : NULL;
}

static void allocate(struct worker *w) {
    if (w->used == SLOTS)
        return;
    struct object *o = &w->slots[w->used];
    *o = (struct object){.size = choose_size(w)};
    if (o->size == 0)
        o->size = 1; /* zero is conformance's: NULL is a right answer there */
    uint64_t kind = choose(w, 100);
    if (kind < 65) {
        o->p = kind < 60 ? abi_malloc(o->size) : abi_realloc(NULL, o->size);
        w->counts[ALLOCATED]++;
    } else if (kind < 80) {
        o->p = o->size % 4 == 0 ? abi_calloc(o->size / 4, 4) : abi_calloc(1, o->size);
        if (o->p != NULL && !is_zero(o->p, o->size))
            failed(w, "calloc did not clear", o);
        w->counts[CLEARED]++;
    } else {
        aligned_request(w, o);
        w->counts[REALIGNED]++;
    }
    welcome(w, o);
    w->used++;
}

static void give_back(struct worker *w, size_t slot) {
    struct object o = w->slots[slot];
    check(w, &o);
    leave(w, &o);
    w->slots[slot] = w->slots[--w->used];
    w->counts[FREED]++;
    int error = errno = (int)(w->random & 0xfff);
    if (run.has_free_sized && o.align == 0 && choose(w, 8) == 0)
        abi_free_sized(o.p, o.size);
    else if (run.has_free_sized && o.align != 0 && choose(w, 4) == 0)
        abi_free_aligned_sized(o.p, o.align, o.size);
    else
        abi_free(o.p);
    if (errno != error)
        failed(w, "free changed errno", &o);
}

/* To any size; now and then to one that must be refused and leave all as it was. */
static void resize(struct worker *w, size_t slot) {
    struct object *o = &w->slots[slot], old = *o;
    check(w, o);
    w->counts[RESIZED]++;
    if (choose(w, 50) == 0) {
        volatile size_t absurd = (size_t)PTRDIFF_MAX + 1 + choose(w, PTRDIFF_MAX - 64);
        void *p = abi_realloc(old.p, absurd);
        if (p != NULL)
            failed(w, "realloc granted an absurd size", o);
        check(w, &old);
        return;
    }
    leave(w, o);
    size_t near = o->size + choose(w, o->size / 2 + 20) - o->size / 4;
    bool stays_near = choose(w, 3) != 0 && (o->size < 100000 || choose(w, 4) == 0); /* or the run does nothing else */
    *o = (struct object){.size = stays_near ? near + 1 : choose_size(w) + 1};
    o->p = o->size % 8 == 0 ? abi_reallocarray(old.p, o->size / 8, 8) : abi_realloc(old.p, o->size);
    __asm__ volatile("" : "+r"(o->p) : : "memory");
    if (o->p != NULL && !filled(&old, o->p, o->size))
        failed(w, "realloc lost the contents", o);
    welcome(w, o);
}

static void post(struct worker *w, size_t slot) {
    struct worker *to = &workers[choose(w, run.threads)];
    struct letter *letter = &to->inbox[choose(w, MAIL)];
    int empty = 0;
    /* 2: being written. Only a sender that turned 0 to 2 writes; only the owner of the inbox turns 1 to 0. */
    if (!__atomic_compare_exchange_n(&letter->full, &empty, 2, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    letter->object = w->slots[slot];
    w->live_bytes -= letter->object.usable;
    w->slots[slot] = w->slots[--w->used];
    w->counts[SENT]++;
    __atomic_store_n(&letter->full, 1, __ATOMIC_RELEASE);
}

static void collect(struct worker *w) {
    for (size_t i = 0; i < MAIL && w->used < SLOTS; i++) {
        struct letter *letter = &w->inbox[i];
        if (__atomic_load_n(&letter->full, __ATOMIC_ACQUIRE) != 1)
            continue;
        struct object *o = &w->slots[w->used++];
        *o = letter->object;
        __atomic_store_n(&letter->full, 0, __ATOMIC_RELEASE);
        w->live_bytes += o->usable;
        w->counts[RECEIVED]++;
        check(w, o);
        if (choose(w, 3) == 0)
            resize(w, w->used - 1);
        else if (choose(w, 3) != 0)
            give_back(w, w->used - 1);
    }
}

static void operate(struct worker *w, uint64_t i) {
    /* The table swells and shrinks, in the end to nothing, so that spans fill, thin out and go. */
    uint64_t phase = i * 6 / run.operations;
    size_t wanted = phase % 3 == 0 ? SLOTS : phase % 3 == 1 ? SLOTS / 4 : SLOTS / 30;
    if (i % 64 == 0)
        collect(w);
    uint64_t kind = choose(w, 100);
    if (w->used == 0 || kind < (w->used < wanted ? 60 : 25)) {
        if (w->live_bytes < live_budget_bytes)
            allocate(w);
    } else if (kind >= 96 && run.threads > 1)
        post(w, choose(w, w->used));
    else if (kind >= 85)
        resize(w, choose(w, w->used));
    else
        give_back(w, choose(w, w->used));
    while (w->live_bytes > live_budget_bytes)
        give_back(w, choose(w, w->used));
}

static void *work(void *argument) {
    struct worker *w = argument;
    for (uint64_t i = 0; i < run.operations; i++)
        operate(w, i);
    return NULL;
}

/* ---- the run */

static bool parse_number(const char *argument, const char *flag, uint64_t *out) {
    size_t length = strlen(flag);
    if (strncmp(argument, flag, length) != 0 || argument[length] == '\0')
        return false;
    *out = 0;
    for (const char *c = argument + length; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        *out = *out * 10 + (uint64_t)(*c - '0');
    }
    return true;
}

static bool parse(int argc, char **argv) {
    run.program = argv[0];
    for (int i = 1; i < argc; i++) {
        uint64_t number;
        if (parse_number(argv[i], "--seed=", &number))
            run.seed = number;
        else if (parse_number(argv[i], "--threads=", &number) && number >= 1 && number <= MAX_THREADS)
            run.threads = (unsigned)number;
        else if (parse_number(argv[i], "--operations=", &number) && number >= 1)
            run.operations = number;
        else if (parse_number(argv[i], "--rounds=", &number) && number >= 1)
            run.rounds = (unsigned)number;
        else
            return false;
    }
    return true;
}

/* No other thread runs. */
static void check_heap(void) {
    char message[256];
    if (abi_check(message, sizeof message) == 0)
        return;
    fprintf(stderr,
            "stress: FAILED: broken heap: %s; repeat: %s --seed=%llu --threads=%u --operations=%llu --rounds=%u\n",
            message, run.program, (unsigned long long)run.seed, run.threads, (unsigned long long)run.operations,
            run.rounds);
    _exit(1);
}

static void run_round(unsigned round) {
    pthread_t threads[MAX_THREADS];
    for (unsigned t = 0; t < run.threads; t++)
        if (pthread_create(&threads[t], NULL, work, &workers[t]) != 0) {
            fprintf(stderr, "stress: cannot start thread %u\n", t);
            _exit(2);
        }
    for (unsigned t = 0; t < run.threads; t++)
        pthread_join(threads[t], NULL);
    check_heap();
    if (round + 1 == run.rounds)
        return;
    /* The next round's threads find the objects of a neighbour who is gone. */
    for (unsigned t = 0; t + 1 < run.threads; t++) {
        static struct object kept[SLOTS];
        struct worker *a = &workers[t], *b = &workers[t + 1];
        memcpy(kept, a->slots, sizeof kept);
        memcpy(a->slots, b->slots, sizeof kept);
        memcpy(b->slots, kept, sizeof kept);
        size_t used = a->used, live_bytes = a->live_bytes;
        a->used = b->used, a->live_bytes = b->live_bytes;
        b->used = used, b->live_bytes = live_bytes;
    }
}

int main(int argc, char **argv) {
    if (!parse(argc, argv)) {
        fputs("usage: stress [--seed=N] [--threads=1..16] [--operations=N] [--rounds=N]\n", stderr);
        return 2;
    }
    run.has_memalign = abi_offers("memalign");
    run.has_valloc = abi_offers("valloc");
    run.has_pvalloc = abi_offers("pvalloc");
    run.has_free_sized = abi_offers("free_sized") && abi_offers("free_aligned_sized");
    shadow_init();
    workers = mmap(NULL, run.threads * sizeof *workers, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) {
        perror("stress: mmap");
        return 2;
    }
    for (unsigned t = 0; t < run.threads; t++) {
        workers[t].number = t;
        workers[t].random = (run.seed * MAX_THREADS + t + 1) * 0x9e3779b97f4a7c15ull | 1;
        workers[t].next_tag = workers[t].random;
    }
    for (unsigned round = 0; round < run.rounds; round++)
        run_round(round);
    uint64_t totals[8] = {0};
    for (unsigned t = 0; t < run.threads; t++) {
        struct worker *w = &workers[t];
        collect(w);
        while (w->used > 0)
            give_back(w, w->used - 1);
        for (size_t i = 0; i < 8; i++)
            totals[i] += w->counts[i];
    }
    printf("stress: ok: seed %llu, %u threads:", (unsigned long long)run.seed, run.threads);
    for (size_t i = 0; i < 8; i++)
        printf(" %s %llu", what_names[i], (unsigned long long)totals[i]);
    puts("");
    return 0;
}
