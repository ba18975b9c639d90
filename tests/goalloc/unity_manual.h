/* SPDX-License-Identifier: MIT
 * A manual build inside the test program, so that static functions can be called: of size classes, or the placement that
 * the build names. */
#ifndef TEST_PLACE_HEADER
#define TEST_PLACE_HEADER "place-sizeclass.h"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-manual.h"
#include "tiny-on.h"
#include TEST_PLACE_HEADER
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
