/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "peer_symbol.h"

#include <stdbool.h>
#include <stdlib.h>

/* mi_heap_area_t of mimalloc 2.0: what mi_heap_visit_blocks shows of each page of the calling thread's heap. */
struct area {
    void *blocks;
    size_t reserved, committed, used, block_size, full_block_size;
};

static int version(char *out, size_t size) {
    int (*tell)(void) = PEER_CALL(int, "mi_version", (void));
    if (tell == NULL)
        return -1;
    int v = tell(); /* 209 is 2.0.9 */
    snprintf(out, size, "%d.%d.%d", v / 100, v / 10 % 10, v % 10);
    return 0;
}

static bool add_area(const void *heap, const struct area *area, void *block, size_t block_size, void *sum) {
    (void)heap, (void)block, (void)block_size;
    struct peer_counters *out = sum;
    out->allocated_bytes += area->used * area->block_size;
    out->free_in_span_bytes += area->committed - area->used * area->block_size;
    return true;
}

/* Only the calling thread's heap can be walked, so with threads of its own a process's objects are partly n/a: then
 * nothing is claimed. */
static int counters(struct peer_counters *out) {
    typedef bool visit_function(const void *, const struct area *, void *, size_t, void *);
    bool (*visit)(void *, bool, visit_function *, void *) =
        PEER_CALL(bool, "mi_heap_visit_blocks", (void *, bool, visit_function *, void *));
    void *(*heap)(void) = PEER_CALL(void *, "mi_heap_get_default", (void));
    void (*info)(size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *) =
        PEER_CALL(void, "mi_process_info",
                  (size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *, size_t *));
    if (visit == NULL || heap == NULL || info == NULL)
        return -1;
    out->allocated_bytes = out->free_in_span_bytes = 0;
    visit(heap(), false, add_area, out);
    size_t ignored[7], committed = 0;
    info(&ignored[0], &ignored[1], &ignored[2], &ignored[3], &ignored[4], &committed, &ignored[5], &ignored[6]);
    out->committed_bytes = committed;
    return 0;
}

static void purge(void) {
    void (*collect)(bool) = PEER_CALL(void, "mi_collect", (bool));
    if (collect != NULL)
        collect(true);
}

static const char *const libraries[] = {"libmimalloc.so.2", NULL};

PEER(mimalloc) = {
    .name = "mimalloc",
    .summary = "mimalloc, Debian's build",
    .package = "libmimalloc2.0",
    .libraries = libraries,
    .version = version,
    .counters = counters,
    .purge = purge,
};
