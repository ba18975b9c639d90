/* SPDX-License-Identifier: MIT
 *
 * input.h: a fuzz input as a sequence of numbers. Past its end every number is 0.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *at, *end;
};

static inline bool input_ended(const struct input *in) {
    return in->at == in->end;
}

/* The next bytes as a number, little end first. */
static inline uint64_t input_bytes(struct input *in, unsigned bytes) {
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes && in->at < in->end; i++)
        number |= (uint64_t)*in->at++ << 8 * i;
    return number;
}

/* A choice out of n, which is at most 256. */
static inline unsigned input_below(struct input *in, unsigned n) {
    return (unsigned)(input_bytes(in, 1) % n);
}

/* A size: most often small, often at an edge where allocators change their mind, sometimes absurd. */
static inline size_t input_size(struct input *in) {
    static const size_t edges[] = {16,
                                   64,
                                   512,
                                   1024,
                                   4096,
                                   8192,
                                   16384,
                                   32760,
                                   32768,
                                   1 << 20,
                                   4 << 20,
                                   64u << 20,
                                   (size_t)1 << 30,
                                   (size_t)PTRDIFF_MAX};
    unsigned kind = input_below(in, 16);
    if (kind < 6)
        return input_bytes(in, 1);
    if (kind < 9)
        return input_bytes(in, 2) & 0x7ff;
    if (kind < 11)
        return input_bytes(in, 2);
    if (kind < 13) {
        size_t edge = edges[input_below(in, sizeof edges / sizeof *edges)];
        return edge + input_bytes(in, 1) - 16;
    }
    if (kind < 15)
        return input_bytes(in, 3);
    unsigned shift = input_below(in, 44);
    return input_bytes(in, 3) << shift;
}

/* Loops over contents: comparing bytes teaches the fuzzer nothing. */
#ifdef __clang__
#define FUZZ_UNWATCHED __attribute__((no_sanitize("coverage")))
#else
#define FUZZ_UNWATCHED
#endif

/* What is wrong, and the end of the process: the fuzzer keeps the input. */
#define FUZZ_FAIL(...)                                                                                                 \
    do {                                                                                                               \
        fprintf(stderr, "fuzz: FAILED: " __VA_ARGS__);                                                                 \
        fputc('\n', stderr);                                                                                           \
        abort();                                                                                                       \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
