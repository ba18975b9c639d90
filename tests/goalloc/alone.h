/* SPDX-License-Identifier: MIT
 *
 * A cycle that one thread of a test begins and ends, with no other thread that marks. Include unity_collecting.h before
 * this, and set gc_settings.stop_the_world to 1: then no cycle makes threads.
 */
#ifndef TESTS_ALONE_H
#define TESTS_ALONE_H

/* A cycle in which nothing has been marked yet but roots. */
static inline void begin_alone(void) {
    goalloc_collect();
    world_stop(gc_self);
    stacks_must_locate(gc_self, (uintptr_t)__builtin_frame_address(0));
    gc_begin_marking(gc_self, false, os_now_ns());
    world_start();
    __atomic_store_n(&gc.limiter.updated_ns, INT64_MAX, __ATOMIC_RELAXED); /* the clock is the test's */
}

static inline void end_alone(void) {
    __atomic_store_n(&gc.limiter.updated_ns, gc_limit_now(), __ATOMIC_RELAXED);
    while (gc_is_marking()) {
        gc_mark_slice(gc_self, UINT64_MAX);
        gc_end(gc_self);
    }
}

#endif
