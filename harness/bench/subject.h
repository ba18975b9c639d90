/* SPDX-License-Identifier: MIT
 *
 * subject.h: which subjects this program knows, where their libraries lie, and which one was asked for.
 */
#ifndef SPANLAB_SUBJECT_H
#define SPANLAB_SUBJECT_H

#include "peer.h"

#include <limits.h>
#include <stdbool.h>

struct subject {
    char name[128];
    const struct peer *peer;  /* NULL: a user's library, or the subject that a traced program is linked with */
    char library[PATH_MAX];   /* "" when none is preloaded, or none was found */
    bool preload, present;
};

/* Subject i of this program; false past the last. */
bool subject_at(size_t i, struct subject *out);

/* The subject of this name. A name that is not known is a user's library. */
void subject_find(const char *name, struct subject *out);

/* The subject's settings, ended by a NULL name; NULL: it has none. */
const struct peer_knob *subject_knobs(const struct subject *s);
/* Writes the value in force of one of them; 0, or -1 when it cannot be read. */
int subject_read_knob(const struct subject *s, const char *name, char *out, size_t size);

/* Whoever serves this process, when nobody was asked for: a known subject, or a user's library by its file's name. */
void subject_serving(struct subject *out);

#endif
