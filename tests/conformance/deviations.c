/* SPDX-License-Identifier: MIT */
#include "deviations.h"

#include <stddef.h>

/* Seen with Debian 12's versions: glibc 2.36, jemalloc 5.3.0, gperftools 2.10, mimalloc 2.0.9, tbbmalloc 2021.8. */
const struct deviation deviations[] = {
    {"glibc", "aligned-alloc-einval", "before 2.38 aligned_alloc is memalign, which rounds the alignment up"},

    {"jemalloc", "absurd-size-errno", "memalign, valloc and realloc of a live object leave errno alone when they fail"},

    {"tcmalloc", "aligned-alloc-einval", "aligned_alloc is memalign and accepts alignment 0"},
    {"tcmalloc", "overflow", "calloc whose product overflows gives NULL without setting errno"},
    {"tcmalloc", "absurd-size", "pvalloc lets the rounded size wrap to zero and gives one page"},
    {"tcmalloc", "absurd-size-errno", "the same: that success of pvalloc leaves errno alone"},

    {"mimalloc", "aligned-alloc-einval", "aligned_alloc accepts alignment 0"},
    {"mimalloc", "overflow", "calloc whose product overflows gives NULL without setting errno"},
    {"mimalloc", "absurd-size-errno", "an absurd size gives NULL without setting errno"},
    {"mimalloc", "aligned",
     "2.0.9 misaligns size = alignment of 256, 512 and 1024 (microsoft/mimalloc issue 700, since fixed)"},
    {"mimalloc", "bad-alloc", "Debian compiles it as C: operator new aborts where it cannot throw"},
    {"mimalloc", "new-handler-nothrow", "the same"},

    {"tbbmalloc", "absurd-size-errno", "pvalloc fails with EINVAL"},
    {"tbbmalloc", "realloc-size-overflow",
     "realloc adds its header without an overflow check and gives a small object"},
    {"tbbmalloc", "fork-threaded", "no fork handlers: the child can hang on a lock that another thread held"},
    {"tbbmalloc", "new-handler-nothrow", "its nothrow operator new answers NULL without calling the handler"},

    {NULL, NULL, NULL},
};
