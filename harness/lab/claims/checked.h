/* SPDX-License-Identifier: MIT
 *
 * checked.h: how many tests of a test program pass: what decides whether something that we coded ourselves conforms.
 */
#ifndef SPANLAB_CHECKED_H
#define SPANLAB_CHECKED_H

#include "claims/claim.h"
#include "spawn.h"

struct checked {
    double passed;
    double seconds;
    uint64_t peak_bytes;
    char *missing; /* why there is no figure; the caller's to free */
    bool died;     /* by a signal or at its time limit: that is missing, too */
};

/* Where a program of the tests lies, the caller's to free; with *missing, the caller's too, if it has not been built.
 */
char *checked_program(const char *name, char **missing);

/* The program lies beside spanlab, as the build with tests puts it, and reports as cmocka does. */
struct checked checked_tests(struct spawner *spawner, const struct claim_check *check);

#endif
