/* SPDX-License-Identifier: MIT
 *
 * recorded.h: what measuring a claim gave when somebody last said --record: results/verdicts/ID.json, which is
 * committed.
 */
#ifndef SPANLAB_RECORDED_H
#define SPANLAB_RECORDED_H

#include "claims/claim.h"

/* One figure of a claim, live or recorded. */
struct claim_figure {
    struct claim_value figure; /* claim_no_value: there is none */
    enum verdict verdict;
    bool recorded; /* not measured now */
    char *subject; /* "go-1.26.8-greentea (go1.26.8)"; NULL: nobody was asked */
    char *missing; /* why there is none, NULL if there is or none was wanted */
};

struct claim_outcome {
    struct claim_figure judge, transfers;
    struct claim_figure *beside; /* as many as the claim names; NULL: none are known */
    double seconds;              /* wall time of its processes, as if none were another claim's, too */
    double peak_bytes;           /* of the largest of them; NAN: not known */
    unsigned processes;
};

/* False: nothing is recorded, or (after an error line) the file is no record; then `out` says so, too. */
bool recorded_read(const char *folder, const struct claim *c, struct claim_outcome *out);
/* How many files were no records so far: what is made of the others is not the whole. */
unsigned recorded_unreadable(void);
/* What is recorded of each; what is not is UNTESTED, or a verdict that needs no figure. The caller's to free. */
struct claim_outcome *recorded_all(const char *folder, const struct claims *all);
/* 0, or an enum lab_exit after an error line. */
int recorded_write(const char *folder, const struct claim *c, const struct claim_outcome *outcome);

#endif
