/* SPDX-License-Identifier: MIT
 *
 * hashmap-lru.c: a cache: a chained hash table that grows, a list by last use, values of many sizes; the least recently
 * used entry goes when there are too many.
 */
#include "workload.h"

#include <string.h>

enum { POINTS = 200, FIRST_BUCKETS = 16, VALUE_MAX = 128, KEYS_PER_ENTRY = 4 };
/* An entry, its value at mean length, and its share of a table that is half to fully used. */
enum { ENTRY_BYTES = 64 + VALUE_MAX / 2 + 12 };

static const struct workload_param params[] = {
    {"threads", 1, 1, "threads; each has a cache of its own"},
    {"live", 8, 1, "MiB in all caches together once they are full"},
    {"lookups", 2000, 10, "thousand lookups in all caches together; a miss, and each eighth hit, allocate"},
    {NULL, 0, 0, NULL},
};

/* A value is a slice, as the twin's: bytes, length, capacity. */
struct entry {
    struct entry *chain, *newer, *older;
    uint8_t *value;
    uint64_t length, capacity;
    uint64_t key;
};

/* ends: an entry that is none: its newer is the oldest, its older the newest. */
struct cache {
    struct entry **table;
    uint64_t buckets, table_capacity; /* of a slice, too */
    struct entry *ends;
    uint64_t entries;
};

HEAP_TYPE(entry_type, struct entry,
          HEAP_POINTER(struct entry, chain) | HEAP_POINTER(struct entry, newer) | HEAP_POINTER(struct entry, older) |
              HEAP_POINTER(struct entry, value));
HEAP_TYPE(cache_type, struct cache, HEAP_POINTER(struct cache, table) | HEAP_POINTER(struct cache, ends));

struct hashmap_lru {
    unsigned threads;
    uint64_t entries, lookups; /* of one cache */
};

static void *hashmap_lru_setup(struct bench *b) {
    struct hashmap_lru *s = bench_scratch(b, sizeof *s);
    s->threads = (unsigned)bench_param(b, "threads");
    s->entries = (bench_param(b, "live") << 20) / ENTRY_BYTES / s->threads;
    s->lookups = bench_param(b, "lookups") * 1000 / s->threads;
    if (s->entries < FIRST_BUCKETS)
        bench_fail(b, "live is %llu MiB for %u threads; every cache needs %d entries at least",
                   (unsigned long long)bench_param(b, "live"), s->threads, FIRST_BUCKETS);
    return s;
}

static inline uint64_t bucket_of(const struct cache *c, uint64_t key) {
    return (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (c->buckets - 1);
}

static struct entry **new_table(struct bench_thread *t, uint64_t buckets) {
    const uint64_t size_bytes = buckets * sizeof(struct entry *);
    t->ops++;
    t->live_bytes += size_bytes;
    t->zero_bytes += size_bytes;
    return bench_need(t, heap_pointers(buckets), size_bytes);
}

static void drop_table(struct bench_thread *t, struct entry **table, uint64_t buckets) {
    t->live_bytes -= buckets * sizeof *table;
    heap_drop(table);
}

static struct entry *new_entry(struct bench_thread *t) {
    struct entry *entry = bench_need(t, heap_object(&entry_type, HEAP_RAW), sizeof *entry);
    if (!HEAP_TRACED) /* a traced object is born clear */
        *entry = (struct entry){0};
    t->ops++;
    t->live_bytes += sizeof *entry;
    return entry;
}

static void give_value(struct bench_thread *t, struct entry *entry, uint64_t length) {
    uint8_t *value = bench_need(t, heap_bytes(length, HEAP_RAW), length);
    memset(value, (int)(entry->key & 0xff), length);
    value[length - 1] = (uint8_t)length;
    heap_store(&entry->value, value);
    entry->length = entry->capacity = length;
    t->ops++;
    t->live_bytes += length;
}

static void drop_value(struct bench_thread *t, struct entry *entry) {
    t->live_bytes -= entry->length;
    heap_drop(entry->value);
}

static struct cache *new_cache(struct bench_thread *t) {
    struct cache *c = bench_need(t, heap_object(&cache_type, HEAP_RAW), sizeof *c);
    t->ops++;
    t->live_bytes += sizeof *c;
    c->buckets = c->table_capacity = FIRST_BUCKETS;
    c->entries = 0;
    if (!HEAP_TRACED) {
        c->table = NULL;
        c->ends = NULL;
    }
    heap_store(&c->table, new_table(t, FIRST_BUCKETS));
    heap_store(&c->ends, new_entry(t));
    heap_store(&c->ends->newer, c->ends);
    heap_store(&c->ends->older, c->ends);
    return c;
}

/* Twice as many buckets once there are as many entries as buckets. */
static void grow(struct bench_thread *t, struct cache *c) {
    struct entry **table = new_table(t, c->buckets * 2), **before = c->table;
    const uint64_t buckets = c->buckets;
    c->buckets = c->table_capacity = buckets * 2;
    for (uint64_t i = 0; i < buckets; i++)
        for (struct entry *entry = before[i], *next; entry != NULL; entry = next) {
            struct entry **bucket = &table[bucket_of(c, entry->key)];
            next = entry->chain;
            heap_store(&entry->chain, *bucket);
            heap_store(bucket, entry);
        }
    heap_store(&c->table, table);
    drop_table(t, before, buckets);
}

static void unlink_entry(struct entry *entry) {
    heap_store(&entry->newer->older, entry->older);
    heap_store(&entry->older->newer, entry->newer);
}

static void link_newest(const struct cache *c, struct entry *entry) {
    struct entry *ends = c->ends;
    heap_store(&entry->older, ends->older);
    heap_store(&entry->newer, ends);
    heap_store(&ends->older->newer, entry);
    heap_store(&ends->older, entry);
}

static void evict_oldest(struct bench_thread *t, struct cache *c) {
    struct entry *oldest = c->ends->newer, **slot = &c->table[bucket_of(c, oldest->key)];
    while (*slot != oldest)
        slot = &(*slot)->chain;
    heap_store(slot, oldest->chain);
    unlink_entry(oldest);
    drop_value(t, oldest);
    t->live_bytes -= sizeof *oldest;
    heap_drop(oldest);
    c->entries--;
}

static void insert(struct bench_thread *t, struct cache *c, uint64_t key, uint64_t length) {
    struct entry *entry = new_entry(t);
    entry->key = key;
    give_value(t, entry, length);
    if (c->entries == c->buckets)
        grow(t, c);
    struct entry **bucket = &c->table[bucket_of(c, key)];
    heap_store(&entry->chain, *bucket);
    heap_store(bucket, entry);
    link_newest(c, entry);
    c->entries++;
}

static uint64_t fold(const struct entry *entry) {
    return entry->key * 31 + entry->value[0] * UINT64_C(7) + entry->value[entry->length - 1];
}

/* One draw: the product of its halves makes small keys frequent, its low bits choose length and fate. */
static void lookup(struct bench_thread *t, const struct hashmap_lru *s, struct cache *c) {
    const uint64_t draw = rng_next(&t->rng), skewed = (draw >> 32) * (draw & UINT32_MAX) >> 32;
    const uint64_t key = skewed * s->entries * KEYS_PER_ENTRY >> 32, length = 1 + draw % VALUE_MAX;
    struct entry *entry = c->table[bucket_of(c, key)];
    while (entry != NULL && entry->key != key)
        entry = entry->chain;
    if (entry == NULL) {
        if (c->entries == s->entries)
            evict_oldest(t, c);
        insert(t, c, key, length);
        return;
    }
    t->checksum += fold(entry);
    unlink_entry(entry);
    link_newest(c, entry);
    if (draw >> 61 == 0) {
        drop_value(t, entry);
        give_value(t, entry, length);
    }
}

static void hashmap_lru_body(struct bench_thread *t, void *arg) {
    const struct hashmap_lru *s = arg;
    const uint64_t step = s->lookups / POINTS + 1;
    struct cache *c = new_cache(t);
    for (uint64_t i = 0; i < s->lookups; i++) {
        lookup(t, s, c);
        if (i % step == 0)
            bench_point(t);
    }
    bench_point(t);
    t->checksum = bench_mix(bench_mix(t->checksum, c->entries), c->buckets);
    while (c->entries > 0) {
        t->checksum = bench_mix(t->checksum, fold(c->ends->newer));
        evict_oldest(t, c);
    }
    drop_table(t, c->table, c->buckets);
    t->live_bytes -= sizeof *c + sizeof *c->ends;
    heap_drop(c->ends);
    heap_drop(c);
}

static void hashmap_lru_run(struct bench *b, void *state) {
    struct hashmap_lru *s = state;
    bench_parallel(b, s->threads, hashmap_lru_body, s);
}

WORKLOAD(hashmap_lru) = {
    .name = "hashmap-lru",
    .summary = "a cache: chained hash table, list by last use, values of 1 to 128 B",
    .op = "object allocated (entry, value, table)",
    .models =
        "Caches in servers, redis and groupcache alike: much that lives long, dies in the order of last use and not of "
        "age, and is linked twice; each hit writes six pointers into old objects.",
    .source = "Our own. Keys are the product of two uniform draws, so that small ones are frequent, from four times as "
              "many as "
              "the cache holds; lengths are uniform in 1 to 128; the table doubles when it is full, starting with 16 "
              "buckets.",
    .bad_for =
        "Allocators that reuse only whole runs (entries of all ages lie side by side); write barriers, for each hit; "
        "markers, because chain and list lead to random addresses.",
    .params = params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = hashmap_lru_setup,
    .run = hashmap_lru_run,
};
