/* SPDX-License-Identifier: MIT
 * A manual build inside the test program, so that static functions can be called: of size classes, or the placement that
 * the build names. */
#include "axes_manual.h"

#define GOALLOC_VERSION "test"
#include "goalloc.c"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
