/* SPDX-License-Identifier: MIT
 * tiny = notiny: every request has a slot of its own. */
#ifdef AXIS_TINY_NAME
#error "two choices for the tiny axis: force in exactly one variants/axes/tiny-*.h"
#endif
#define AXIS_TINY_NAME "notiny"
enum { AXIS_TINY = 0 };
