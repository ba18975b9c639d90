/* SPDX-License-Identifier: MIT
 *
 * traced.h: what a traced subject tells about itself, beside its heap-NAME.h. One file traced/NAME.c defines it, and is
 * linked into that subject's own programs. Thread-safe where not said otherwise.
 */
#ifndef SPANLAB_TRACED_H
#define SPANLAB_TRACED_H

#include "peer.h"

/* Objects given out since start, by Go's size classes. */
enum { TRACED_SIZE_CLASSES = 67 };
struct traced_allocations {
    uint64_t tiny;  /* requests that share a 16 B block with one before, which alone counts in its class */
    uint64_t large; /* beyond the classes */
    uint64_t bytes; /* in all objects, rounding included */
    uint64_t by_class[TRACED_SIZE_CLASSES];
};

struct traced_subject {
    const char *summary;           /* one line for `spanlab list` */
    const struct peer_knob *knobs; /* ended by a NULL name */
    /* As in struct peer. Outside timed sections, on one thread; must not allocate. */
    int (*read_knob)(const char *name, char *out, size_t size);
    /* What was linked: must be the subject's name. */
    const char *(*identity)(void);
    int (*version)(char *out, size_t size);
    int (*counters)(struct peer_counters *out);
    /* 0, or -1 when this build does not count them. Empties all threads' caches, so that it is exact. NULL: not kept.
     */
    int (*allocations)(struct traced_allocations *out);
    int (*walk)(void (*visit)(void *context, const struct peer_run *run), void *context); /* NULL: no heap maps */
};

extern const struct traced_subject traced_subject;

#endif
