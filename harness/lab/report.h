/* SPDX-License-Identifier: MIT
 *
 * report.h: the page of a run.
 */
#ifndef SPANLAB_REPORT_H
#define SPANLAB_REPORT_H

#include "rundata.h"

/* Draws report/index.html in the run's folder. 0, or an enum lab_exit after an error line, and then the page that was there
 * stays. */
int report_write(const struct run *r);

#endif
