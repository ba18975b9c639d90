/* SPDX-License-Identifier: MIT
 *
 * The null library: what a malloc and a free cost that do nothing but bump and return. Memory is never reused, so a run
 * needs as much as it asks for altogether; pages come from the kernel as they are touched. Each thread bumps in a piece
 * of its own.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN_BYTES = 16, HEADER_BYTES = 16, PIECE_BYTES = 64 << 20, PAGE_BYTES = 4096 };

static __thread char *at, *end;

static void *map_piece(size_t size_bytes) {
    void *p = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

static void *refuse(void) {
    errno = ENOMEM;
    return NULL;
}

/* The size lies before the object, for realloc. */
static void *place(char *p, size_t size_bytes) {
    *(size_t *)(p - HEADER_BYTES) = size_bytes;
    return p;
}

static void *new_piece(size_t size_bytes, size_t align_bytes) {
    if (size_bytes > PTRDIFF_MAX - 2 * PIECE_BYTES || align_bytes > PTRDIFF_MAX / 4)
        return refuse();
    size_t need_bytes = size_bytes + align_bytes + HEADER_BYTES;
    size_t piece_bytes = need_bytes > PIECE_BYTES ? (need_bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1) : PIECE_BYTES;
    char *piece = map_piece(piece_bytes);
    if (piece == NULL)
        return refuse();
    at = piece;
    end = piece + piece_bytes;
    char *p = (char *)(((uintptr_t)at + HEADER_BYTES + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1));
    at = p + ((size_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1));
    return place(p, size_bytes);
}

static void *bump(size_t size_bytes, size_t align_bytes) {
    char *p = (char *)(((uintptr_t)at + HEADER_BYTES + align_bytes - 1) & ~(uintptr_t)(align_bytes - 1));
    if (at == NULL || p > end || size_bytes > (size_t)(end - p))
        return new_piece(size_bytes, align_bytes);
    at = p + ((size_bytes + ALIGN_BYTES - 1) & ~(size_t)(ALIGN_BYTES - 1));
    if (at > end)
        return new_piece(size_bytes, align_bytes);
    return place(p, size_bytes);
}

void *malloc(size_t size_bytes);
void *calloc(size_t n, size_t size_bytes);
void *realloc(void *p, size_t size_bytes);
void free(void *p);
void *aligned_alloc(size_t align_bytes, size_t size_bytes);
void *memalign(size_t align_bytes, size_t size_bytes);
int posix_memalign(void **out, size_t align_bytes, size_t size_bytes);
size_t malloc_usable_size(void *p);

void *malloc(size_t size_bytes) {
    return bump(size_bytes, ALIGN_BYTES);
}

void free(void *p) {
    (void)p;
}

void *calloc(size_t n, size_t size_bytes) {
    size_t total_bytes;
    if (__builtin_mul_overflow(n, size_bytes, &total_bytes))
        return refuse();
    return bump(total_bytes, ALIGN_BYTES); /* fresh from the kernel, and never used before */
}

void *realloc(void *p, size_t size_bytes) {
    if (p == NULL)
        return malloc(size_bytes);
    size_t old_bytes = malloc_usable_size(p);
    if (size_bytes <= old_bytes)
        return p;
    void *moved = malloc(size_bytes);
    return moved == NULL ? NULL : memcpy(moved, p, old_bytes);
}

void *aligned_alloc(size_t align_bytes, size_t size_bytes) {
    return bump(size_bytes, align_bytes < ALIGN_BYTES ? ALIGN_BYTES : align_bytes);
}

void *memalign(size_t align_bytes, size_t size_bytes) {
    return aligned_alloc(align_bytes, size_bytes);
}

int posix_memalign(void **out, size_t align_bytes, size_t size_bytes) {
    if (align_bytes < sizeof(void *) || (align_bytes & (align_bytes - 1)) != 0)
        return EINVAL;
    void *p = aligned_alloc(align_bytes, size_bytes);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

size_t malloc_usable_size(void *p) {
    return p == NULL ? 0 : *(size_t *)((char *)p - HEADER_BYTES);
}
