/* SPDX-License-Identifier: MIT
 *
 * The null library (null/): a malloc that bumps and a free that returns. A bound for time, not an allocator.
 */
#include "peer.h"

PEER(null) = {
    .name = "null",
    .summary = "a bound: malloc bumps a pointer, free returns at once",
    .built_glob = "libspanlab-null.so",
    .bound = 1,
};
