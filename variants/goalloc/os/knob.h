/* SPDX-License-Identifier: MIT
 *
 * knob: settings from the environment, read once at first use. Go's runtime refuses a malformed setting at start
 * (mgcpacer.go:1357); so do we, in one line that says what is allowed.
 */
#ifndef GOALLOC_KNOB_H
#define GOALLOC_KNOB_H

#include "os/os.h"

/* The variable's value; NULL: it is unset, or the process has rights that whoever set it may lack (secure_getenv). */
static const char *knob_text(const char *variable);

/* Index of the variable's value in choices (NULL-terminated); `otherwise`, the default, when it is unset or empty. */
static unsigned knob_choice(const char *variable, const char *const *choices, unsigned otherwise);

/* A choice between on and off, and the name of either. */
static bool knob_switch(const char *variable, bool otherwise);
static const char *knob_switch_name(bool on);

/* The variable's value, a number of bytes with an optional KiB or MiB: from `least` to `most` and a multiple of `step`.
 * The default when it is unset or empty. */
static size_t knob_bytes(const char *variable, size_t least, size_t most, size_t step, size_t otherwise);

#endif
