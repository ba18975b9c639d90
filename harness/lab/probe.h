/* SPDX-License-Identifier: MIT
 *
 * probe.h: a subject asked in a process of its own: does it serve, and are the knobs in force?
 */
#ifndef SPANLAB_PROBE_H
#define SPANLAB_PROBE_H

#include "catalog.h"

#include <jansson.h>

/* The record of the null workload on a subject with knobs "a=1,b=2": proof, version. NULL when the process gave none. */
json_t *probe_subject(const struct catalog_subject *s, const char *knobs);

#endif
