/* SPDX-License-Identifier: MIT
 *
 * ahead: memory that the heap is about to grow into is backed by threads that a stop need not wait for. A fault on a
 * huge page takes milliseconds, and a thread in one stops no sooner. Included by cycle.c.
 */
#include "gc/gc.h"

static uint32_t ahead_busy; /* atomic: somebody is at it */

/* Who finds another at it waits for that: what it backs will do for both. */
static void ahead_back(void *unused) {
    (void)unused;
    enum { LONGEST_NS = 100000000 };
    uint32_t idle = 0;
    if (!__atomic_compare_exchange_n(&ahead_busy, &idle, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        os_wait_while(&ahead_busy, 1, LONGEST_NS);
        return;
    }
    heap_back_ahead();
    __atomic_store_n(&ahead_busy, 0, __ATOMIC_RELEASE);
    os_wake_all(&ahead_busy);
}

static void gc_back_ahead(struct gc_thread *self) {
    world_wait_by(self, ahead_back, NULL);
}
