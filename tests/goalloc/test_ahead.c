/* SPDX-License-Identifier: MIT
 *
 * Where the heap grows by huge pages, the next one is in memory before it is used, and who puts it there counts as
 * stopped meanwhile.
 */
#include "unity_collecting.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/utsname.h>

enum { GROWN_BYTES = 96 << 20, OBJECT_BYTES = 64 };

static bool kernel_populates(void) {
    struct utsname name;
    unsigned major = 0, minor = 0;
    return uname(&name) == 0 && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
           (major > 5 || (major == 5 && minor >= 14));
}

static bool is_resident(uintptr_t address) {
    unsigned char resident = 0;
    assert_int_equal(mincore((void *)(address & ~(uintptr_t)4095), 4096, &resident), 0);
    return (resident & 1) != 0;
}

/* Nobody touches an object without pointers that lies in new memory and need not be clear: the first one of each huge
 * page shows whether the page was there before. The first of a stretch cannot be. */
static void growth_finds_its_pages(void **state) {
    (void)state;
    if (!heap.huge_pages || !kernel_populates())
        skip();
    unsigned in_time = 0, late = 0, resident = 0;
    uintptr_t last_huge = 0;
    for (size_t got_bytes = 0; got_bytes < GROWN_BYTES; got_bytes += OBJECT_BYTES) {
        const uintptr_t asked_below = heap.ahead_next; /* the request itself moves it on, when none was in time */
        uintptr_t object = (uintptr_t)goalloc_bytes(OBJECT_BYTES, false);
        assert_int_not_equal(object, 0);
        uintptr_t huge = object / HEAP_HUGE_BYTES;
        bool small = heap.arenas.count == 1 && object % ARENA_BYTES < HEAP_SMALL_BYTES + HEAP_GROW_BYTES;
        if (small || huge == last_huge)
            continue;
        last_huge = huge;
        /* The kernel may be short of memory, so it is the request that counts: it was made before the page was used. */
        if (asked_below > object)
            in_time++;
        else
            late++;
        resident += is_resident(object);
    }
    print_message("%u huge pages were asked for in time, %u were not; %u were in memory\n", in_time, late, resident);
    if (in_time + late < 30 || in_time + late > 60 || late > 4)
        fail_msg("%u huge pages began, %u of them not asked for before; expected 30 to 60, and at most 4", in_time + late,
                 late);
}

static uint32_t progress;

static void *wait_for_memory(void *nothing) {
    (void)nothing;
    goalloc_thread_attach();
    __atomic_store_n(&progress, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&ahead_busy, __ATOMIC_ACQUIRE) != 0) {
        gc_back_ahead(gc_self);
        goalloc_safepoint();
    }
    goalloc_thread_detach();
    return NULL;
}

static void who_backs_memory_has_stopped(void **state) {
    (void)state;
    pthread_t thread;
    ahead_busy = 1; /* somebody is at it, for whom the thread waits */
    assert_int_equal(pthread_create(&thread, NULL, wait_for_memory, NULL), 0);
    while (__atomic_load_n(&progress, __ATOMIC_ACQUIRE) == 0)
        sched_yield();
    /* The thread may be about to wait, for as long as it gets no processor: a stop that waits for no thread comes in the
     * end, or the time limit of the test. */
    unsigned tries = 0;
    for (bool was_stopped = false; !was_stopped; tries++) {
        usleep(1000);
        world_stop(gc_self);
        was_stopped = world.arrived == 0;
        world_start();
    }
    print_message("stop %u found the thread waiting\n", tries);
    __atomic_store_n(&ahead_busy, 0, __ATOMIC_RELEASE);
    os_wake_all(&ahead_busy);
    pthread_join(thread, NULL);
}

int main(void) {
    if (!goalloc_thread_attach())
        return 1;
    gc_settings.percent = -1;
    gc_set_goals(true);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_finds_its_pages),
        cmocka_unit_test(who_backs_memory_has_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
