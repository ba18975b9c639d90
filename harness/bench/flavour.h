/* SPDX-License-Identifier: MIT
 *
 * flavour.h: what differs between bench-manual and the traced programs. Exactly one of flavour-manual.c and
 * flavour-traced.c is linked into a program.
 */
#ifndef SPANLAB_FLAVOUR_H
#define SPANLAB_FLAVOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function of the malloc family and the address that this program's own code calls. */
struct flavour_call {
    const char *name;
    void (*address)(void);
};

struct traced_subject;
struct flavour {
    const char *name;          /* "manual" or "traced" */
    unsigned workloads;        /* WORKLOAD_MANUAL or WORKLOAD_TRACED */
    const char *subject;       /* the one subject of a traced program; NULL: whatever is preloaded */
    const struct traced_subject *traced; /* what it tells of itself; NULL in bench-manual, whose peers do that */
    const struct flavour_call *calls; /* terminated by a NULL name; NULL in traced programs */
};

extern const struct flavour bench_flavour;

/* Brackets every thread that touches the heap. */
void flavour_attach(void);
void flavour_detach(void);
/* In a loop that waits: lets a collector stop this thread, where there is one. */
void flavour_safepoint(void);
/* A full collection, where there is a collector. */
void flavour_collect(void);
/* One block from the heap under test, and its return; for the proof that calls arrive. NULL: out of memory. */
void *flavour_allocate(size_t size_bytes);
void flavour_release(void *p);
struct peer_counters;
/* A traced program's own counters (PEER_NA where it keeps none): 0, or -1 in bench-manual, whose peers tell. */
int flavour_counters(struct peer_counters *out);

/* A traced program's own walk over its heap, like peer.walk: 0, or -1 in bench-manual. */
struct peer_run;
int flavour_walk(void (*visit)(void *context, const struct peer_run *run), void *context);

#endif
