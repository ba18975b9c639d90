/* SPDX-License-Identifier: MIT
 * The manual build when the OS refuses, of each placement: each mmap, mprotect and madvise in turn. */
#include "unity_manual.h"

#include "os_failures.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static void give_back(unsigned i) {
    if (script.count == 0)
        return; /* all was refused */
    struct object_known o = script.live[i];
    require_filled(&o, o.size, "free");
    script.live[i] = script.live[--script.count];
    goalloc_free(o.p);
}

static void take(size_t size) {
    ask();
    struct object_known *o = granted(goalloc_malloc(size), size);
    require(o == NULL || goalloc_usable_size(o->p) >= size, "usable size is less than %zu", size);
}

static void take_aligned(size_t align, size_t size) {
    ask();
    struct object_known *o = granted(goalloc_aligned_alloc(align, size), size);
    require(o == NULL || (uintptr_t)o->p % align == 0, "misaligned");
    void *out = NULL;
    ask();
    int error = goalloc_posix_memalign(&out, align, size);
    require(errno == 0 && (error == 0 || error == ENOMEM) && (error == 0) == (out != NULL), "posix_memalign says %d",
            error);
    errno = ENOMEM;
    granted(out, size);
}

static void take_cleared(size_t size) {
    ask();
    void *p = goalloc_calloc(1, size);
    if (p != NULL)
        require_zero(p, size);
    granted(p, size);
}

/* Refused, the object is as it was; granted, its contents have come along. */
static void resize_last(size_t size) {
    if (script.count == 0)
        return;
    struct object_known o = script.live[script.count - 1];
    ask();
    unsigned char *p = goalloc_realloc(o.p, size);
    if (p == NULL) {
        require(errno == ENOMEM, "realloc to %zu refused with errno %d", size, errno);
        require_filled(&o, o.size, "realloc that was refused");
        script.refusals++;
        return;
    }
    struct object_known moved = {p, o.size, o.tag};
    require_filled(&moved, o.size < size ? o.size : size, "realloc");
    script.count--;
    granted(p, size);
}

/* Objects of the main thread die here, and those of this thread outlive it. */
static void *other_thread(void *arg) {
    (void)arg;
    for (unsigned i = 0; i < script.count; i += 3)
        give_back(i);
    for (size_t size = 1; size < 100 * KIB; size = size * 2 + 1)
        take(size);
    take_cleared(300 * KIB);
    return NULL;
}

static void run_script(void) {
    pthread_t thread;
    for (size_t size = 1; size <= 24; size++)
        take(size);
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++)
        take(gclass_size(c));
    take(5 * MIB);
    take(70 * MIB); /* more than an arena */
    for (size_t align = 16; align <= 32 * MIB; align *= 8)
        take_aligned(align, align + 100);
    take(10);
    for (size_t size = 100; size < 2 * MIB; size *= 20)
        resize_last(size + size / 3);
    resize_last(40 * MIB);
    resize_last(300 * KIB);
    resize_last(100);
    give_back(script.count / 2);
    take_cleared(100);
    take_cleared(2 * MIB);
    require(pthread_create(&thread, NULL, other_thread, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    goalloc_purge();
    take_cleared(5 * MIB);
    for (unsigned i = 0; i < script.count; i++)
        require_filled(&script.live[i], script.live[i].size, "afterwards");
    while (script.count > 0)
        give_back(script.count / 2);
    goalloc_purge();
}

static void run_refused(void) {
    void *p[64];
    unsigned n = 0;
    for (unsigned i = 0; i < 64; i++)
        if ((p[n] = goalloc_malloc((size_t)(i % 4 == 0 ? 200 : 20) * MIB)) != NULL)
            n++;
    while (n > 0)
        goalloc_free(p[--n]);
}

/* Cleared, so that what was given back shows. */
static void *take_large(size_t size) {
    return goalloc_calloc(1, size);
}

static void free_large_again(void *p) {
    goalloc_free(p);
}

int main(void) {
    return run_os_failure_tests();
}
