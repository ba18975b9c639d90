/* SPDX-License-Identifier: MIT
 * A manual build inside the test program, so that static functions can be called. */
#pragma GCC diagnostic ignored "-Wunused-function"
#define GOALLOC_VERSION "test"
#include "gc-manual.h"
#include "tiny-on.h"
#include "place-sizeclass.h"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
