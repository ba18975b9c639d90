/* SPDX-License-Identifier: MIT
 *
 * rundata.h: a run read back from its store, with everything that is shown computed once: series, baselines, noise floors,
 * contrasts and their verdicts.
 */
#ifndef SPANLAB_RUNDATA_H
#define SPANLAB_RUNDATA_H

#include "metric.h"
#include "stats.h"

#include <stdbool.h>
#include <stddef.h>

struct run_series {
    double *values; /* one per process */
    bool *below;    /* the same: the value is a bound (struct metric); NULL where none is */
    size_t count, bounds;
};

/* A process that did not end well. */
struct run_failure {
    char *status;  /* failed | crash | timeout | oom | damaged: its stored record cannot be read */
    char *message, *reproduce;
    bool memory;
    bool made_up_for; /* the process that was run in its place ended well */
};

struct run_cell {
    char *subject, *knobs, *label; /* label: "jemalloc|narenas=1" */
    char *workload, *params, *flavour, *checksum;
    unsigned threads;
    long id;
    bool verdict, invalid;
    bool collects;             /* has a collector that tells of itself */
    struct run_series pauses;  /* lengths in nanoseconds, of all good throughput processes */
    bool pauses_inexact;       /* upper bounds of buckets */
    struct run_series *series;       /* by metric index */
    json_t *record, *memory_record;  /* of one good process of each mode; NULL when there is none */
    long ok, planned;                /* throughput processes that ended well; planned ones of both modes */
    long disturbed;                  /* of those that ended well: others took processor time from them (measure.c) */
    struct run_failure *failures;    /* every process that did not end well, whatever came after it */
    long failed, processes;          /* how many they are, of how many that ran */
    char *failure, *reproduce;       /* of the last of them; "crash: SIGABRT: Aborted" */
    size_t row;
};

/* Cells that did the same work: one workload with the same parameters. */
struct run_row {
    const char *workload, *params;
    unsigned threads;
    char *label;               /* "larson-bench\303\2272", with what differs from the other rows of the workload */
    bool shared;               /* more threads than the processors that could be used: they take turns */
    double least_floor, most_floor; /* of its contrasts of time, NAN unknown */
    struct run_cell *baseline; /* glibc, or the first subject there; NULL when it has no time */
    struct run_cell *fastest_peer, *smallest_peer; /* NULL when none has a value */
};

struct run_absent {
    char *subject, *reason, *remedy;
};

struct run_contrast {
    double ratio; /* NAN: not comparable */
    struct stats_interval interval;
    double limit; /* where a side is a bound: what the ratio is below ('<') or above ('>'); ratio is NAN then */
    char bound;   /* 0: none */
    double p; /* Holm-adjusted, NAN in screening rows */
    double floor; /* by how much the two sides differ from themselves (stats_noise_floor); NAN unknown */
    /* '+' better, '-' worse, '~' no difference shown, 'd' no verdict: a side was disturbed; 0 none: screening, baseline */
    char mark;
};

struct run {
    char *dir, *id;
    json_t *meta, *host;
    struct run_cell *cells;
    size_t cell_count;
    struct run_row *rows;
    size_t row_count;
    char **subjects; /* labels, baseline first, then variants, then the others */
    size_t subject_count;
    struct run_absent *absent;
    size_t absent_count;
    struct run_contrast *time_contrasts; /* by cell, against the row's baseline */
    long planned, done, disturbed;
    long stolen; /* of the disturbed: mostly by other guests of the host; the others waited for a processor */
    long failed, invalid, damaged; /* processes; cells with another checksum; records that cannot be read, among the failed */
};

/* NULL after an error line. */
struct run *run_load(const char *dir);
void run_free(struct run *r);
/* What a command that shows the run ends with: LAB_CELL_FAILED after a line when records of it cannot be read. */
int run_told(const struct run *r);

/* The cell of a row and a subject's label; NULL when it was not planned. */
struct run_cell *run_find(const struct run *r, size_t row, const char *label);

struct stats_series run_values(const struct run_cell *c, const char *metric);
double run_median(const struct run_cell *c, const char *metric);

/* Is the median a bound (struct metric) and no value? */
bool run_is_below(const struct run_cell *c, const char *metric);

/* What a value of a series is to the true one: "" the same, "<" or "<=": all that is known is that it is below. */
const char *run_bound(const struct run_cell *c, size_t metric, size_t value);

/* Is a row to be shown in a table of this metric? Not if it is another workload's own. */
bool run_row_shows(const struct run *r, size_t row, const char *metric);

/* median(a)/median(b) with its bootstrap interval (known only when both sides have 6 values). */
struct run_contrast run_ratio(const struct run_cell *a, const struct run_cell *b, const char *metric);

bool run_is_variant(const char *subject);
bool run_is_bound(const char *subject);
bool run_is_peer(const char *subject);
/* Whether a subject or its label is the models of policies, which serve nothing: their times and memory are the models' own. */
bool run_is_models(const char *subject);

/* Geometric mean over rows of a metric of `label` over the best peer's, rows of this thread count only (0: all). Rows that
 * either side lacks are left out and counted. */
struct run_geomean {
    double ratio;
    struct stats_interval interval;
    size_t rows, left_out;
};
struct run_geomean run_over_best_peer(const struct run *r, const char *label, const char *metric, unsigned threads);

#endif
