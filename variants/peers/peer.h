/* SPDX-License-Identifier: MIT
 *
 * peer.h: what a malloc subject tells about itself. One file per peer defines one PEER(name) = {...}; nothing else is
 * edited. All functions run inside the measured process, outside timed sections, on one thread, and find the subject's
 * own interface with dlsym(RTLD_DEFAULT, ...): bench-manual links no allocator. None of them may allocate.
 */
#ifndef SPANLAB_PEER_H
#define SPANLAB_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A counter that the subject does not offer. Shown as n/a, never as 0. */
#define PEER_NA UINT64_MAX

/* Bytes, as the subject itself counts them at one moment. docs/counters.md maps each peer's own names to these. */
struct peer_counters {
    uint64_t allocated_bytes;    /* in objects handed out, rounding included (usable bytes) */
    uint64_t free_in_span_bytes; /* free slots inside spans / runs / pages that hold live objects */
    uint64_t cached_bytes;       /* free memory kept by thread or central caches, whole free spans included */
    uint64_t metadata_bytes;     /* the allocator's own records */
    uint64_t lazy_bytes;         /* given back with MADV_FREE: still in RSS until the kernel wants it */
    uint64_t committed_bytes;    /* everything the subject holds from the OS and has not released */
    uint64_t mallocs;            /* objects handed out since start */
    uint64_t frees;              /* objects taken back since start */
    uint64_t dead_bytes;         /* freed, and not yet to be given to anybody */
};

/* A run of pages of a subject's heap, as a heap map draws it. */
enum peer_run_kind {
    PEER_RUN_SPAN,     /* objects of one span class, live or not */
    PEER_RUN_LARGE,    /* one live object */
    PEER_RUN_FREE,     /* free and backed by memory */
    PEER_RUN_RELEASED, /* free and not backed */
    PEER_RUN_CACHED,   /* free, set aside for one thread */
};
struct peer_run {
    enum peer_run_kind kind;
    bool noscan;   /* spans and large objects: holds no pointers */
    bool released; /* not backed: always when RELEASED, possible when CACHED */
    unsigned span_class;
    uintptr_t base;
    size_t pages, size_bytes;
    size_t slot_bytes;        /* 0: not made of equal slots */
    size_t slots, used_slots; /* 0 without equal slots */
    size_t used_bytes;        /* in live objects, rounding included */
};

/* Calls are not the workload's; they are again; they are from now on, and all before is forgotten. */
enum peer_watch { PEER_WATCH_STOP, PEER_WATCH_GO_ON, PEER_WATCH_BEGIN };

/* A run-time setting that can be asked for as `subject|name=value`. It is set by an environment variable before the
 * process starts and must be read back by read_knob. */
struct peer_knob {
    const char *name;     /* "dirty_decay_ms" */
    const char *variable; /* "MALLOC_CONF" */
    const char *format;   /* how one setting is written into the variable, "%s" is the value: "dirty_decay_ms:%s" */
    const char *join;     /* how several settings of one variable are joined: ","; NULL when one per variable */
    const char *summary;
};

struct peer {
    const char *name;              /* "jemalloc" */
    const char *summary;           /* one line for `spanlab list` */
    const char *package;           /* Debian package to install; NULL: part of libc or built here */
    const char *const *libraries;  /* sonames to look for, in order, NULL-terminated; NULL: no preload (libc itself) */
    /* Built here instead: shared libraries in lib/ beside bin/, by pattern. With a '*', each match is a subject of its own,
     * named by its file without "libgoalloc-" and ".so". */
    const char *built_glob;
    int bound; /* 1: no allocator that a program could use, but a bound; measured only where it is named */
    const struct peer_knob *knobs; /* terminated by a NULL name; may be NULL */
    /* Writes "5.3.0-..." into out; 0, or -1 when the subject does not tell. */
    int (*version)(char *out, size_t size);
    /* Writes what the library says it is; it must be the subject's name. 0, or -1 on failure. NULL: it does not say. */
    int (*identity)(char *out, size_t size);
    /* Writes the value in force of one knob into out; 0, or -1 when it cannot be read. */
    int (*read_knob)(const char *name, char *out, size_t size);
    /* Fills out; fields not offered stay PEER_NA. 0, or -1 when nothing is offered. May be NULL. */
    int (*counters)(struct peer_counters *out);
    /* Visits every run of the heap by address; visit must not allocate. 0, or -1 when it cannot. NULL: no heap maps. */
    int (*walk)(void (*visit)(void *context, const struct peer_run *run), void *context);
    /* Asks the subject to return what it can to the OS. May be NULL. */
    void (*purge)(void);
    /* Says which calls belong to the workload, for a subject that computes figures of the stream of calls. May be NULL. */
    void (*watch)(enum peer_watch how);
    /* Writes the name of the i-th figure of what was watched; NAN is n/a. 0, or -1 past the last. With watch. */
    int (*figure)(size_t i, char *name, size_t size, double *value);
};

/* Registers a peer: PEER(jemalloc) = {.name = "jemalloc", ...};  The linker section is walked by the catalog. */
#define PEER(id)                                                                                                       \
    static const struct peer peer_##id;                                                                                \
    static const struct peer *const peer_entry_##id __attribute__((used, section("spanlab_peers"))) = &peer_##id;      \
    static const struct peer peer_##id

#endif
