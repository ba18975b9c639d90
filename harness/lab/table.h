/* SPDX-License-Identifier: MIT
 *
 * table.h: the table of a run on a terminal.
 */
#ifndef SPANLAB_TABLE_H
#define SPANLAB_TABLE_H

#include "rundata.h"

#include <stdio.h>

/* Of a run finished or not. */
void table_print(const struct run *r, FILE *out);

#endif
