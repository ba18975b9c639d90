/* SPDX-License-Identifier: MIT
 *
 * starts.h: a process that is about to become another program says so.
 */
#ifndef SPANLAB_PROVE_STARTS_H
#define SPANLAB_PROVE_STARTS_H

#include <stdbool.h>

/* False, with EPERM: nothing would tell that the next image is not proved, so it must not be started. */
bool starts_announce(const char *path, char *const *environment);

/* It is still this program: result as given, errno kept. */
long starts_came_back(long result);

#endif
