/* SPDX-License-Identifier: MIT
 *
 * faulty: a plain allocator that is right unless the variable FAULTY names one of its faults. It tests the tests: with
 * no fault conformance and stress must pass on it, with each fault they must fail. Power-of-two blocks behind a header,
 * one lock. A fault strikes only requests of some sizes, which libc hardly makes, so that the report itself survives.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct header {
    size_t block_bytes; /* of the whole block, a power of two */
    void *block;        /* its start: the header follows it, farther away when the request was aligned */
};

enum { HEADER_BYTES = sizeof(struct header), CLASSES = 48, DIRECT_CLASS = 20, CHUNK_BYTES = 4 << 20 };

static void *free_lists[CLASSES];
static void *served[CLASSES]; /* given out and, by the fault double-serve, about to be given out again */
static char *chunk, *chunk_end;
static bool lock;
static const char *fault; /* NULL until the constructor has run */
static unsigned strikes;

static void lock_heap(void) {
    for (unsigned spins = 1; __atomic_test_and_set(&lock, __ATOMIC_ACQUIRE); spins++)
        if (spins % 64 != 0)
            __builtin_ia32_pause();
        else
            sched_yield(); /* the holder may wait for this processor */
}

static void unlock_heap(void) {
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

__attribute__((constructor)) static void choose_fault(void) {
    fault = getenv("FAULTY");
    pthread_atfork(lock_heap, unlock_heap, unlock_heap);
}

/* Every fourth request of the sizes that faults strike. */
static bool strikes_here(const char *name, size_t size) {
    if (fault == NULL || strcmp(fault, name) != 0 || size < 100 || size % 7 != 3)
        return false;
    return __atomic_fetch_add(&strikes, 1, __ATOMIC_RELAXED) % 4 == 0;
}

static void *map(size_t size) {
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p != MAP_FAILED ? p : NULL;
}

static void *take_block(unsigned class, bool serve_again) {
    size_t size = (size_t)1 << class;
    if (class >= DIRECT_CLASS)
        return map(size);
    lock_heap();
    void *block = served[class];
    if (block != NULL) {
        served[class] = NULL;
    } else if ((block = free_lists[class]) != NULL) {
        free_lists[class] = *(void **)block;
    } else {
        if (chunk_end - chunk < (ptrdiff_t)size)
            chunk_end = (chunk = map(CHUNK_BYTES)) != NULL ? chunk + CHUNK_BYTES : NULL;
        block = chunk;
        if (chunk != NULL)
            chunk += size;
    }
    if (serve_again)
        served[class] = block;
    unlock_heap();
    return block;
}

static void *allocate(size_t align, size_t size) {
    if (strikes_here("align", size))
        align = 16;
    if (align < 16)
        align = 16;
    size_t claimed = size + HEADER_BYTES + align;
    unsigned class = 6;
    if (size <= PTRDIFF_MAX && claimed <= PTRDIFF_MAX && claimed > size)
        while ((size_t)1 << class < claimed)
            class ++;
    else if (fault == NULL || strcmp(fault, "absurd") != 0)
        class = CLASSES;
    bool served_twice = strikes_here("double-serve", size);
    bool overlapping = strikes_here("overlap", size) && class < DIRECT_CLASS;
    char *block = class < CLASSES ? take_block(overlapping ? class - 1 : class, served_twice) : NULL;
    if (block == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    char *p = (char *)(((uintptr_t)block + HEADER_BYTES + align - 1) & ~(align - 1));
    if (strikes_here("misalign", size))
        p += 8;
    struct header h = {(size_t)1 << class, block};
    memcpy(p - HEADER_BYTES, &h, sizeof h);
    return p;
}

static struct header header_of(const void *p) {
    struct header h;
    memcpy(&h, (const char *)p - HEADER_BYTES, sizeof h);
    return h;
}

static unsigned class_of(size_t block_bytes) {
    return (unsigned)__builtin_ctzl(block_bytes);
}

void *malloc(size_t size) {
    return allocate(16, size);
}

void free(void *p) {
    if (p == NULL)
        return;
    struct header h = header_of(p);
    int saved_errno = errno;
    if (class_of(h.block_bytes) >= DIRECT_CLASS)
        munmap(h.block, h.block_bytes);
    else {
        lock_heap();
        *(void **)h.block = free_lists[class_of(h.block_bytes)];
        free_lists[class_of(h.block_bytes)] = h.block;
        unlock_heap();
    }
    errno = fault != NULL && strcmp(fault, "errno") == 0 ? EBUSY : saved_errno;
}

size_t malloc_usable_size(void *p) {
    if (p == NULL)
        return 0;
    struct header h = header_of(p);
    size_t usable = h.block_bytes - (size_t)((char *)p - (char *)h.block);
    bool lies = fault != NULL && strcmp(fault, "usable") == 0 && h.block_bytes == 1024;
    return lies ? usable + 40 : usable; /* reaches into the next block */
}

void *calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = allocate(16, total);
    if (p != NULL && !strikes_here("dirty", total))
        memset(p, 0, total);
    return p;
}

void *realloc(void *p, size_t size) {
    if (p == NULL)
        return malloc(size);
    if (size == 0) {
        free(p);
        return NULL;
    }
    size_t usable = malloc_usable_size(p);
    void *moved = allocate(16, size);
    if (moved == NULL)
        return NULL;
    size_t kept = usable < size ? usable : size;
    memcpy(moved, p, strikes_here("forget", size) ? kept / 2 : kept);
    free(p);
    return moved;
}

void *aligned_alloc(size_t align, size_t size) {
    if (align == 0 || (align & (align - 1)) != 0) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(align, size);
}

int posix_memalign(void **out, size_t align, size_t size) {
    if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0)
        return EINVAL;
    void *p = allocate(align, size);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}
