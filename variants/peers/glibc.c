/* SPDX-License-Identifier: MIT */
#include "peer.h"
#include "peer_symbol.h"

#include <gnu/libc-version.h>
#include <malloc.h>
#include <stdlib.h>

static int version(char *out, size_t size) {
    snprintf(out, size, "%s", gnu_get_libc_version());
    return 0;
}

static int counters(struct peer_counters *out) {
    struct mallinfo2 (*info)(void) = PEER_CALL(struct mallinfo2, "mallinfo2", (void));
    if (info == NULL)
        return -1;
    struct mallinfo2 m = info();
    /* Chunks with their headers, plus blocks mapped one by one. What thread caches hold counts as allocated there. */
    out->allocated_bytes = m.uordblks + m.hblkhd;
    out->free_in_span_bytes = m.fordblks - m.keepcost;
    out->cached_bytes = m.keepcost;
    out->lazy_bytes = 0;
    out->committed_bytes = m.arena + m.hblkhd;
    return 0;
}

static void purge(void) {
    malloc_trim(0);
}

PEER(glibc) = {
    .name = "glibc",
    .summary = "the C library's own malloc",
    .version = version,
    .counters = counters,
    .purge = purge,
};
