/* SPDX-License-Identifier: MIT
 * A traced build inside the test program, so that static functions can be called: the one that never collects, or the
 * one that the build names. */
#ifndef TEST_GC_HEADER
#define TEST_GC_HEADER "gc-nogc.h"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include TEST_GC_HEADER
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
