/* SPDX-License-Identifier: MIT
 *
 * pauses.h: what stops of the world amount to: percentiles, and the share of any window that a program can count on.
 */
#ifndef SPANLAB_PAUSES_H
#define SPANLAB_PAUSES_H

#include "traced.h"

#include <stddef.h>
#include <stdint.h>

/* The value that at least `share` (above 0, up to 1) of the values do not exceed: the smallest such. sorted: ascending,
 * count above 0. */
uint64_t pauses_percentile(const uint64_t *sorted, size_t count, double share);

/* Minimum mutator utilisation: the smallest share of any window of that length, within [begun, ended], that lies
 * outside the pauses. Pauses ascend and do not overlap; they may stick out at either end. NAN: no window of that length
 * fits. */
double pauses_mmu(const struct traced_pause *pauses, size_t count, uint64_t begun_ns, uint64_t ended_ns,
                  uint64_t window_ns);

#endif
