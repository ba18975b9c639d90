/* SPDX-License-Identifier: MIT
 *
 * pacer: when a cycle begins, how large the heap may grow, and what an allocating thread owes meanwhile. Go
 * mgcpacer.go's formulas and nothing else: no clock, no heap, no global is touched, so that a test can drive it.
 */
#include "os/os.h"

static const uint64_t pacer_least_heap_bytes = UINT64_C(4) << 20;    /* mgcpacer.go:59, at GOGC=100 */
static const uint64_t pacer_sweep_room_bytes = UINT64_C(1) << 20;    /* mgcpacer.go:954 */
static const uint64_t pacer_trigger_room_bytes = UINT64_C(64) << 10; /* mgcpacer.go:982 */
static const double pacer_background = 0.25;                         /* mgcpacer.go:24 */
/* The trigger lies no lower than this many 64ths of the way from live to goal: Go's 45 (mgcpacer.go:1117) is too short
 * a runway for threads that allocate from windows, which then assist rather than run. */
enum { PACER_LEAST = 45, PACER_LEAST_EARLY = 29 };
enum { PACER_HISTORY = 4 };

struct pacer {
    int64_t percent; /* -1: off */
    bool early;      /* PACER_LEAST_EARLY holds */
    bool spend;      /* the goal comes back to where it was while the heap still has the memory */
    uint64_t memory_limit_bytes;
    uint64_t live_bytes;   /* marked by the last cycle */
    uint64_t born_bytes;   /* of these, allocated while it marked */
    uint64_t start_bytes;  /* of the heap when it began */
    uint64_t backed_bytes; /* of the heap's pages, in use or free, the system's memory is behind */
    uint64_t earned_bytes; /* the highest goal so far, for what probably lived */
    uint64_t last_heap_scan_bytes, last_stack_scan_bytes, globals_scan_bytes;
    double cons_mark, cons_mark_history[PACER_HISTORY];
    uint64_t unspent_goal_bytes; /* for that percentage, whatever memory the heap has */
    uint64_t percent_goal_bytes, runway_bytes;
    uint64_t sweep_least_trigger_bytes; /* 0: nothing is left to sweep */
    uint64_t triggered_bytes;           /* live heap when the cycle began; UINT64_MAX: none runs */
    uint64_t limit_goal_bytes;          /* atomic, while a cycle runs: of the memory limit; 0: there is none */
    double assist_work_per_byte;        /* atomic: revised while threads assist */
};

/* What the heap and the process hold beyond live bytes, for the memory limit's goal. */
struct pacer_memory {
    uint64_t mapped_bytes, heap_free_bytes, heap_alloc_bytes; /* all states of memory; free pages; live and unswept */
};

static uint64_t pacer_least_goal(const struct pacer *p) {
    return pacer_least_heap_bytes * (uint64_t)p->percent / 100;
}

/* mgcpacer.go:1063: what of the limit is left for the heap. */
static uint64_t pacer_limit_goal(const struct pacer *p, const struct pacer_memory *m) {
    if (p->memory_limit_bytes == UINT64_MAX)
        return UINT64_MAX;
    uint64_t other_bytes = m->mapped_bytes - m->heap_free_bytes - m->heap_alloc_bytes;
    uint64_t overage_bytes = m->mapped_bytes - m->heap_free_bytes > p->memory_limit_bytes
                                 ? m->mapped_bytes - m->heap_free_bytes - p->memory_limit_bytes
                                 : 0;
    if (other_bytes + overage_bytes >= p->memory_limit_bytes)
        return p->live_bytes;
    uint64_t goal_bytes = p->memory_limit_bytes - other_bytes - overage_bytes;
    uint64_t headroom_bytes = goal_bytes / 100 * 3 > (UINT64_C(1) << 20) ? goal_bytes / 100 * 3 : UINT64_C(1) << 20;
    goal_bytes = goal_bytes > headroom_bytes * 2 ? goal_bytes - headroom_bytes : headroom_bytes;
    return goal_bytes > p->live_bytes ? goal_bytes : p->live_bytes;
}

/* mgcpacer.go:937 heapGoalInternal; *least: the trigger may not lie below. */
static uint64_t pacer_goal(const struct pacer *p, const struct pacer_memory *m, uint64_t *least) {
    uint64_t limit_bytes = pacer_limit_goal(p, m), goal_bytes = p->percent_goal_bytes;
    *least = 0;
    if (limit_bytes < goal_bytes)
        return limit_bytes;
    *least = p->sweep_least_trigger_bytes;
    if (*least != 0 && goal_bytes < *least)
        goal_bytes = *least;
    if (p->triggered_bytes != UINT64_MAX && goal_bytes < p->triggered_bytes + pacer_trigger_room_bytes)
        goal_bytes = p->triggered_bytes + pacer_trigger_room_bytes;
    return goal_bytes;
}

/* mgcpacer.go:1111. */
static uint64_t pacer_trigger(const struct pacer *p, const struct pacer_memory *m) {
    uint64_t least, goal = pacer_goal(p, m, &least);
    if (p->live_bytes >= goal)
        return goal;
    if (least < p->live_bytes)
        least = p->live_bytes;
    uint64_t lowest = (goal - p->live_bytes) / 64 * (p->early ? PACER_LEAST_EARLY : PACER_LEAST) + p->live_bytes;
    if (least < lowest)
        least = lowest;
    uint64_t most = (goal - p->live_bytes) / 64 * 61 + p->live_bytes;
    if (goal > pacer_least_heap_bytes && goal - pacer_least_heap_bytes > most)
        most = goal - pacer_least_heap_bytes;
    if (most < least)
        most = least;
    uint64_t trigger = p->runway_bytes > goal ? least : goal - p->runway_bytes;
    return trigger < least ? least : trigger > most ? most : trigger;
}

/* Go's goal for a heap of which so much is live. */
static uint64_t pacer_percent_goal(const struct pacer *p, uint64_t live_bytes) {
    uint64_t base_bytes = live_bytes + p->last_stack_scan_bytes + p->globals_scan_bytes;
    uint64_t goal_bytes = live_bytes + base_bytes * (uint64_t)p->percent / 100;
    return goal_bytes < pacer_least_goal(p) ? pacer_least_goal(p) : goal_bytes;
}

/* What probably lives: objects born while marking went on are marked, all of them; here they are taken to live as
 * often as those before them did. */
static uint64_t pacer_probably_live(const struct pacer *p) {
    uint64_t found_bytes = p->live_bytes - p->born_bytes;
    if (found_bytes >= p->start_bytes)
        return p->live_bytes;
    return found_bytes + (uint64_t)((double)p->born_bytes * (double)found_bytes / (double)p->start_bytes);
}

/* A heap that has shrunk still has its memory: to collect before that is full again would keep it idle, and no smaller.
 * The highest goal that the heap has earned bounds what is spent, less by half of the excess with each
 * cycle, or a peak would be kept for ever; garbage that outlived its cycle earns nothing, or a
 * far goal would let more of it live, and that raise the goal. */
static uint64_t pacer_spent_goal(struct pacer *p, uint64_t goal_bytes) {
    uint64_t earned_bytes = pacer_percent_goal(p, pacer_probably_live(p));
    if (p->earned_bytes < earned_bytes)
        p->earned_bytes = earned_bytes;
    else
        p->earned_bytes -= (p->earned_bytes - earned_bytes) / 2;
    uint64_t had_bytes = p->backed_bytes < p->earned_bytes ? p->backed_bytes : p->earned_bytes;
    return p->spend && had_bytes > goal_bytes ? had_bytes : goal_bytes;
}

/* mgcpacer.go:1225: after a cycle, or when GOGC changes. live_now: the heap is that large already, unswept. */
static void pacer_commit(struct pacer *p, bool swept, uint64_t live_now_bytes) {
    p->sweep_least_trigger_bytes = swept ? 0 : live_now_bytes + pacer_sweep_room_bytes;
    p->unspent_goal_bytes = p->percent < 0 ? UINT64_MAX : pacer_percent_goal(p, p->live_bytes);
    p->percent_goal_bytes = p->percent < 0 ? UINT64_MAX : pacer_spent_goal(p, p->unspent_goal_bytes);
    double scan_bytes = (double)(p->last_heap_scan_bytes + p->last_stack_scan_bytes + p->globals_scan_bytes);
    p->runway_bytes = (uint64_t)(p->cons_mark * ((1 - pacer_background) / pacer_background) * scan_bytes);
}

/* mgcpacer.go:390 startCycle. */
static void pacer_begin(struct pacer *p, uint64_t live_now_bytes) {
    p->triggered_bytes = live_now_bytes;
}

/* mgcpacer.go:403: dedicated workers and the share of each processor that a fractional one takes. */
static unsigned pacer_dedicated(unsigned procs, double *fractional) {
    double total = procs * pacer_background;
    unsigned dedicated = (unsigned)(total + 0.5);
    *fractional = 0;
    double error = dedicated / total - 1;
    if (error < -0.3 || error > 0.3) {
        if (dedicated > total)
            dedicated--;
        *fractional = (total - dedicated) / procs;
    }
    return dedicated;
}

/* Go pushes any goal back when there is more work than expected, as the next cycle would use that memory anyway
 * (mgcpacer.go:522). No later cycle is to use what lies beyond a memory limit. limit 0: there is none. */
static double pacer_within_limit(double goal, double limit) {
    return limit != 0 && goal > limit ? limit : goal;
}

/* mgcpacer.go:516: the way from trigger to goal was reckoned for what was expected; all there is to scan gets more, in
 * proportion, as far as the next goal would lie. Of next to nothing no proportion can be taken: Go goes as far as it
 * may then, in a process's first cycle above all. */
static double pacer_extended(const struct pacer *p, double goal, double expected, double most) {
    enum { LEAST_PART = 16 };
    int64_t percent = p->percent < 0 ? 100000 : p->percent;
    double growth = 1.0 + (double)percent / 100, hard = growth * goal, triggered = (double)p->triggered_bytes;
    if (expected * growth * LEAST_PART < most) /* of all that a steady heap has, a cycle scans 1 / growth */
        return goal;
    double extended = (goal - triggered) / expected * most + triggered;
    return extended < hard ? extended : hard;
}

/* Past the goal a tenth more is left to finish in; of a limit that can be met, two of the three parts in a hundred
 * that its goal keeps free. */
static double pacer_overshoot(const struct pacer *p, double goal, double limit) {
    bool within_reach = limit > (double)p->live_bytes;
    return pacer_within_limit(goal * 1.1, within_reach ? limit * 1.02 : 0);
}

/* mgcpacer.go:492 revise. heap_scan: scannable bytes of the heap now; work: done in this cycle. */
static void pacer_revise(struct pacer *p, uint64_t live_now_bytes, uint64_t heap_scan_bytes, uint64_t work_bytes,
                         uint64_t stack_bytes, uint64_t goal_bytes) {
    double limit = (double)__atomic_load_n(&p->limit_goal_bytes, __ATOMIC_RELAXED);
    double expected = (double)(p->last_heap_scan_bytes + p->last_stack_scan_bytes + p->globals_scan_bytes);
    double most = (double)(heap_scan_bytes + stack_bytes + p->globals_scan_bytes), goal = (double)goal_bytes;
    if ((double)work_bytes > expected) {
        goal = pacer_within_limit(pacer_extended(p, goal, expected, most), limit);
        expected = most;
    }
    if ((double)live_now_bytes > goal) {
        goal = pacer_overshoot(p, goal, limit);
        expected = most;
    }
    double remaining = expected - (double)work_bytes, room = goal - (double)live_now_bytes;
    double ratio = (remaining < 1000 ? 1000 : remaining) / (room < 1 ? 1 : room);
    __atomic_store(&p->assist_work_per_byte, &ratio, __ATOMIC_RELAXED);
}

static double pacer_assist_ratio(const struct pacer *p) {
    double ratio;
    __atomic_load(&p->assist_work_per_byte, &ratio, __ATOMIC_RELAXED);
    return ratio;
}

/* mgcpacer.go:620 endCycle. Times are CPU seconds over wall seconds times processors. */
static void pacer_end(struct pacer *p, uint64_t live_now_bytes, uint64_t work_bytes, double assist_share,
                      double idle_share) {
    if (live_now_bytes <= p->triggered_bytes || work_bytes == 0)
        return;
    double used = pacer_background + assist_share, now;
    now = (double)(live_now_bytes - p->triggered_bytes) * (used + idle_share) / ((double)work_bytes * (1 - used));
    double most = now;
    for (unsigned i = 0; i < PACER_HISTORY; i++)
        most = p->cons_mark_history[i] > most ? p->cons_mark_history[i] : most;
    for (unsigned i = PACER_HISTORY - 1; i > 0; i--)
        p->cons_mark_history[i] = p->cons_mark_history[i - 1];
    p->cons_mark_history[0] = now;
    p->cons_mark = most;
}
