/* SPDX-License-Identifier: MIT
 *
 * proof.h: proof from inside that the subject that was asked for serves the calls, before any number counts.
 */
#ifndef SPANLAB_PROOF_H
#define SPANLAB_PROOF_H

#include "subject.h"

enum { PROOF_MAX_SYMBOLS = 64, PROOF_MAX_KNOBS = 16 };

struct proof_symbol {
    const char *name;
    char object[PATH_MAX]; /* where the process finds it */
};

struct proof_knob {
    char name[64], value[64]; /* read back from the subject */
};

struct proof {
    bool ok;
    char failure[1024]; /* one sentence that says what to do */
    char library[PATH_MAX], sha256[65], version[256];
    struct proof_symbol symbols[PROOF_MAX_SYMBOLS];
    unsigned symbol_count;
    const char *lacking[PROOF_MAX_SYMBOLS]; /* of the malloc family, not exported by the subject; no workload calls them */
    unsigned lacking_count;
    struct proof_knob knobs[PROOF_MAX_KNOBS];
    unsigned knob_count;
};

/* Fills p: do malloc's family and the operators new and delete resolve to the expected subject, wherever the subject
 * exports them, from the dynamic linker's view and from this program's own calls? Does the subject read back the knobs
 * ("a=1,b=2")? Does a counter move when something is allocated? library: where the subject is expected to lie, NULL when
 * its own name says it. Returns p->ok. */
bool proof_run(struct proof *p, const struct subject *s, const char *library, const char *knobs);

#endif
