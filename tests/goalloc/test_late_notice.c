/* SPDX-License-Identifier: MIT
 * A thread that has freed a block of another thread's span gives the owner a notice. The notice may come late: the span has
 * died, and its record serves another span. Each test revives the record at the worst moment. */
#define _GNU_SOURCE
#include "axes_manual.h"

#include "axes.h"

#include "os/os.h"
#include "meta/meta.h"
#include "span/span.h"

/* What happens the moment before this thread looks whether a span is in use. */
static _Thread_local void (*meanwhile)(void);
static inline enum span_state state_after(const struct span *s) {
    void (*first)(void) = meanwhile;
    meanwhile = NULL;
    if (first != NULL)
        first();
    return span_state_of(s);
}
#define span_state_of(s) state_after(s)

#include "unity_manual.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct span *record;
static struct cache *cache; /* the main thread's; the reviver uses it while the main thread waits */
static uint8_t class_now;
static bool block_is_freed; /* of the revived span, by a thread that relies on the late notice */
static pthread_t reviver;
static int reviver_tid; /* atomic; -1: it has done its work */

static struct span *alloc_span(uint8_t span_class) {
    size_t npages = heap.class_pages[span_class_size_class(span_class)];
    return heap_span_alloc(cache, npages, span_class, GOALLOC_PAGE_BYTES);
}

static void *revive(void *unused) {
    (void)unused;
    __atomic_store_n(&reviver_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    struct span *s = alloc_span(class_now);
    /* A freer that saw the late notice stand, the moment before it was taken back, says nothing itself. */
    if (block_is_freed && s == record)
        __atomic_fetch_or(&span_remote_bits(s)[0], 1, __ATOMIC_RELEASE);
    __atomic_store_n(&reviver_tid, -1, __ATOMIC_RELEASE);
    return s;
}

/* Returns once the other thread is done, or waits for a lock that this one holds. */
static void await_reviver(void) {
    uint64_t blocked;
    char state = '\0';
    for (int tid = 0; tid != -1 && state != 'S';) {
        sched_yield();
        tid = __atomic_load_n(&reviver_tid, __ATOMIC_ACQUIRE);
        if (tid > 0 && !os_thread_status(tid, &blocked, &state))
            state = '\0'; /* it has just ended */
    }
}

static void revive_meanwhile(void) {
    reviver_tid = 0;
    assert_int_equal(pthread_create(&reviver, NULL, revive, NULL), 0);
    await_reviver();
}

/* A span of the main thread dies. The notice of a thread that had freed a block of it comes afterwards. */
static void notify_late(unsigned then, unsigned now, bool freed) {
    block_is_freed = freed;
    goalloc_free(goalloc_malloc(100));
    cache = cache_self;
    class_now = span_class_make(now, true);
    record = alloc_span(span_class_make(then, true));
    assert_non_null(record);
    __atomic_store_n(&record->owner, NULL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&record->state, SPAN_DEAD, __ATOMIC_RELEASE);
    heap_span_free(cache, record);
    meanwhile = revive_meanwhile;
    cache_notify_owner(record);
    void *revived;
    assert_null(meanwhile);
    assert_int_equal(pthread_join(reviver, &revived), 0);
    assert_ptr_equal(revived, record); /* or the test shows nothing */
    assert_int_equal(record->span_class, class_now);
    assert_int_equal(span_state_of(record), SPAN_IN_USE);
    assert_ptr_equal(record->owner, cache);
}

/* central_merge must not take the span for one without an owner. It would give the span to the next thread that asks. */
static void a_late_notice_leaves_a_span_of_its_class_to_its_owner(void **state) {
    (void)state;
    notify_late(20, 20, false);
    assert_int_equal(record->list, SPAN_ON_NONE);
    assert_null(heap.central[class_now].partial);
}

/* A thread that frees a block of the new span sees that a notice stands, and gives none of its own. */
static void a_late_notice_does_not_swallow_the_next(void **state) {
    (void)state;
    notify_late(20, 21, true);
    assert_ptr_equal(__atomic_load_n(&cache->inbox, __ATOMIC_ACQUIRE), record);
    assert_int_equal(record->remote_queued, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_notice_leaves_a_span_of_its_class_to_its_owner),
        cmocka_unit_test(a_late_notice_does_not_swallow_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
