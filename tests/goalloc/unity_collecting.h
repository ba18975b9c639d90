/* SPDX-License-Identifier: MIT
 * A build that collects inside the test program, so that the collector's static functions and figures can be looked at.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#ifndef TEST_GC_HEADER
#define TEST_GC_HEADER "gc-classic.h"
#endif
#include TEST_GC_HEADER
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
