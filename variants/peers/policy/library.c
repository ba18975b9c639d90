/* SPDX-License-Identifier: MIT
 *
 * The policy library: glibc's malloc serves, and every call is told to the models, which say at the end what each placement
 * policy would have needed:
 *
 *     LD_PRELOAD=build/lib/libspanlab-policy.so program
 *
 * Alignments above the rounding are not modelled. One lock is over all calls, so a stream of several threads is what that
 * schedule made of it.
 *
 *   SPANLAB_POLICY_ROUND, _SPLIT, _RUN, _LINE   bytes: policy_options
 *   SPANLAB_POLICY_RESIZE=move                  realloc always moves; without it, only where the policy cannot resize in place
 *   SPANLAB_POLICY_SHUFFLE=SEED                 at the end the same sizes and lifetimes again, without their order; 0: no
 *   SPANLAB_POLICY_SERVE=first                  instead of glibc that policy places the blocks, first fit to segregated
 *   SPANLAB_POLICY_OUT=PATH                     the table is added there, not written to standard error
 *   SPANLAB_POLICY_RECORD=PATH                  the stream is written there
 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size_bytes);
void *__libc_calloc(size_t n, size_t size_bytes);
void *__libc_realloc(void *p, size_t size_bytes);
void *__libc_memalign(size_t align_bytes, size_t size_bytes);
void __libc_free(void *p);
void *malloc(size_t size_bytes);
void *calloc(size_t n, size_t size_bytes);
void *realloc(void *p, size_t size_bytes);
void free(void *p);
void *aligned_alloc(size_t align_bytes, size_t size_bytes);
void *memalign(size_t align_bytes, size_t size_bytes);
void *valloc(size_t size_bytes);
void *pvalloc(size_t size_bytes);
int posix_memalign(void **out, size_t align_bytes, size_t size_bytes);
size_t malloc_usable_size(void *p);

enum { ALIGN_BYTES = 16, PAGE_BYTES = 4096, SPARE_FD = 100 };
static const uint64_t SPACE_BYTES = UINT64_C(1) << 38; /* of addresses, to place blocks in */

/* A block in the program's hands. */
struct entry {
    uintptr_t address; /* 0: none */
    uint64_t size_bytes;
    uint32_t object; /* of the feed; 0: it is not watched */
    struct policy_block placed; /* where a policy serves */
};

static struct {
    pthread_mutex_t lock;
    bool ready, watching, told; /* told: a harness reads the figures, so no table is written */
    struct policy_options options;
    uint64_t seed;
    struct feed feed;
    struct feed_figures figures; /* when it was told to stop */
    struct table entries; /* hashed by address; a power of two */
    size_t count;
    struct policy *server; /* NULL: glibc */
    char *space;
    uint64_t touched_bytes; /* of the space, from its beginning */
    const char *out, *record;
    int error_fd;
} lib = {.lock = PTHREAD_MUTEX_INITIALIZER, .error_fd = STDERR_FILENO};

/* ---- blocks by address */

static size_t home_of(uintptr_t address, size_t mask) {
    return (size_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
}

static struct entry *entry_at(size_t i) {
    return TABLE_AT(&lib.entries, struct entry, i);
}

static struct entry *entry_find(uintptr_t address) {
    const size_t mask = lib.entries.count - 1;
    for (size_t i = home_of(address, mask);; i = (i + 1) & mask)
        if (entry_at(i)->address == address || entry_at(i)->address == 0)
            return entry_at(i);
}

static void entries_grow(void) {
    struct table old = lib.entries;
    lib.entries = (struct table){.item_bytes = sizeof(struct entry)};
    table_add_many(&lib.entries, old.count == 0 ? 1 << 12 : 2 * old.count);
    for (size_t i = 0; i < old.count; i++) {
        const struct entry *e = TABLE_AT(&old, struct entry, i);
        if (e->address != 0)
            *entry_find(e->address) = *e;
    }
    table_release(&old);
}

static void entry_add(struct entry e) {
    if (2 * ++lib.count > lib.entries.count)
        entries_grow();
    *entry_find(e.address) = e;
}

/* Those behind it that it kept from their place move up. */
static void entry_remove(struct entry *e) {
    const size_t mask = lib.entries.count - 1;
    size_t hole = (size_t)(e - entry_at(0));
    for (size_t i = (hole + 1) & mask; entry_at(i)->address != 0; i = (i + 1) & mask) {
        const size_t home = home_of(entry_at(i)->address, mask);
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        *entry_at(hole) = *entry_at(i);
        hole = i;
    }
    *entry_at(hole) = (struct entry){0};
    lib.count--;
}

/* ---- beginning */

static uint64_t number_of(const char *variable, uint64_t usual) {
    const char *text = getenv(variable);
    return text != NULL && *text >= '0' && *text <= '9' ? strtoull(text, NULL, 10) : usual;
}

static void options_read(void) {
    struct policy_options *o = &lib.options;
    o->round_bytes = number_of("SPANLAB_POLICY_ROUND", policy_defaults.round_bytes);
    o->split_bytes = number_of("SPANLAB_POLICY_SPLIT", o->round_bytes);
    o->run_bytes = number_of("SPANLAB_POLICY_RUN", policy_defaults.run_bytes);
    o->line_bytes = number_of("SPANLAB_POLICY_LINE", policy_defaults.line_bytes);
    const char *resize = getenv("SPANLAB_POLICY_RESIZE");
    o->resize_moves = resize != NULL && strcmp(resize, "move") == 0;
    if (o->round_bytes == 0 || o->line_bytes == 0 || o->run_bytes == 0 || o->run_bytes % o->line_bytes != 0) {
        static const char text[] =
            "spanlab: policy: SPANLAB_POLICY_ROUND, _LINE and _RUN take bytes above 0, the run a multiple of the line\n";
        if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
            abort();
        abort();
    }
}

static void serve_by(const char *name) {
    for (int kind = POLICY_FIRST; name != NULL && kind <= POLICY_SEGREGATED; kind++) {
        if (strcmp(policy_name((enum policy_kind)kind), name) != 0)
            continue;
        struct policy_options o = lib.options;
        o.round_bytes = o.round_bytes < ALIGN_BYTES ? ALIGN_BYTES : o.round_bytes;
        void *space = mmap(NULL, SPACE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space == MAP_FAILED)
            abort();
        lib.space = space;
        lib.server = policy_new((enum policy_kind)kind, &o);
    }
}

static void begin(void) {
    lib.ready = true;
    options_read();
    lib.seed = number_of("SPANLAB_POLICY_SHUFFLE", 0);
    lib.out = getenv("SPANLAB_POLICY_OUT");
    lib.record = getenv("SPANLAB_POLICY_RECORD");
    entries_grow();
    serve_by(getenv("SPANLAB_POLICY_SERVE"));
    lib.watching = lib.server == NULL;
    feed_begin(&lib.feed, &lib.options, lib.seed != 0 || lib.record != NULL);
}

static void lock(void) {
    pthread_mutex_lock(&lib.lock);
    if (!lib.ready)
        begin();
}

static void unlock(void) {
    pthread_mutex_unlock(&lib.lock);
}

/* ---- allocating: all below is called with the lock */

static void *note(void *p, size_t size_bytes, struct policy_block placed) {
    if (p != NULL)
        entry_add((struct entry){(uintptr_t)p, size_bytes, lib.watching ? feed_allocate(&lib.feed, size_bytes) : 0, placed});
    return p;
}

static void *refuse(void) {
    errno = ENOMEM;
    return NULL;
}

static void *take(size_t size_bytes, size_t align_bytes) {
    if (size_bytes > PTRDIFF_MAX || align_bytes > PTRDIFF_MAX / 4)
        return refuse();
    if (lib.server == NULL)
        return note(align_bytes <= ALIGN_BYTES ? __libc_malloc(size_bytes) : __libc_memalign(align_bytes, size_bytes), size_bytes,
                    (struct policy_block){0});
    const uint64_t spare_bytes = align_bytes <= ALIGN_BYTES ? 0 : align_bytes;
    if (size_bytes + spare_bytes > SPACE_BYTES - policy_need_bytes(lib.server))
        return refuse();
    const struct policy_block b = policy_allocate(lib.server, size_bytes + spare_bytes);
    const uintptr_t at = (uintptr_t)lib.space + b.start_bytes;
    return note((void *)(spare_bytes == 0 ? at : (at + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1)), size_bytes, b);
}

static void drop(struct entry *e) {
    const struct entry gone = *e;
    entry_remove(e);
    if (gone.object != 0)
        feed_free(&lib.feed, gone.object);
    if (lib.server != NULL)
        policy_free(lib.server, &gone.placed);
}

/* A pointer that nobody here handed out, as from before this library was loaded, is glibc's. */
static void give(void *p) {
    struct entry *e = entry_find((uintptr_t)p);
    const bool known = e->address != 0;
    if (known)
        drop(e);
    if (lib.server == NULL || !known)
        __libc_free(p);
}

/* ---- the malloc ABI */

void *malloc(size_t size_bytes) {
    lock();
    void *p = take(size_bytes, 0);
    unlock();
    return p;
}

void free(void *p) {
    if (p == NULL)
        return;
    const int kept = errno;
    lock();
    give(p);
    unlock();
    errno = kept;
}

void *calloc(size_t n, size_t size_bytes) {
    size_t total_bytes;
    if (__builtin_mul_overflow(n, size_bytes, &total_bytes) || total_bytes > PTRDIFF_MAX)
        return refuse();
    lock();
    void *p = lib.server == NULL ? note(__libc_calloc(1, total_bytes), total_bytes, (struct policy_block){0}) : take(total_bytes, 0);
    unlock();
    return p != NULL && lib.server != NULL ? memset(p, 0, total_bytes) : p;
}

/* What a policy can resize in place, the models do. A serving one always moves: the new block is there before the old
 * one goes. */
static void *resize(struct entry *e, size_t size_bytes) {
    const struct entry old = *e;
    void *p;
    if (lib.server != NULL) {
        p = take(size_bytes, 0);
        if (p != NULL)
            memcpy(p, (void *)old.address, old.size_bytes < size_bytes ? old.size_bytes : size_bytes);
        if (p != NULL)
            drop(entry_find(old.address));
        return p;
    }
    p = __libc_realloc((void *)old.address, size_bytes);
    if (p == NULL)
        return NULL;
    entry_remove(entry_find(old.address));
    if (old.object != 0)
        feed_resize(&lib.feed, old.object, size_bytes);
    const uint32_t object = old.object == 0 && lib.watching ? feed_allocate(&lib.feed, size_bytes) : old.object;
    entry_add((struct entry){(uintptr_t)p, size_bytes, object, {0}});
    return p;
}

void *realloc(void *p, size_t size_bytes) {
    if (p == NULL)
        return malloc(size_bytes);
    if (size_bytes == 0) {
        free(p);
        return NULL;
    }
    if (size_bytes > PTRDIFF_MAX)
        return refuse();
    lock();
    struct entry *e = entry_find((uintptr_t)p);
    void *moved = e->address != 0 ? resize(e, size_bytes) : __libc_realloc(p, size_bytes);
    unlock();
    return moved;
}

void *memalign(size_t align_bytes, size_t size_bytes) {
    size_t align = ALIGN_BYTES;
    while (align < align_bytes && align <= PTRDIFF_MAX / 4)
        align *= 2; /* glibc's memalign takes any number, too */
    lock();
    void *p = take(size_bytes, align);
    unlock();
    return p;
}

void *aligned_alloc(size_t align_bytes, size_t size_bytes) {
    if (align_bytes == 0 || (align_bytes & (align_bytes - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return memalign(align_bytes, size_bytes);
}

void *valloc(size_t size_bytes) {
    return memalign(PAGE_BYTES, size_bytes);
}

void *pvalloc(size_t size_bytes) {
    return size_bytes > PTRDIFF_MAX ? refuse() : memalign(PAGE_BYTES, (size_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES);
}

int posix_memalign(void **out, size_t align_bytes, size_t size_bytes) {
    if (align_bytes < sizeof(void *) || (align_bytes & (align_bytes - 1)) != 0)
        return EINVAL;
    const int kept = errno;
    void *p = memalign(align_bytes, size_bytes);
    errno = kept;
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

size_t malloc_usable_size(void *p) {
    if (p == NULL)
        return 0;
    lock();
    const size_t size_bytes = entry_find((uintptr_t)p)->size_bytes;
    unlock();
    return size_bytes;
}

/* ---- the table at the end */

static void tell_stream(int fd, const struct feed_figures *f) {
    dprintf(fd,
            "spanlab: policies for %s (%ld): %lu allocations; most live %lu bytes in %lu blocks\n"
            "  policy        needs, bytes   over live%s\n",
            program_invocation_short_name, (long)getpid(), f->allocations, f->live_bytes, f->live_blocks,
            lib.seed != 0 ? "   shuffled" : "");
}

static void tell(int fd) {
    const struct feed_figures f = feed_figures(&lib.feed);
    struct feed_figures other = {0};
    if (f.allocations == 0)
        return;
    if (lib.seed != 0)
        other = feed_shuffled(&lib.feed, &lib.options, lib.seed);
    tell_stream(fd, &f);
    for (int i = 0; i < POLICY_KINDS; i++) {
        const enum policy_kind kind = (enum policy_kind)i;
        dprintf(fd, "  %-11s %14lu %11.3f", policy_name(kind), f.need_bytes[kind], feed_over_live(&f, kind));
        dprintf(fd, lib.seed != 0 ? "%11.3f\n" : "\n", feed_over_live(&other, kind));
    }
    if (lib.seed != 0)
        dprintf(fd, "  Kendall's tau of the two orders: %.3f\n", feed_tau(&f, &other));
}

static void write_record(void) {
    const int fd = open(lib.record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !feed_write(&lib.feed, fd))
        dprintf(lib.error_fd, "spanlab: policy: cannot write the stream to %s: %s\n", lib.record, strerror(errno));
    if (fd >= 0)
        close(fd);
}

__attribute__((destructor)) static void at_exit(void) {
    lock();
    const bool wanted = lib.watching && !lib.told;
    lib.watching = false; /* what is said below is no part of the stream */
    unlock();
    if (!wanted)
        return;
    if (lib.record != NULL)
        write_record();
    const int fd = lib.out != NULL ? open(lib.out, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : lib.error_fd;
    tell(fd >= 0 ? fd : lib.error_fd);
}

/* Programs close standard error before destructors run. */
__attribute__((constructor)) static void at_start(void) {
    const int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, SPARE_FD);
    lib.error_fd = fd >= 0 ? fd : STDERR_FILENO;
    pthread_atfork(lock, unlock, unlock);
}

/* ---- for whoever measures: variants/peers/policy.c */

void spanlab_policy_watch(int how);
int spanlab_policy_figure(size_t i, char *name, size_t size, double *value);
int spanlab_policy_knob(const char *name, char *out, size_t size);

/* 0: calls are not watched, and figures are those of now; 1: they are watched again; 2: they are from now on, and nothing
 * before counts. */
void spanlab_policy_watch(int how) {
    lock();
    if (how == 0)
        lib.figures = feed_figures(&lib.feed);
    lib.told = true;
    lib.watching = how != 0 && lib.server == NULL;
    for (size_t i = 0; how == 2 && i < lib.entries.count; i++)
        entry_at(i)->object = 0;
    if (how == 2) {
        feed_end(&lib.feed);
        feed_begin(&lib.feed, &lib.options, lib.seed != 0);
    }
    unlock();
}

enum { STREAM_FIGURES = 5, POLICY_FIGURES = 4 };

static double holes_per_block(const struct feed_figures *f, enum policy_kind kind) {
    return kind <= POLICY_SEGREGATED && f->end_blocks > 0 ? (double)f->end_holes[kind] / (double)f->end_blocks : NAN;
}

/* The i-th figure; NAN where there is none. -1: past the last. */
int spanlab_policy_figure(size_t i, char *name, size_t size, double *value) {
    static struct feed_figures other;
    const struct feed_figures f = lib.figures;
    static const char *const stream[STREAM_FIGURES] = {"allocations", "live_bytes", "live_blocks", "end_blocks", "tau"};
    static const char *const of_policy[POLICY_FIGURES] = {"bytes", "over_live", "shuffled_over_live", "holes_per_block"};
    if (lib.server != NULL || i >= STREAM_FIGURES + POLICY_KINDS * POLICY_FIGURES)
        return -1;
    if (i == 0)
        other = lib.seed != 0 ? feed_shuffled(&lib.feed, &lib.options, lib.seed) : (struct feed_figures){0};
    if (i < STREAM_FIGURES) {
        const double values[STREAM_FIGURES] = {(double)f.allocations, (double)f.live_bytes, (double)f.live_blocks,
                                               (double)f.end_blocks, lib.seed != 0 ? feed_tau(&f, &other) : NAN};
        snprintf(name, size, "%s", stream[i]);
        *value = values[i];
        return 0;
    }
    const enum policy_kind kind = (enum policy_kind)((i - STREAM_FIGURES) / POLICY_FIGURES);
    const size_t which = (i - STREAM_FIGURES) % POLICY_FIGURES;
    const double values[POLICY_FIGURES] = {(double)f.need_bytes[kind], feed_over_live(&f, kind),
                                           lib.seed != 0 ? feed_over_live(&other, kind) : NAN, holes_per_block(&f, kind)};
    snprintf(name, size, "%s_%s", policy_name(kind), of_policy[which]);
    *value = values[which];
    return 0;
}

int spanlab_policy_knob(const char *name, char *out, size_t size) {
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"round", lib.options.round_bytes}, {"split", lib.options.split_bytes}, {"run", lib.options.run_bytes},
                   {"line", lib.options.line_bytes},   {"shuffle", lib.seed}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0)
            return snprintf(out, size, "%lu", numbers[i].value) < 0 ? -1 : 0;
    if (strcmp(name, "resize") == 0)
        return snprintf(out, size, "%s", lib.options.resize_moves ? "move" : "place") < 0 ? -1 : 0;
    if (strcmp(name, "serve") != 0)
        return -1;
    const char *server = getenv("SPANLAB_POLICY_SERVE");
    snprintf(out, size, "%s", lib.server != NULL && server != NULL ? server : "glibc");
    return 0;
}
