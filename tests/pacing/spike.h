/* SPDX-License-Identifier: MIT
 *
 * What the programs that measure a spike share (spike.c, spike_malloc.c): how much of what, and what is resident 0.1, 1
 * and 5 seconds after it, in KiB.
 */
#ifndef TESTS_SPIKE_H
#define TESTS_SPIKE_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct node {
    struct node *next;
    uint64_t pad[6];
};

enum { LIVE_BYTES = 10 << 20, SPIKE_BYTES = 300 << 20, BUSY_NODES = 100000, BUSY_US = 5000 };

static long resident_kib(void) {
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = -1;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Prints peak_kib and the three figures; busy is what the program does every 5 ms, or NULL for nothing. */
static void print_residents(long peak_kib, void (*busy)(void)) {
    static const double after_s[] = {0.1, 1, 5};
    double begun_s = now_s();
    printf("%ld", peak_kib);
    for (size_t i = 0; i < sizeof after_s / sizeof after_s[0]; i++) {
        while (now_s() < begun_s + after_s[i]) {
            if (busy != NULL)
                busy();
            usleep(BUSY_US);
        }
        printf(" %ld", resident_kib());
    }
    printf("\n");
}

#endif
