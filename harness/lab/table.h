/* SPDX-License-Identifier: MIT
 *
 * table.h: the table of a run on a terminal.
 */
#ifndef SPANLAB_TABLE_H
#define SPANLAB_TABLE_H

#include <stdio.h>

/* Prints the table of the run in run_dir, finished or not. 0, or an enum lab_exit after an error line. */
int table_print(const char *run_dir, FILE *out);

#endif
