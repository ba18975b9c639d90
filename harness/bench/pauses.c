/* SPDX-License-Identifier: MIT */
#include "pauses.h"

#include <math.h>

uint64_t pauses_percentile(const uint64_t *sorted, size_t count, double share) {
    size_t rank = (size_t)ceil(share * (double)count - 1e-9); /* 0.99 * 100 is a little more than 99 */
    return sorted[rank == 0 ? 0 : rank - 1];
}

static uint64_t overlap(struct traced_pause p, uint64_t from, uint64_t to) {
    uint64_t begun = p.begun_ns > from ? p.begun_ns : from;
    uint64_t ended = p.begun_ns + p.length_ns < to ? p.begun_ns + p.length_ns : to;
    return ended > begun ? ended - begun : 0;
}

/* Paused time of [from, from + window). near: a pause that touches it, if any does. */
static uint64_t paused_in(const struct traced_pause *pauses, size_t count, size_t near, uint64_t from,
                          uint64_t window_ns) {
    uint64_t to = from + window_ns, sum = 0;
    for (size_t i = near; i < count && pauses[i].begun_ns < to; i++)
        sum += overlap(pauses[i], from, to);
    for (size_t i = near; i > 0 && pauses[i - 1].begun_ns + pauses[i - 1].length_ns > from; i--)
        sum += overlap(pauses[i - 1], from, to);
    return sum;
}

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most) {
    return value < least ? least : value > most ? most : value;
}

/* Of all windows, one that begins with a pause or ends with one is as bad as any: sliding another one to the nearer of
 * the two loses no paused time. */
double pauses_mmu(const struct traced_pause *pauses, size_t count, uint64_t begun_ns, uint64_t ended_ns,
                  uint64_t window_ns) {
    if (ended_ns < begun_ns || ended_ns - begun_ns < window_ns || window_ns == 0)
        return NAN;
    uint64_t last = ended_ns - window_ns, most = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t end_ns = pauses[i].begun_ns + pauses[i].length_ns;
        uint64_t from[2] = {clamp(pauses[i].begun_ns, begun_ns, last),
                            clamp(end_ns > window_ns ? end_ns - window_ns : 0, begun_ns, last)};
        for (int k = 0; k < 2; k++) {
            uint64_t paused = paused_in(pauses, count, i, from[k], window_ns);
            most = paused > most ? paused : most;
        }
    }
    return 1 - (double)most / (double)window_ns;
}
