/* SPDX-License-Identifier: MIT
 *
 * goalloc's manual builds: one subject for each library in lib/.
 */
#include "goalloc_walk.h"
#include "peer.h"
#include "peer_symbol.h"

#include <stdlib.h>

static int version(char *out, size_t size) {
    const char *(*tell)(void) = PEER_CALL(const char *, "goalloc_version", (void));
    const char *(*axes)(void) = PEER_CALL(const char *, "goalloc_axes", (void));
    if (tell == NULL || axes == NULL)
        return -1;
    snprintf(out, size, "%s (%s)", tell(), axes());
    return 0;
}

static int read_knob(const char *name, char *out, size_t size) {
    int (*read)(const char *, char *, size_t) = PEER_CALL(int, "goalloc_knob", (const char *, char *, size_t));
    return read != NULL ? read(name, out, size) : -1;
}

_Static_assert(sizeof(struct peer_counters) == 9 * sizeof(uint64_t),
               "goalloc_counters fills the fields in their order");

static int counters(struct peer_counters *out) {
    int (*fill)(uint64_t *) = PEER_CALL(int, "goalloc_counters", (uint64_t *));
    return fill != NULL ? fill((uint64_t *)out) : -1;
}

static void purge(void) {
    void (*give_back)(void) = PEER_CALL(void, "goalloc_purge", (void));
    if (give_back != NULL)
        give_back();
}

static int walk(void (*visit)(void *, const struct peer_run *), void *context) {
    int (*own)(void (*)(void *, const struct goalloc_run *), void *) =
        PEER_CALL(int, "goalloc_walk", (void (*)(void *, const struct goalloc_run *), void *));
    return own != NULL ? peer_goalloc_walk(own, visit, context) : -1;
}

static const struct peer_knob knobs[] = {
    {"preset", "GOALLOC_PRESET", "%s", NULL, "tuned (default), or faithful to every decision of Go's"},
    {"huge", "GOALLOC_HUGE", "%s", NULL, "on asks for huge pages above 16 MiB of heap (default off)"},
    {"decay", "GOALLOC_DECAY", "%s", NULL,
     "on (default) gives most of what is free back to the OS, off all of it when asked (malloc_trim, goalloc_purge)"},
    {"fit", "GOALLOC_FIT", "%s", NULL, "list: segregated (default), first, next or best"},
    {"split", "GOALLOC_SPLIT", "%s", NULL, "list: smallest remainder that is split off, bytes (default 16)"},
    {"bin_bounds", "GOALLOC_BIN_BOUNDS", "%s", NULL,
     "list, segregated: exact has a bin a size to 1 KiB, then four to a doubling (default), powers one to a doubling"},
    {"bin_order", "GOALLOC_BIN_ORDER", "%s", NULL,
     "list, segregated: of a bin lifo takes the block freed last (default), address the lowest (Johnstone and Wilson 1998)"},
    {"coalesce", "GOALLOC_COALESCE", "%s", NULL,
     "list: now joins free neighbours at each free, deferred (default when tuned and segregated) when a search fails"},
    {"run", "GOALLOC_RUN", "%s", NULL, "list, linear: bytes of a run (default 65536, 32768)"},
    {"holes", "GOALLOC_HOLES", "%s", NULL,
     "linear: on (default when tuned) bumps through dead lines, off (faithful) waits until a whole run is dead"},
    {"line", "GOALLOC_LINE", "%s", NULL,
     "linear: bytes of a line under holes=on, 16 to 512 (default 16 when tuned, 128 when faithful)"},
    {0},
};

PEER(goalloc) = {
    .name = "goalloc",
    .summary = "goalloc, an allocator after Go's",
    .built_glob = "libgoalloc-manual-*.so",
    .knobs = knobs,
    .version = version,
    .read_knob = read_knob,
    .counters = counters,
    .purge = purge,
    .walk = walk,
};
