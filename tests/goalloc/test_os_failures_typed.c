/* SPDX-License-Identifier: MIT
 * The traced build when the OS refuses: each mmap, mprotect and madvise in turn. A build that collects is told not to:
 * no root keeps the objects of the script, which just forgets them at its end. */
#include "unity_traced.h"

#include "os_failures.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

struct pair {
    struct pair *left;
    uint64_t value;
};
static const struct goalloc_type pair_type = {sizeof(struct pair), 1, NULL};

static void require_known(const struct object_known *o) {
    struct goalloc_object found = {0};
    require(goalloc_object_of(o->p + o->size - 1, &found), "no object at %p", o->p);
    require((unsigned char *)found.base <= o->p && o->p + o->size <= (unsigned char *)found.base + found.size_bytes,
            "the object at %p has other bounds", o->p);
}

static void take(size_t size) {
    ask();
    unsigned char *p = goalloc_bytes(size, size % 2 == 0);
    if (p != NULL && size % 2 == 0)
        require_zero(p, size);
    struct object_known *o = granted(p, size);
    if (o != NULL)
        require_known(o);
}

static void take_typed(size_t n) {
    ask();
    struct pair *p = goalloc_new(&pair_type, n);
    if (p != NULL)
        require_zero((unsigned char *)p, n * sizeof *p);
    struct object_known *o = granted(p, n * sizeof *p);
    if (o != NULL)
        require_known(o);
}

static void *other_thread(void *arg) {
    (void)arg;
    ask();
    if (!goalloc_thread_attach())
        script.refusals++;
    for (size_t size = 1; size < 100 * KIB; size = size * 2 + 1)
        take(size);
    take_typed(20);
    goalloc_thread_detach();
    return NULL;
}

static void run_script(void) {
    static void *roots[4];
    pthread_t thread;
    ask();
    bool rooted = goalloc_root_add(roots, 4) == 0;
    script.refusals += !rooted;
    for (size_t size = 1; size <= 24; size++)
        take(size);
    for (unsigned c = 1; c < GOALLOC_SIZE_CLASSES; c++) {
        take(gclass_size(c));
        take_typed(gclass_size(c) / 16 + 1);
    }
    take(5 * MIB);
    take_typed(300 * KIB);
    take(70 * MIB);
    require(pthread_create(&thread, NULL, other_thread, NULL) == 0, "no thread");
    pthread_join(thread, NULL);
    goalloc_purge();
    for (unsigned i = 0; i < script.count; i++)
        require_filled(&script.live[i], script.live[i].size, "afterwards");
    if (rooted)
        goalloc_root_remove(roots);
    script.count = 0;
}

static void run_refused(void) {
    for (unsigned i = 0; i < 64; i++)
        goalloc_bytes((size_t)(i % 4 == 0 ? 200 : 20) * MIB, true);
}

static void *take_large(size_t size) {
    return goalloc_bytes(size, true);
}

/* What a collector's sweep would do. */
static void free_large_again(void *p) {
    heap_span_free(NULL, heap_span_of((uintptr_t)p));
}

int main(void) {
    setenv("GOGC", "off", 1);
    return run_os_failure_tests();
}
