/* SPDX-License-Identifier: MIT
 * tiny = tiny: pointer-free requests below 16 B share 16 B blocks. */
#ifdef AXIS_TINY_NAME
#error "two choices for the tiny axis: force in exactly one variants/axes/tiny-*.h"
#endif
#define AXIS_TINY_NAME "tiny"
enum { AXIS_TINY = 1 };
