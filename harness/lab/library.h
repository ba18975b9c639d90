/* SPDX-License-Identifier: MIT
 *
 * library.h: whether a file of the user's can be preloaded.
 */
#ifndef SPANLAB_LIBRARY_H
#define SPANLAB_LIBRARY_H

/* NULL, or why the loader does not preload the file at this absolute path, in its own words where it has some. The
 * caller's to free. */
char *library_problem(const char *path);

#endif
