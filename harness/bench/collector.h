/* SPDX-License-Identifier: MIT
 *
 * collector.h: what a traced subject's collector did in the timed parts that count, summed over the iterations of a
 * process. Read outside the clocks; nothing here allocates after collector_open. Main thread.
 */
#ifndef SPANLAB_COLLECTOR_H
#define SPANLAB_COLLECTOR_H

#include "pauses.h"
#include "traced.h"

#include <stdbool.h>

/* The windows of mutator utilisation. */
enum { COLLECTOR_WINDOWS = 3 };
extern const uint64_t collector_windows_ns[COLLECTOR_WINDOWS];

struct collector {
    bool known; /* the subject has a collector that tells of itself */
    bool counts;
    unsigned sections;     /* timed parts of iterations that counted */
    uint64_t now_cycles;   /* of the iteration under way */
    uint64_t least_cycles; /* in a section */
    struct traced_gc sum;  /* TRACED_NA where the subject does not tell */
    uint64_t timed_ns, process_cpu_ns;
    uint64_t *lengths_ns; /* of pauses */
    size_t pause_count, pauses_lost;
    double mmu[COLLECTOR_WINDOWS]; /* NAN: no timed part was that long */
    double *peak_over_goal;        /* of cycles that nobody forced */
    size_t goal_count;
    uint64_t last_goal_bytes; /* 0: no cycle ended */
    /* workings */
    struct traced_gc before;
    uint64_t begun_ns, begun_cpu_ns;
};

enum { COLLECTOR_MAX_PAUSES = 65536, COLLECTOR_MAX_GOALS = 65536 };

extern struct collector collector;

/* Takes memory, where the subject has a collector; false when there is none. */
bool collector_open(void);
/* Around an iteration; one that warms up is left out. The second returns the cycles in its timed part, PEER_NA unknown.
 */
void collector_iteration_begin(bool counts);
uint64_t collector_iteration_end(void);
/* Brackets a timed part, outside its clocks. */
void collector_timed_begin(void);
void collector_timed_end(void);

#endif
