/* SPDX-License-Identifier: MIT
 *
 * scavpace: down to what the scavenger gives memory back, and how long it sleeps between bursts so that it takes a
 * hundredth of the program's CPU (Go mgcscavenge.go:150-620). No clock is read and no heap touched here, so that a test
 * can drive it.
 */
#include "os/os.h"

#include <math.h>

enum { SCAVPACE_QUANTUM_BYTES = 64 << 10 };                    /* mgcscavenge.go:599 */
static const double scavpace_share = 0.01;                     /* :126 scavengePercent */
static const double scavpace_first_ratio = 0.001;              /* :266 work to sleep; also when the controller fails */
static const double scavpace_least_ns = 1e6;                   /* :271 a burst shorter than this counts as one */
static const double scavpace_page_ns = 10e3;                   /* :615 what giving a page back takes by an idle clock */
static const int64_t scavpace_cooldown_ns = INT64_C(5000000000); /* :555 */

/* A controller with a proportional and an integral part (mgcscavenge.go:1370). */
struct scavpace_controller {
    double kp, ti, tt, least, most;
    double integral;
};

static bool scavpace_fails(struct scavpace_controller *c, double *out) {
    c->integral = 0;
    *out = c->least;
    return false;
}

/* The next output for a measured input; false: figures went out of measure, and the controller begins anew. */
static bool scavpace_next(struct scavpace_controller *c, double input, double setpoint, double period, double *out) {
    double raw = c->kp * (setpoint - input) + c->integral;
    if (!isfinite(raw))
        return scavpace_fails(c, out);
    double output = raw < c->least ? c->least : raw > c->most ? c->most : raw;
    if (c->ti != 0 && c->tt != 0) {
        c->integral += (c->kp * period / c->ti) * (setpoint - input) + (period / c->tt) * (output - raw);
        if (!isfinite(c->integral))
            return scavpace_fails(c, out);
    }
    *out = output;
    return true;
}

struct scavpace {
    struct scavpace_controller controller;
    double ratio; /* of work to sleep */
    int64_t cooldown_ns;
    bool was_reset; /* the controller, since the last trace line */
};

static void scavpace_begin(struct scavpace *p) {
    *p = (struct scavpace){.controller = {0.3375, 3.2e6, 1e9, 0.001, 1000, 0}, .ratio = scavpace_first_ratio};
}

/* What a burst is made of. release: how much of want it gave back, and what that took. */
struct scavpace_work {
    bool (*should_stop)(void *context);
    size_t (*release)(void *context, size_t want_bytes, int64_t *took_ns);
    void *context;
};

/* One burst; what it gave back, and what it took. Little given back: there is nothing left for now. */
static size_t scavpace_burst(const struct scavpace_work *work, double *worked_ns) {
    size_t released_bytes = 0, part_bytes = SCAVPACE_QUANTUM_BYTES;
    *worked_ns = 0;
    while (*worked_ns < scavpace_least_ns && part_bytes >= SCAVPACE_QUANTUM_BYTES) {
        if (work->should_stop(work->context))
            break;
        int64_t took_ns = 0;
        part_bytes = work->release(work->context, SCAVPACE_QUANTUM_BYTES, &took_ns);
        *worked_ns += took_ns != 0 ? (double)took_ns : scavpace_page_ns * (double)(part_bytes / OS_PAGE_BYTES);
        released_bytes += part_bytes;
    }
    return released_bytes;
}

/* How long to sleep after a burst. */
static int64_t scavpace_sleep_ns(const struct scavpace *p, double *worked_ns) {
    if (*worked_ns < scavpace_least_ns)
        *worked_ns = scavpace_least_ns;
    return (int64_t)(*worked_ns / p->ratio);
}

/* How long the sleep was: the share that the scavenger took is brought nearer to what it may take. */
static void scavpace_slept(struct scavpace *p, double worked_ns, int64_t slept_ns, unsigned procs) {
    if (p->cooldown_ns > 0) {
        int64_t passed_ns = slept_ns + (int64_t)worked_ns;
        p->cooldown_ns = passed_ns > p->cooldown_ns ? 0 : p->cooldown_ns - passed_ns;
        return;
    }
    double period_ns = (double)slept_ns + worked_ns;
    if (scavpace_next(&p->controller, worked_ns / (period_ns * procs), scavpace_share, period_ns, &p->ratio))
        return;
    p->ratio = scavpace_first_ratio;
    p->cooldown_ns = scavpace_cooldown_ns;
    p->was_reset = true;
}

/* Down to where memory is given back in the background; UINT64_MAX: not at all. */
struct scavpace_goals {
    uint64_t percent_bytes; /* of what the heap retains */
    uint64_t limit_bytes;   /* of all memory */
};

/* After a collection (mgcscavenge.go:167). goal, last_goal: of the heap, now and while the last cycle ran (0: there was
 * none); last_in_use: the heap's pages when its marking ended; limit: UINT64_MAX for none. */
static struct scavpace_goals scavpace_goals(uint64_t limit_bytes, uint64_t goal_bytes, uint64_t last_goal_bytes,
                                            uint64_t last_in_use_bytes, uint64_t retained_bytes,
                                            uint64_t mapped_bytes) {
    struct scavpace_goals g = {UINT64_MAX, UINT64_MAX};
    uint64_t below_limit_bytes = limit_bytes > INT64_MAX ? UINT64_MAX : (uint64_t)((double)limit_bytes * 0.95);
    if (mapped_bytes > below_limit_bytes)
        g.limit_bytes = below_limit_bytes;
    if (last_goal_bytes == 0)
        return g;
    double ratio = (double)goal_bytes / (double)last_goal_bytes;
    uint64_t retain_bytes = (uint64_t)((double)last_in_use_bytes * ratio);
    retain_bytes += retain_bytes / 10; /* what is allocated soon need not be faulted in */
    retain_bytes = (retain_bytes + OS_PAGE_BYTES - 1) & ~(uint64_t)(OS_PAGE_BYTES - 1);
    if (retained_bytes > retain_bytes && retained_bytes - retain_bytes >= OS_PAGE_BYTES)
        g.percent_bytes = retain_bytes;
    return g;
}
