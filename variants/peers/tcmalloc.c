/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "peer_symbol.h"

#include <stdlib.h>

static uint64_t property(const char *name) {
    size_t value = 0;
    int (*get)(const char *, size_t *) = PEER_CALL(int, "MallocExtension_GetNumericProperty", (const char *, size_t *));
    return get != NULL && get(name, &value) != 0 ? value : PEER_NA;
}

static int version(char *out, size_t size) {
    int major, minor;
    const char *patch = "";
    const char *(*tell)(int *, int *, const char **) = PEER_CALL(const char *, "tc_version", (int *, int *, const char **));
    if (tell == NULL)
        return -1;
    snprintf(out, size, "%s", tell(&major, &minor, &patch));
    return 0;
}

static int read_knob(const char *name, char *out, size_t size) {
    uint64_t value = PEER_NA;
    if (strcmp(name, "max_total_thread_cache_bytes") == 0)
        value = property("tcmalloc.max_total_thread_cache_bytes");
    else if (strcmp(name, "aggressive_decommit") == 0)
        value = property("tcmalloc.aggressive_memory_decommit");
    if (value == PEER_NA)
        return -1;
    snprintf(out, size, "%llu", (unsigned long long)value);
    return 0;
}

static int counters(struct peer_counters *out) {
    uint64_t central = property("tcmalloc.central_cache_free_bytes"), transfer = property("tcmalloc.transfer_cache_free_bytes");
    uint64_t thread = property("tcmalloc.thread_cache_free_bytes"), pages = property("tcmalloc.pageheap_free_bytes");
    out->allocated_bytes = property("generic.current_allocated_bytes");
    if (out->allocated_bytes == PEER_NA)
        return -1;
    out->free_in_span_bytes = central;
    out->cached_bytes = transfer + thread + pages;
    out->lazy_bytes = 0;
    uint64_t heap = property("generic.heap_size"), unmapped = property("tcmalloc.pageheap_unmapped_bytes");
    out->committed_bytes = heap - unmapped;
    /* Its records are outside heap_size and have no counter in the minimal build: n/a stays. */
    return 0;
}

static void purge(void) {
    void (*thread)(void) = PEER_CALL(void, "MallocExtension_MarkThreadIdle", (void));
    void (*release)(void) = PEER_CALL(void, "MallocExtension_ReleaseFreeMemory", (void));
    if (thread != NULL)
        thread();
    if (release != NULL)
        release();
}

static const char *const libraries[] = {"libtcmalloc_minimal.so.4", NULL};
static const struct peer_knob knobs[] = {
    {"max_total_thread_cache_bytes", "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES", "%s", NULL, "bytes that all thread caches share"},
    {"aggressive_decommit", "TCMALLOC_AGGRESSIVE_DECOMMIT", "%s", NULL, "1: give freed spans back at once"},
    {0},
};

PEER(tcmalloc) = {
    .name = "tcmalloc",
    .summary = "tcmalloc of gperftools, minimal build",
    .package = "libtcmalloc-minimal4",
    .libraries = libraries,
    .knobs = knobs,
    .version = version,
    .read_knob = read_knob,
    .counters = counters,
    .purge = purge,
};
