/* SPDX-License-Identifier: MIT */
#include "claims/mutation.h"
#include "error.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool judged_by_go(const struct claim *c) {
    return c->judge != NULL && c->judge->subject != NULL && strncmp(c->judge->subject, "go-", 3) == 0;
}

struct claim *mutation_of(const struct claim *c) {
    const struct claim_measure *measured = judged_by_go(c) ? c->transfers : c->judge;
    if (c->mutation == NULL || c->mutation->subject == NULL || measured == NULL)
        return NULL;
    struct claim *copy = lab_alloc(sizeof *copy);
    struct claim_measure *other = lab_alloc(sizeof *other);
    *copy = *c;
    *other = *measured;
    other->subject = c->mutation->subject;
    copy->judge = judged_by_go(c) ? NULL : other;
    copy->transfers = judged_by_go(c) ? other : NULL;
    copy->beside_count = 0;
    return copy;
}

static const struct claim_figure *figure_of(const struct claim *c, const struct claim_outcome *o) {
    return judged_by_go(c) ? &o->transfers : &o->judge;
}

enum mutation_result mutation_judge(const char *verdicts, const struct claim *c, const struct claim_outcome *outcome) {
    const struct claim_figure *f = figure_of(c, outcome);
    if (isnan(f->figure.value)) {
        printf("%-8s n/a: %s\n", c->id, f->missing != NULL ? f->missing : "there is no figure");
        return MUTATION_UNMEASURED;
    }
    struct claim_outcome then;
    recorded_read(verdicts, c, &then);
    /* What the other subject's figure makes of the claim as it is written. */
    enum verdict before = figure_of(c, &then)->verdict, now = claim_judge(c, f->figure);
    const bool flips = now != before && before != VERDICT_UNTESTED;
    char *number = claim_figure_text(f->figure);
    printf("%-8s %-10s with %s: %s %s, %s\n", c->id, flips ? "flips" : "DOES NOT", c->mutation->subject, number,
           c->unit, verdict_name(now));
    free(number);
    return flips ? MUTATION_FLIPS : MUTATION_STAYS;
}
