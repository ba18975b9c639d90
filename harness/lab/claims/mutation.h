/* SPDX-License-Identifier: MIT
 *
 * mutation.h: a claim measured on another subject, whose figure must change the recorded verdict: else the claim's
 * figure does not measure what the claim says.
 */
#ifndef SPANLAB_MUTATION_H
#define SPANLAB_MUTATION_H

#include "claims/recorded.h"

enum mutation_result { MUTATION_NONE, MUTATION_UNMEASURED, MUTATION_STAYS, MUTATION_FLIPS };

/* The claim with the other subject in place of the measured one: goalloc's where real Go is the judge; nothing is
 * measured beside. NULL: it has no such mutation. */
struct claim *mutation_of(const struct claim *c);

/* Whether the outcome of the mutation of c flips c's verdict in the folder, with a line that says so. Without a
 * recorded verdict nothing flips. */
enum mutation_result mutation_judge(const char *verdicts, const struct claim *c, const struct claim_outcome *outcome);

#endif
