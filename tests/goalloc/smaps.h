/* SPDX-License-Identifier: MIT
 *
 * smaps: which mappings the kernel has, and in which of them it gives huge pages. Included behind cmocka.
 */
#ifndef TESTS_SMAPS_H
#define TESTS_SMAPS_H

#include <stdio.h>
#include <string.h>

struct smap {
    uintptr_t from, to;
    bool huge;
};
enum { SMAPS = 8192 };
static struct smap smaps[SMAPS];

/* The kernel's mappings between two addresses. */
static inline size_t read_smaps(uintptr_t from, uintptr_t to) {
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    size_t count = 0;
    struct smap now = {0, 0, false};
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        uintptr_t first, end;
        if (sscanf(line, "%lx-%lx ", &first, &end) == 2) {
            now.from = first;
            now.to = end;
        }
        if (strncmp(line, "VmFlags:", 8) != 0 || now.to <= from || now.from >= to)
            continue;
        now.huge = strstr(line, " hg") != NULL;
        assert_true(count < SMAPS);
        smaps[count++] = now;
    }
    fclose(f);
    return count;
}

#endif
