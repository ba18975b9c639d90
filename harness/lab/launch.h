/* SPDX-License-Identifier: MIT
 *
 * launch.h: the arguments, environment and reproducing shell line of a measured process.
 */
#ifndef SPANLAB_LAUNCH_H
#define SPANLAB_LAUNCH_H

#include "catalog.h"
#include "store.h"
#include "text.h"

struct launch {
    struct text_list arguments, environment;
    char *reproduce, *layout; /* layout: JSON */
};

/* seed: of the operation stream. With layout_seed 0 the layout is fixed and ASLR off. */
void launch_make(struct launch *out, const struct catalog_subject *subject, const struct store_todo *todo, uint64_t seed,
                 const char *result_path);
void launch_free(struct launch *l);

/* The name=value in the caller's environment that launch_environment leaves out although it is meant for this subject, as
 * one of its knobs or of its family; NULL when there is none. *knob: the knob's name, NULL when it is none. */
const char *launch_left_out(const struct catalog_subject *subject, const char **knob);

/* The variables that preload a subject and set its knobs, as NAME=value. */
struct text_list launch_subject_variables(const struct catalog_subject *subject, const char *knobs);

/* The caller's environment without what would disturb a subject (LD_PRELOAD, allocators' own variables), then `extra`. */
struct text_list launch_environment(const struct catalog *catalog, const struct text_list *extra);

#endif
