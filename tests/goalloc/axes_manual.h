/* SPDX-License-Identifier: MIT
 * The choices of unity_manual.h: apart, so that a test can look at a layer before the others are included. */
#ifndef TESTS_AXES_MANUAL_H
#define TESTS_AXES_MANUAL_H

#ifndef TEST_PLACE_HEADER
#define TEST_PLACE_HEADER "place-sizeclass.h"
#endif
#pragma GCC diagnostic ignored "-Wunused-function"
#include "gc-manual.h"
#include "tiny-on.h"
#include TEST_PLACE_HEADER

#endif
