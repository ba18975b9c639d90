/* SPDX-License-Identifier: MIT
 *
 * bdwgc: the Boehm-Demers-Weiser conservative collector, Debian's build: parallel marking, stop-the-world.
 * pkg-config: bdw-gc
 */
#define SPANLAB_HEAP_HEADER "heap-bdwgc.h"
#include "heap.h"
#include "traced.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int bdwgc_typed;
static int interior = 1;
static pthread_once_t begun = PTHREAD_ONCE_INIT;
static __thread int registered;

/* 0 or 1 from the environment; anything else ends the process before it measures what was not asked for. */
static int setting(const char *variable, int otherwise) {
    const char *value = getenv(variable);
    if (value == NULL || *value == '\0')
        return otherwise;
    if ((value[0] != '0' && value[0] != '1') || value[1] != '\0') {
        fprintf(stderr, "bdwgc: %s is '%s': set it to 0 or 1\n", variable, value);
        exit(2);
    }
    return value[0] - '0';
}

/* ---- what it does: its events tell when the world stops. The collecting thread calls, the allocator's lock held; the
 * count is stored behind the entry, and readers leave out what may have been overwritten meanwhile. */

enum { PAUSES = 8192 };
static struct {
    uint64_t written;  /* atomic */
    uint64_t total_ns; /* atomic */
    uint64_t begun_ns;
    struct traced_pause log[PAUSES];
} stops;

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void on_event(GC_EventType event) {
    if (event == GC_EVENT_PRE_STOP_WORLD)
        stops.begun_ns = now_ns();
    if (event != GC_EVENT_POST_START_WORLD)
        return;
    uint64_t length_ns = now_ns() - stops.begun_ns;
    struct traced_pause *entry = &stops.log[stops.written % PAUSES];
    __atomic_store_n(&entry->begun_ns, stops.begun_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->length_ns, length_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&stops.total_ns, stops.total_ns + length_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&stops.written, stops.written + 1, __ATOMIC_RELEASE);
}

static int gc(struct traced_gc *out) {
    memset(out, 0xff, sizeof *out); /* PEER_NA */
    out->cycles = GC_get_gc_no();
    out->pauses = __atomic_load_n(&stops.written, __ATOMIC_ACQUIRE);
    out->pause_ns = __atomic_load_n(&stops.total_ns, __ATOMIC_RELAXED);
    out->full_wall_ns = (uint64_t)GC_get_full_gc_total_time() * 1000000; /* it counts milliseconds */
    return 0;
}

static uint64_t oldest(uint64_t written) {
    return written < PAUSES ? 0 : written - PAUSES + 1;
}

static size_t pauses(uint64_t first, struct traced_pause *out, size_t count, uint64_t *copied_first) {
    uint64_t written = __atomic_load_n(&stops.written, __ATOMIC_ACQUIRE);
    first = first < oldest(written) ? oldest(written) : first > written ? written : first;
    count = count < written - first ? count : written - first;
    for (size_t i = 0; i < count; i++) {
        out[i].begun_ns = __atomic_load_n(&stops.log[(first + i) % PAUSES].begun_ns, __ATOMIC_ACQUIRE);
        out[i].length_ns = __atomic_load_n(&stops.log[(first + i) % PAUSES].length_ns, __ATOMIC_ACQUIRE);
    }
    uint64_t late = oldest(__atomic_load_n(&stops.written, __ATOMIC_RELAXED));
    size_t torn = late <= first ? 0 : late - first < count ? late - first : count;
    memmove(out, out + torn, (count - torn) * sizeof *out);
    *copied_first = first + torn;
    return count - torn;
}

static void begin(void) {
    bdwgc_typed = setting("SPANLAB_BDWGC_TYPED", 0);
    interior = setting("SPANLAB_BDWGC_INTERIOR", 1);
    GC_set_all_interior_pointers(interior);
    GC_INIT();
    GC_set_on_collection_event(on_event);
    GC_start_performance_measurement();
    GC_allow_register_threads();
    GC_start_mark_threads(); /* otherwise it waits for a thread that it makes itself */
}

void bdwgc_attach(void) {
    struct GC_stack_base base;
    pthread_once(&begun, begin);
    if (registered || GC_thread_is_registered())
        return; /* the thread that began is known already */
    if (GC_get_stack_base(&base) != GC_SUCCESS || GC_register_my_thread(&base) != GC_SUCCESS)
        abort();
    registered = 1;
}

void bdwgc_detach(void) {
    if (registered)
        GC_unregister_my_thread();
    registered = 0;
}

/* A workload has a handful of types; they are looked up by what they say. */
GC_descr bdwgc_descriptor(const heap_type *type) {
    enum { KNOWN = 64 };
    static __thread struct {
        size_t size_bytes;
        uint64_t pointer_mask;
        GC_descr descriptor;
    } known[KNOWN];
    unsigned i = 0;
    for (; i < KNOWN - 1 && known[i].size_bytes != 0; i++)
        if (known[i].size_bytes == type->size_bytes && known[i].pointer_mask == type->pointer_mask)
            return known[i].descriptor;
    GC_word bitmap[64] = {type->pointer_mask};
    known[i].size_bytes = type->size_bytes;
    known[i].pointer_mask = type->pointer_mask;
    known[i].descriptor = GC_make_descriptor(bitmap, type->size_bytes / sizeof(GC_word));
    return known[i].descriptor;
}

static int read_knob(const char *name, char *out, size_t size) {
    bdwgc_attach(); /* before it begins it has read nothing of the environment */
    if (strcmp(name, "typed") == 0)
        snprintf(out, size, "%d", bdwgc_typed);
    else if (strcmp(name, "interior") == 0)
        snprintf(out, size, "%d", GC_get_all_interior_pointers());
    else if (strcmp(name, "divisor") == 0)
        snprintf(out, size, "%lu", (unsigned long)GC_get_free_space_divisor());
    else if (strcmp(name, "markers") == 0)
        snprintf(out, size, "%d", GC_get_parallel() + 1);
    else
        return -1;
    return 0;
}

static const char *identity(void) {
    return "bdwgc";
}

static int version(char *out, size_t size) {
    unsigned v = GC_get_version();
    snprintf(out, size, "%u.%u.%u", v >> 16, v >> 8 & 0xff, v & 0xff);
    return 0;
}

static int counters(struct peer_counters *out) {
    struct GC_prof_stats_s s;
    memset(out, 0xff, sizeof *out); /* PEER_NA */
    if (GC_get_prof_stats(&s, sizeof s) < sizeof s)
        return -1;
    out->committed_bytes = s.heapsize_full - s.unmapped_bytes;
    out->cached_bytes = s.free_bytes_full - s.unmapped_bytes;
    out->allocated_bytes = out->committed_bytes - out->cached_bytes;
    return 0;
}

static const struct peer_knob knobs[] = {
    {"typed", "SPANLAB_BDWGC_TYPED", "%s", NULL, "1: objects are scanned by their types (default 0: conservatively)"},
    {"interior", "SPANLAB_BDWGC_INTERIOR", "%s", NULL, "0: only pointers to an object's start keep it (default 1)"},
    {"divisor", "GC_FREE_SPACE_DIVISOR", "%s", NULL, "larger: collects more often, smaller heap (default 3)"},
    {"markers", "GC_MARKERS", "%s", NULL, "marking threads (default: one for each processor)"},
    {0},
};

const struct traced_subject traced_subject = {
    .summary = "the Boehm-Demers-Weiser collector, Debian's build: conservative, parallel, stop-the-world",
    .knobs = knobs,
    .read_knob = read_knob,
    .identity = identity,
    .version = version,
    .counters = counters,
    .gc = gc,
    .pauses = pauses,
};
