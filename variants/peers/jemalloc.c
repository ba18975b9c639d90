/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "peer_symbol.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

typedef int mallctl_function(const char *, void *, size_t *, void *, size_t);

static mallctl_function *mallctl(void) {
    return (mallctl_function *)peer_symbol("mallctl");
}

/* Arena index that stands for all of them (MALLCTL_ARENAS_ALL). */
#define ALL_ARENAS "4096"

static uint64_t read_size(const char *name) {
    size_t value = 0, size = sizeof value;
    mallctl_function *call = mallctl();
    return call != NULL && call(name, &value, &size, NULL, 0) == 0 ? value : PEER_NA;
}

static int version(char *out, size_t size) {
    const char *text = NULL;
    size_t n = sizeof text;
    mallctl_function *call = mallctl();
    if (call == NULL || call("version", &text, &n, NULL, 0) != 0)
        return -1;
    snprintf(out, size, "%s", text);
    return 0;
}

static int read_bool(const char *option, char *out, size_t size) {
    bool value;
    size_t n = sizeof value;
    if (mallctl()(option, &value, &n, NULL, 0) != 0)
        return -1;
    snprintf(out, size, "%s", value ? "true" : "false");
    return 0;
}

static int read_knob(const char *name, char *out, size_t size) {
    if (mallctl() == NULL)
        return -1;
    if (strcmp(name, "background_thread") == 0)
        return read_bool("opt.background_thread", out, size);
    if (strcmp(name, "tcache") == 0)
        return read_bool("opt.tcache", out, size);
    if (strcmp(name, "narenas") == 0) {
        unsigned value;
        size_t n = sizeof value;
        if (mallctl()("opt.narenas", &value, &n, NULL, 0) != 0)
            return -1;
        return snprintf(out, size, "%u", value) > 0 ? 0 : -1;
    }
    if (strcmp(name, "dirty_decay_ms") == 0 || strcmp(name, "muzzy_decay_ms") == 0) {
        char option[64];
        ssize_t value;
        size_t n = sizeof value;
        snprintf(option, sizeof option, "opt.%s", name);
        if (mallctl()(option, &value, &n, NULL, 0) != 0)
            return -1;
        return snprintf(out, size, "%zd", value) > 0 ? 0 : -1;
    }
    return -1;
}

static int counters(struct peer_counters *out) {
    uint64_t epoch = 1;
    size_t n = sizeof epoch;
    if (mallctl() == NULL || mallctl()("epoch", &epoch, &n, &epoch, sizeof epoch) != 0)
        return -1;
    /* What a thread's cache holds counts as allocated there; it is free memory kept. */
    uint64_t allocated = read_size("stats.allocated"), active = read_size("stats.active");
    uint64_t tcache = read_size("stats.arenas." ALL_ARENAS ".tcache_bytes");
    uint64_t dirty = read_size("stats.arenas." ALL_ARENAS ".pdirty"), page = read_size("arenas.page");
    uint64_t muzzy = read_size("stats.arenas." ALL_ARENAS ".pmuzzy");
    if (allocated == PEER_NA)
        return -1;
    out->allocated_bytes = tcache == PEER_NA || tcache > allocated ? allocated : allocated - tcache;
    out->free_in_span_bytes = active == PEER_NA ? PEER_NA : active - allocated;
    out->cached_bytes = dirty == PEER_NA || tcache == PEER_NA ? PEER_NA : dirty * page + tcache;
    out->metadata_bytes = read_size("stats.metadata");
    out->lazy_bytes = muzzy == PEER_NA ? PEER_NA : muzzy * page;
    out->committed_bytes = read_size("stats.resident");
    return 0;
}

static void purge(void) {
    if (mallctl() == NULL)
        return;
    mallctl()("thread.tcache.flush", NULL, NULL, NULL, 0);
    mallctl()("arena." ALL_ARENAS ".purge", NULL, NULL, NULL, 0);
}

static const char *const libraries[] = {"libjemalloc.so.2", NULL};
static const struct peer_knob knobs[] = {
    {"dirty_decay_ms", "MALLOC_CONF", "dirty_decay_ms:%s", ",", "ms until unused dirty pages are purged; -1 never"},
    {"muzzy_decay_ms", "MALLOC_CONF", "muzzy_decay_ms:%s", ",", "ms until lazily freed pages are purged; -1 never"},
    {"narenas", "MALLOC_CONF", "narenas:%s", ",", "number of arenas"},
    {"tcache", "MALLOC_CONF", "tcache:%s", ",", "thread caches: true or false"},
    {"background_thread", "MALLOC_CONF", "background_thread:%s", ",", "purge in a thread: true or false"},
    {0},
};

PEER(jemalloc) = {
    .name = "jemalloc",
    .summary = "jemalloc, Debian's build",
    .package = "libjemalloc2",
    .libraries = libraries,
    .knobs = knobs,
    .version = version,
    .read_knob = read_knob,
    .counters = counters,
    .purge = purge,
};
