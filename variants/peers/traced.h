/* SPDX-License-Identifier: MIT
 *
 * traced.h: what a traced subject tells about itself, beside its heap-NAME.h. One file traced/NAME.c defines it, and is
 * linked into that subject's own programs. Thread-safe where not said otherwise.
 */
#ifndef SPANLAB_TRACED_H
#define SPANLAB_TRACED_H

#include "peer.h"

struct traced_subject {
    const char *summary;           /* one line for `spanlab list` */
    const struct peer_knob *knobs; /* ended by a NULL name */
    /* As in struct peer. Outside timed sections, on one thread; must not allocate. */
    int (*read_knob)(const char *name, char *out, size_t size);
    /* What was linked: must be the subject's name. */
    const char *(*identity)(void);
    int (*version)(char *out, size_t size);
    int (*counters)(struct peer_counters *out);
    int (*walk)(void (*visit)(void *context, const struct peer_run *run), void *context); /* NULL: no heap maps */
};

extern const struct traced_subject traced_subject;

#endif
