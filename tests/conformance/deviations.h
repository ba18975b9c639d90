/* SPDX-License-Identifier: MIT
 *
 * deviations.h: which peer is known to break which rule, and why that is accepted. goalloc may not appear in it.
 */
#ifndef DEVIATIONS_H
#define DEVIATIONS_H

struct deviation {
    const char *subject;
    const char *rule; /* first argument of rule() or survivable() */
    const char *reason;
};

/* Ends with a NULL subject. */
extern const struct deviation deviations[];

#endif
