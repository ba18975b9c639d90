/* SPDX-License-Identifier: MIT
 *
 * report.h: the page of a run.
 */
#ifndef SPANLAB_REPORT_H
#define SPANLAB_REPORT_H

/* Draws run_dir/report/index.html. 0, or an enum lab_exit after an error line. */
int report_write(const char *run_dir);

#endif
