/* SPDX-License-Identifier: MIT
 *
 * claim.h: a published claim as its file says it (results/claims/ID.yaml; the README there names the fields), and what
 * a figure makes of it.
 */
#ifndef SPANLAB_CLAIM_H
#define SPANLAB_CLAIM_H

#include <stdbool.h>
#include <stddef.h>

/* Classes: D is deterministic and gates CI; D_PROXY a deterministic stand-in for something noisy; N is noisy. */
enum claim_class { CLAIM_D, CLAIM_D_PROXY, CLAIM_N };
/* P1: the primary text was read; P2: its abstract; P3: somebody quotes it; P4: from memory, nothing is made of it. */
enum claim_provenance { CLAIM_P1, CLAIM_P2, CLAIM_P3, CLAIM_P4 };
enum claim_kind { CLAIM_PUBLISHED, CLAIM_ARTICLE, CLAIM_CONFORMANCE };
/* What the figure must be to the published one. SIGN: on the same side of `neutral`; within the tolerance
 * of it nothing is shown. */
enum claim_rule { CLAIM_EQUALS, CLAIM_AT_MOST, CLAIM_AT_LEAST, CLAIM_SIGN };
enum claim_combine { CLAIM_ALONE, CLAIM_RATIO, CLAIM_DIFFERENCE, CLAIM_PERCENT, CLAIM_SHARE, CLAIM_NOT_BELOW, CLAIM_SLOPE };
/* What figures of several workloads come to. */
enum claim_over { CLAIM_SUM, CLAIM_LARGEST, CLAIM_SMALLEST, CLAIM_MEAN };
enum claim_expected { CLAIM_REP, CLAIM_DIR, CLAIM_REFUTED_EXPECTED, CLAIM_QUAL, CLAIM_NT };

/* What is compared with: the same, but for the fields that are not NULL. */
struct claim_against {
    char *workload, *subject, *params, *within, *program;
};

/* Instead of a figure of a run: one of counted.h's by callgrind, as the difference of two runs over that of a
 * parameter. */
struct claim_count {
    char *per; /* the parameter that says how many operations; of a program: what its last argument says */
    unsigned from, to;
    char *within; /* only what is called from functions of this pattern; NULL: all */
};

/* Instead of a figure of a run: how many of a test program's tests pass. */
struct claim_check {
    char *program; /* beside spanlab */
    char *tests;   /* only those of this pattern; NULL: all */
};

/* The subject with a knob at each of some values. */
struct claim_sweep {
    char *knob;
    unsigned *values, values_count; /* above 0 */
};

/* One figure: of a subject on one workload; over or minus or against another's; its share of both (%); on how many
 * workloads it is at least as large (NOT_BELOW); or the power of a swept knob that it goes with (SLOPE). */
struct claim_measure {
    char **workloads;
    unsigned workloads_count;
    char *subject, *params;
    char *program; /* of the build's own, with its arguments: counted in place of a subject on a workload */
    char *figure;  /* a counter of the workload's, or a metric; with count: one of counted.h's; with check: "passed" */
    struct claim_count *count;
    struct claim_check *check; /* then there are no workloads and no subject */
    double less, divide;       /* the figure is taken less this, and over this; 0: not said */
    enum claim_combine combine;
    enum claim_over over; /* CLAIM_SUM, which is not said: of NOT_BELOW, or of one workload */
    struct claim_sweep *sweep; /* with SLOPE */
    struct claim_against *against;
};

/* How the measured build is changed so that the verdict must flip: a line of its source, or another subject. */
struct claim_mutation {
    char *file, *replace, *with, *subject;
};

struct claim {
    char *id, *title, *statement, *source;
    enum claim_provenance provenance;
    enum claim_kind kind;
    enum claim_class class;
    double published;
    char *unit;
    char *published_params, *our_params; /* NULL: as published */
    enum claim_rule rule;
    double tolerance; /* in the unit */
    double neutral;
    struct claim_measure *judge;     /* gives the verdict: real Go's where the claim is about Go; NULL: not testable */
    struct claim_measure *transfers; /* goalloc's figure beside it */
    char **beside;                   /* other subjects of the judge's measure, whose figures are shown only */
    unsigned beside_count;
    enum claim_expected expected;
    char *qualification, *quote, *reason;
    struct claim_mutation *mutation;
};

struct claims {
    struct claim **items; /* by id */
    size_t count;
};

enum verdict {
    VERDICT_REPRODUCED,
    VERDICT_REFUTED,
    VERDICT_INCONCLUSIVE,
    VERDICT_NOT_TESTABLE,
    VERDICT_UNVERIFIED,
    VERDICT_CONFORMS, /* of a constant or formula that we coded ourselves, which is no claim */
    VERDICT_DEPARTS,
    VERDICT_UNTESTED, /* nothing has been measured or recorded */
};

/* All *.yaml of a folder. False after an error line for each file that is wrong. */
bool claims_load(const char *folder, struct claims *out);
/* NULL after an error line with the nearest name. */
const struct claim *claims_need(const struct claims *all, const char *id);

/* A figure; where it is noisy, with the ends of its 95 % interval, else NAN. */
struct claim_value {
    double value, low, high;
};
extern const struct claim_value claim_no_value;

/* value NAN: there is no figure. */
enum verdict claim_judge(const struct claim *c, struct claim_value v);

const char *verdict_name(enum verdict v);
enum verdict verdict_of_name(const char *name);
const char *claim_class_name(enum claim_class c);
/* "at most 12.5 %", "512 bytes", "-10 %, by direction: below 0": what the claim says its figure is. The caller's to
 * free.
 */
char *claim_says(const struct claim *c);

/* "15", "1.707", "n/a", in a buffer of the caller's. */
enum { CLAIM_NUMBER_ROOM = 32 };
const char *claim_number(double value, char room[CLAIM_NUMBER_ROOM]);
/* The same with the interval where there is one: "-12.1 [-14, -9.8]". The caller's to free. */
char *claim_figure_text(struct claim_value v);

#endif
