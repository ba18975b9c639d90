/* SPDX-License-Identifier: MIT
 *
 * test_policy.c: each policy on a sequence worked by hand, and on random steps beside a model that keeps free blocks in an
 * array, youngest last, and searches all of them.
 */
#include "policy/feed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIVE_MAX = 600, STEPS = 30000 };

static uint64_t random_state;
static uint64_t draw(uint64_t below) {
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % below;
}

/* Mostly small, at times large: 1 to 4096. */
static uint64_t draw_size(void) {
    return 1 + draw(draw(8) == 0 ? 4096 : draw(2) == 0 ? 512 : 64);
}

/* ---- the slow model of extents */

struct hole {
    uint64_t start, size;
};
struct slow {
    enum policy_kind fit;
    uint64_t round, split, end, rover;
    struct hole holes[2 * LIVE_MAX];
    size_t count;
};

static void slow_remove(struct slow *s, size_t i) {
    memmove(&s->holes[i], &s->holes[i + 1], (--s->count - i) * sizeof *s->holes);
}

static void slow_add(struct slow *s, uint64_t start, uint64_t size) {
    s->holes[s->count++] = (struct hole){start, size};
}

/* The definition of the lists: one for every 16 B below 512, four to a doubling above. */
static unsigned slow_bin(uint64_t size) {
    unsigned bin = 32;
    if (size < 512)
        return (unsigned)(size / 16);
    for (uint64_t low = 512;; low *= 2)
        for (unsigned quarter = 1; quarter <= 4; quarter++, bin++)
            if (size < low + low / 4 * quarter)
                return bin;
}

static size_t slow_find_segregated(const struct slow *s, uint64_t size) {
    size_t best = s->count;
    unsigned own = slow_bin(size), seen = 0;
    for (size_t i = s->count; i-- > 0;)
        if (slow_bin(s->holes[i].size) == own && seen++ < 16 && s->holes[i].size >= size)
            return i;
    for (size_t i = 0; i < s->count; i++) { /* a younger one of the same bin wins */
        unsigned bin = slow_bin(s->holes[i].size);
        if (bin > own && (best == s->count || bin <= slow_bin(s->holes[best].size)))
            best = i;
    }
    return best;
}

static bool slow_better(const struct slow *s, const struct hole *a, const struct hole *b) {
    if (s->fit == POLICY_BEST && a->size != b->size)
        return a->size < b->size;
    if (s->fit == POLICY_NEXT && (a->start >= s->rover) != (b->start >= s->rover))
        return a->start >= s->rover;
    return a->start < b->start;
}

static size_t slow_find(const struct slow *s, uint64_t size) {
    if (s->fit == POLICY_SEGREGATED)
        return slow_find_segregated(s, size);
    size_t best = s->count;
    for (size_t i = 0; i < s->count; i++)
        if (s->holes[i].size >= size && (best == s->count || slow_better(s, &s->holes[i], &s->holes[best])))
            best = i;
    return best;
}

static struct hole slow_allocate(struct slow *s, uint64_t size) {
    size = (size + s->round - 1) / s->round * s->round;
    size_t i = slow_find(s, size);
    struct hole b = {s->end, size};
    if (i == s->count) {
        s->end += size;
    } else {
        struct hole hole = s->holes[i];
        slow_remove(s, i);
        b = hole.size - size < s->split ? hole : (struct hole){hole.start, size};
        if (b.size < hole.size)
            slow_add(s, hole.start + size, hole.size - size);
    }
    s->rover = b.start + b.size;
    return b;
}

static void slow_free(struct slow *s, struct hole b) {
    for (size_t i = s->count; i-- > 0;) {
        struct hole h = s->holes[i];
        if (h.start + h.size != b.start && b.start + b.size != h.start)
            continue;
        b = (struct hole){h.start < b.start ? h.start : b.start, h.size + b.size};
        slow_remove(s, i);
    }
    if (b.start + b.size == s->end)
        s->end = b.start;
    else
        slow_add(s, b.start, b.size);
}

/* In place where the block shrinks, or where what follows it is free; else it moves, and leaves its old place last. */
static struct hole slow_resize(struct slow *s, struct hole b, uint64_t size) {
    const uint64_t rounded = (size + s->round - 1) / s->round * s->round;
    size_t next = 0;
    while (next < s->count && s->holes[next].start != b.start + b.size)
        next++;
    if (rounded <= b.size) {
        if (rounded < b.size && b.size - rounded >= s->split) {
            slow_free(s, (struct hole){b.start + rounded, b.size - rounded});
            b.size = rounded;
        }
        return b;
    }
    if (b.start + b.size == s->end) {
        s->end = b.start + rounded;
        return (struct hole){b.start, rounded};
    }
    if (next < s->count && b.size + s->holes[next].size >= rounded) {
        const struct hole hole = s->holes[next];
        slow_remove(s, next);
        if (b.size + hole.size - rounded < s->split || b.size + hole.size == rounded)
            return (struct hole){b.start, b.size + hole.size};
        slow_add(s, b.start + rounded, b.size + hole.size - rounded);
        return (struct hole){b.start, rounded};
    }
    const struct hole moved = slow_allocate(s, size);
    slow_free(s, b);
    return moved;
}

static void is_placed(enum policy_kind fit, int step, const struct policy_block *b, struct hole wanted) {
    if (b->start_bytes != wanted.start || b->size_bytes != wanted.size)
        fail_msg("%s, step %d: expected %lu bytes at %lu, there were %lu at %lu", policy_name(fit), step, wanted.size, wanted.start,
                 b->size_bytes, b->start_bytes);
}

static void extents_agree(enum policy_kind fit, uint64_t round, uint64_t split) {
    static struct slow slow;
    static struct policy_block live[LIVE_MAX];
    slow = (struct slow){.fit = fit, .round = round, .split = split};
    struct policy_options o = policy_defaults;
    o.round_bytes = round;
    o.split_bytes = split;
    struct policy *p = policy_new(fit, &o);
    size_t count = 0, target = 0;
    uint64_t most = 0;
    random_state = (uint64_t)fit * 100 + round + split;
    for (int step = 0; step < STEPS; step++) {
        if (draw(500) == 0)
            target = draw(LIVE_MAX);
        if (count < LIVE_MAX && (count == 0 || draw(100) < (count < target ? 60 : 40))) {
            uint64_t size = draw_size();
            struct hole wanted = slow_allocate(&slow, size);
            live[count] = policy_allocate(p, size);
            is_placed(fit, step, &live[count++], wanted);
        } else if (draw(4) == 0) {
            size_t i = draw(count);
            uint64_t size = draw_size();
            struct hole wanted = slow_resize(&slow, (struct hole){live[i].start_bytes, live[i].size_bytes}, size);
            policy_resize(p, &live[i], size);
            is_placed(fit, step, &live[i], wanted);
        } else {
            size_t i = draw(count);
            slow_free(&slow, (struct hole){live[i].start_bytes, live[i].size_bytes});
            policy_free(p, &live[i]);
            live[i] = live[--count];
        }
        most = slow.end > most ? slow.end : most;
        assert_int_equal(policy_need_bytes(p), slow.end);
        assert_int_equal(policy_holes(p), slow.count);
    }
    assert_int_equal(policy_peak_bytes(p), most);
    while (count > 0)
        policy_free(p, &live[--count]);
    assert_int_equal(policy_need_bytes(p), 0);
    policy_delete(p);
}

static void extents_agree_with_slow_models(void **state) {
    (void)state;
    for (int fit = POLICY_FIRST; fit <= POLICY_SEGREGATED; fit++) {
        extents_agree((enum policy_kind)fit, 16, 16);
        extents_agree((enum policy_kind)fit, 1, 1);
        extents_agree((enum policy_kind)fit, 8, 64);
    }
}

/* ---- what spans and runs must keep to: nothing overlaps, and the need is what still holds a block */

struct map {
    unsigned char taken[1 << 24];
};

static void map_set(struct map *m, const struct policy_block *b, bool taken) {
    for (uint64_t i = b->start_bytes; i < b->start_bytes + b->size_bytes; i++) {
        assert_true(i < sizeof m->taken);
        if (m->taken[i] == taken)
            fail_msg("byte %lu of the block at %lu is %s", i, b->start_bytes, taken ? "part of another block, too" : "part of no block");
        m->taken[i] = taken;
    }
}

/* Bytes of all owners of live blocks; large ones count by themselves. */
static uint64_t held_bytes(enum policy_kind kind, const struct policy_block *live, size_t count, const uint64_t *owner_bytes) {
    static bool seen[1 << 16];
    uint64_t sum = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < count; i++) {
        if (kind != POLICY_CLASSES && live[i].owner == 0)
            sum += live[i].size_bytes;
        else if (!seen[live[i].owner])
            sum += owner_bytes[live[i].owner];
        seen[live[i].owner] |= live[i].owner != 0;
    }
    return sum;
}

static uint64_t owner_size(const struct policy_block *b) {
    static const uint64_t spans[][2] = {{32, 8192}, {48, 8192}, {3072, 24576}, {9728, 49152}};
    if (b->size_bytes > 32768)
        return b->size_bytes;
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (spans[i][0] == b->size_bytes)
            return spans[i][1];
    fail_msg("no request here is for %lu bytes", b->size_bytes);
    return 0;
}

static void owners_keep(enum policy_kind kind) {
    static struct map map;
    static struct policy_block live[LIVE_MAX];
    static uint64_t owner_bytes[1 << 16];
    static const uint64_t sizes[] = {25, 48, 2700, 9500, 40000};
    memset(&map, 0, sizeof map);
    struct policy *p = policy_new(kind, &policy_defaults);
    size_t count = 0, target = 0;
    random_state = kind;
    for (int step = 0; step < STEPS / 3; step++) {
        if (draw(500) == 0)
            target = draw(LIVE_MAX);
        if (count < LIVE_MAX && (count == 0 || draw(100) < (count < target ? 60 : 40))) {
            live[count] = policy_allocate(p, sizes[draw(draw(50) == 0 ? 5 : draw(4) == 0 ? 4 : 2)]);
            owner_bytes[live[count].owner] = kind == POLICY_CLASSES ? owner_size(&live[count]) : policy_defaults.run_bytes;
            map_set(&map, &live[count++], true);
        } else {
            size_t i = draw(count);
            map_set(&map, &live[i], false);
            if (draw(4) == 0) {
                policy_resize(p, &live[i], sizes[draw(4)]);
                owner_bytes[live[i].owner] = kind == POLICY_CLASSES ? owner_size(&live[i]) : policy_defaults.run_bytes;
                map_set(&map, &live[i], true);
            } else {
                policy_free(p, &live[i]);
                live[i] = live[--count];
            }
        }
        const uint64_t held = held_bytes(kind, live, count, owner_bytes), need = policy_need_bytes(p);
        const uint64_t spare = kind == POLICY_CLASSES ? 0 : 1; /* the run that is bumped through */
        if (need < held || need > held + spare * policy_defaults.run_bytes)
            fail_msg("%s, step %d: %lu bytes are held, the need is %lu", policy_name(kind), step, held, need);
    }
    policy_delete(p);
}

static void spans_and_runs_keep_their_rules(void **state) {
    (void)state;
    owners_keep(POLICY_CLASSES);
    owners_keep(POLICY_LINEAR);
    owners_keep(POLICY_LINES);
}

/* ---- by hand */

static struct policy *with(enum policy_kind kind, uint64_t run, uint64_t line) {
    const struct policy_options o = {.round_bytes = 16, .split_bytes = 16, .run_bytes = run, .line_bytes = line};
    return policy_new(kind, &o);
}

static void place(struct policy *p, uint64_t size, struct policy_block *out, uint64_t start) {
    *out = policy_allocate(p, size);
    assert_int_equal(out->start_bytes, start);
}

/* Free 32 at 0, 96 at 48, 48 at 160: each fit takes another one for 40 bytes. */
static struct policy *with_three_holes(enum policy_kind kind, struct policy_block *last) {
    struct policy_block b[6];
    const uint64_t sizes[] = {32, 16, 96, 16, 48, 16};
    struct policy *p = with(kind, 32768, 128);
    for (int i = 0; i < 6; i++)
        b[i] = policy_allocate(p, sizes[i]);
    assert_int_equal(policy_need_bytes(p), 224);
    policy_free(p, &b[0]);
    policy_free(p, &b[4]);
    policy_free(p, &b[2]);
    assert_int_equal(policy_holes(p), 3);
    *last = b[5];
    return p;
}

static void fits_by_hand(void **state) {
    (void)state;
    struct policy_block last, b;
    struct policy *p = with_three_holes(POLICY_FIRST, &last);
    place(p, 40, &b, 48);
    place(p, 40, &b, 96); /* all that is left of 96 */
    place(p, 32, &b, 0);
    policy_delete(p);
    p = with_three_holes(POLICY_BEST, &last);
    place(p, 40, &b, 160);
    place(p, 33, &b, 48);
    policy_delete(p);
    p = with_three_holes(POLICY_NEXT, &last); /* the rover is at the end, so the search begins at 0 */
    place(p, 40, &b, 48);
    place(p, 16, &b, 96);
    place(p, 48, &b, 160);
    place(p, 16, &b, 0);
    policy_delete(p);
    p = with_three_holes(POLICY_SEGREGATED, &last);
    place(p, 40, &b, 160); /* the list of 48 is the next one with a block */
    place(p, 40, &b, 48);
    place(p, 40, &b, 96);
    policy_free(p, &last);
    assert_int_equal(policy_need_bytes(p), 208);
    policy_delete(p);
}

/* A span of 8192 B for each size; the second page is the class's own as long as it holds one object. */
static void classes_by_hand(void **state) {
    (void)state;
    struct policy_block small[129], other;
    struct policy *p = with(POLICY_CLASSES, 32768, 128);
    for (int i = 0; i < 129; i++)
        place(p, 60, &small[i], (uint64_t)i * 64);
    assert_int_equal(policy_need_bytes(p), 16384);
    for (int i = 0; i < 128; i++)
        policy_free(p, &small[i]);
    assert_int_equal(policy_need_bytes(p), 8192);
    place(p, 1000, &other, 0); /* another class takes the first page */
    place(p, 60, &small[0], 8256);
    place(p, 40000, &other, 16384);
    assert_int_equal(other.size_bytes, 40960);
    assert_int_equal(policy_need_bytes(p), 57344);
    policy_delete(p);
}

static void runs_by_hand(void **state) {
    (void)state;
    struct policy_block b[9], large;
    struct policy *p = with(POLICY_LINEAR, 512, 0);
    for (int i = 0; i < 4; i++)
        place(p, 128, &b[i], (uint64_t)i * 128);
    place(p, 100, &b[4], 512);
    policy_free(p, &b[1]);
    policy_free(p, &b[2]);
    place(p, 100, &b[5], 624); /* not into what is dead of the first run */
    policy_free(p, &b[0]);
    policy_free(p, &b[3]);
    assert_int_equal(policy_need_bytes(p), 512);
    place(p, 129, &large, 0);
    assert_int_equal(policy_need_bytes(p), 512 + 144);
    policy_free(p, &b[4]);
    policy_free(p, &b[5]);
    place(p, 16, &b[0], 512); /* the run is dead and serves from its beginning */
    policy_delete(p);
    p = with(POLICY_LINES, 512, 64);
    for (int i = 0; i < 8; i++)
        place(p, 64, &b[i], (uint64_t)i * 64);
    place(p, 16, &b[8], 512);
    policy_free(p, &b[1]);
    policy_free(p, &b[2]);
    policy_free(p, &b[6]);
    place(p, 100, &large, 528); /* it fits the rest of the present run */
    for (int i = 0; i < 3; i++)
        place(p, 112, &large, 640 + (uint64_t)i * 112);
    place(p, 112, &large, 64); /* 48 bytes are left, and pass unused: two dead lines of the first run */
    place(p, 48, &large, 384); /* 16 bytes are left of them: the third */
    place(p, 48, &large, 1024); /* no further line is dead */
    assert_int_equal(policy_need_bytes(p), 1536);
    policy_free(p, &b[0]);
    place(p, 16, &large, 1072); /* the bump pointer goes on where it is */
    policy_free(p, &b[8]);
    for (int i = 0; i < 3; i++)
        place(p, 128, &large, 1088 + (uint64_t)i * 128);
    place(p, 112, &large, 1536); /* the first line is dead, and too short: passed over */
    place(p, 16, &large, 1648);
    policy_delete(p);
}

/* ---- one stream for all */

/* Needs in units of 1/100 of live, in the order of enum policy_kind. */
static struct feed_figures needs(const uint64_t *hundredths) {
    struct feed_figures f = {.live_bytes = 10000};
    for (int i = 0; i < POLICY_KINDS; i++)
        f.need_bytes[i] = hundredths[i] * 100;
    return f;
}

static void orders_are_compared(void **state) {
    (void)state;
    static const uint64_t up[] = {100, 110, 120, 130, 140, 150, 160}, down[] = {160, 150, 140, 130, 120, 110, 100},
                          swapped[] = {110, 100, 120, 130, 140, 150, 160}, tied[] = {100, 100, 100, 100, 140, 150, 160},
                          none[] = {100, 100, 100, 100, 100, 100, 100};
    struct feed_figures a = needs(up), b = needs(down), c = needs(swapped), d = needs(tied), e = needs(none);
    assert_true(fabs(feed_tau(&a, &a) - 1) < 1e-9);
    assert_true(fabs(feed_tau(&a, &b) + 1) < 1e-9);
    assert_true(fabs(feed_tau(&a, &c) - 19.0 / 21) < 1e-9);
    assert_true(fabs(feed_tau(&d, &d) - 1) < 1e-9); /* ties alone take nothing */
    assert_true(fabs(feed_tau(&a, &d) - 15 / sqrt(15.0 * 21)) < 1e-9);
    d.need_bytes[1] += 99; /* less than a hundredth of live */
    assert_true(fabs(feed_tau(&d, &d) - 1) < 1e-9);
    assert_true(isnan(feed_tau(&a, &e)));
}

/* 100 B become 200 B at the end of the space: in place, or with both there for a moment. */
static void resizing_counts(bool moves, uint64_t live, uint64_t need) {
    struct policy_options o = policy_defaults;
    struct feed f;
    o.round_bytes = o.split_bytes = 1;
    o.resize_moves = moves;
    feed_begin(&f, &o, true);
    const uint32_t object = feed_allocate(&f, 100);
    feed_resize(&f, object, 200);
    const struct feed_figures now = feed_figures(&f), other = feed_shuffled(&f, &o, 1);
    assert_int_equal(now.live_bytes, live);
    assert_int_equal(now.need_bytes[POLICY_FIRST], need);
    assert_int_equal(now.end_blocks, 1);
    assert_int_equal(other.allocations, 2);
    feed_free(&f, object);
    assert_int_equal(feed_figures(&f).end_blocks, 0);
    feed_end(&f);
}

static void resizing_counts_as_it_is_done(void **state) {
    (void)state;
    resizing_counts(false, 200, 200);
    resizing_counts(true, 300, 300);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_by_hand),
        cmocka_unit_test(classes_by_hand),
        cmocka_unit_test(runs_by_hand),
        cmocka_unit_test(extents_agree_with_slow_models),
        cmocka_unit_test(spans_and_runs_keep_their_rules),
        cmocka_unit_test(orders_are_compared),
        cmocka_unit_test(resizing_counts_as_it_is_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
