/* SPDX-License-Identifier: MIT
 *
 * probe.c: what an allocator's layout is, found by looking at the addresses it gives: no subject is asked for its own
 * tables. Each probe adds up what it finds in counters; times mean nothing.
 */
#include "workload.h"

#include <semaphore.h>

enum {
    SLOT_OBJECTS = 64,    /* of one request: two of them are neighbours */
    PAGE_SHIFT = 13,      /* Go's page, 8 KiB */
    BLOCK_SHIFT = 4,      /* Go's tiny block, 16 B */
    LINE_SHIFT = 6,       /* what processors share, 64 B */
    BITMAP_LIMIT = 512,   /* the largest class that Go's pages of bitmaps and inline marks concern */
    POINT_OBJECTS = 512,  /* a sampling point every so many */
    TABLE_PER_OBJECT = 4, /* slots of a table */
};

/* ---- objects that stay, and a table of what lies where */

struct place {
    uint64_t key; /* address >> shift, + 1; 0: unused */
    uint32_t objects, owners;
};

struct probe {
    void **kept; /* registered */
    size_t room;
    struct place *table;
    size_t table_size;
    bool pointers;
    uint64_t shared; /* lines that two threads have objects on */
};

static struct probe *probe_make(struct bench *b, size_t room) {
    struct probe *p = bench_scratch(b, sizeof *p);
    p->room = room;
    p->kept = bench_scratch(b, room * sizeof *p->kept);
    p->table_size = room * TABLE_PER_OBJECT;
    p->table = bench_scratch(b, p->table_size * sizeof *p->table);
    if (heap_root_add(p->kept, room) != 0)
        bench_fail(b, "there is no memory for a root");
    return p;
}

static void probe_teardown(struct bench *b, void *state) {
    (void)b;
    struct probe *p = state;
    for (size_t i = 0; i < p->room; i++)
        heap_drop(p->kept[i]);
    heap_root_remove(p->kept);
}

/* One object of the request, which stays. */
static uintptr_t probe_take(struct bench_thread *t, struct probe *p, size_t i, size_t request_bytes) {
    void *object = p->pointers ? heap_pointers(request_bytes / sizeof(void *)) : heap_bytes(request_bytes, HEAP_RAW);
    heap_store(&p->kept[i], bench_need(t, object, request_bytes));
    *(volatile unsigned char *)object = 0;
    t->live_bytes += request_bytes;
    return (uintptr_t)object;
}

static void probe_let_go(struct bench_thread *t, struct probe *p, size_t i, size_t request_bytes) {
    heap_drop(p->kept[i]);
    heap_store(&p->kept[i], NULL);
    t->live_bytes -= request_bytes;
}

static void table_clear(struct probe *p) {
    for (size_t i = 0; i < p->table_size; i++)
        p->table[i] = (struct place){0};
}

/* The entry of the piece of memory that the address lies in. */
static struct place *table_at(struct probe *p, uintptr_t address, unsigned shift) {
    uint64_t key = (address >> shift) + 1;
    size_t at = key * UINT64_C(0x9e3779b97f4a7c15) % p->table_size;
    while (p->table[at].key != 0 && p->table[at].key != key)
        at = at + 1 < p->table_size ? at + 1 : 0;
    p->table[at].key = key;
    return &p->table[at];
}

/* ---- what a request takes: the distance of neighbours */

/* Shell's: libc's may take memory from the subject, and addresses mostly come in order. */
static void sort(uintptr_t *a, size_t n) {
    for (size_t gap = n / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < n; i++) {
            uintptr_t moved = a[i];
            size_t at = i;
            for (; at >= gap && a[at - gap] > moved; at -= gap)
                a[at] = a[at - gap];
            a[at] = moved;
        }
}

static uint64_t slot_of(struct bench_thread *t, struct probe *p, size_t request_bytes) {
    uintptr_t addresses[SLOT_OBJECTS], least = UINTPTR_MAX;
    for (size_t i = 0; i < SLOT_OBJECTS; i++)
        addresses[i] = probe_take(t, p, i, request_bytes);
    bench_point(t);
    for (size_t i = 0; i < SLOT_OBJECTS; i++)
        probe_let_go(t, p, i, request_bytes);
    sort(addresses, SLOT_OBJECTS);
    for (size_t i = 1; i < SLOT_OBJECTS; i++)
        if (addresses[i] - addresses[i - 1] < least)
            least = addresses[i] - addresses[i - 1];
    return least;
}

/* The largest request that takes no more than `request` does; steps of `step`. */
static uint64_t last_of_slot(struct bench_thread *t, struct probe *p, uint64_t request, uint64_t slot, uint64_t step) {
    uint64_t low = request, high = slot + step; /* low: is served by it; high: is not */
    while (high - low > step) {
        uint64_t middle = low + (high - low) / 2 / step * step;
        if (slot_of(t, p, middle) <= slot)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct slots {
    struct probe *probe;
    uint64_t from, to, first_slot, without_header, classes, worst_request, requested, taken;
    double worst_waste, worst_round_up;
};

/* The largest request of whole words that takes exactly its size with pointers as without: beyond it, requests that
 * fill a slot need the next one, because something has to lie beside the pointers. */
static uint64_t last_without_header(struct bench_thread *t, struct probe *p, uint64_t from, uint64_t to) {
    uint64_t last = 0;
    for (uint64_t request = from; request <= to; request += sizeof(void *)) {
        p->pointers = false;
        bool fills = slot_of(t, p, request) == request;
        p->pointers = true;
        if (!fills)
            continue;
        if (slot_of(t, p, request) != request)
            break;
        last = request;
    }
    return last;
}

static void slots_body(struct bench_thread *t, void *arg) {
    struct slots *s = arg;
    const uint64_t step = s->probe->pointers ? sizeof(void *) : 1;
    for (uint64_t request = s->from; request <= s->to; s->classes++) {
        uint64_t slot = slot_of(t, s->probe, request), last = last_of_slot(t, s->probe, request, slot, step);
        double waste = (double)(slot - request) / (double)slot;
        if (waste > s->worst_waste) {
            s->worst_waste = waste;
            s->worst_round_up = (double)slot / (double)request - 1;
            s->worst_request = request;
        }
        last = last < s->to ? last : s->to;
        uint64_t requests = (last - request) / step + 1;
        s->requested += (request + last) * requests / 2;
        s->taken += slot * requests;
        request = last + step;
        t->ops += requests;
        bench_point(t);
    }
    s->first_slot = slot_of(t, s->probe, s->from);
    if (s->probe->pointers)
        s->without_header = last_without_header(t, s->probe, s->from, s->to);
    t->checksum = bench_mix(t->checksum, s->to);
}

static const struct workload_param slots_params[] = {
    {"from", 1, 1, "smallest request, bytes"},
    {"to", 32768, 256, "largest request, bytes"},
    {"pointers", 0, 0, "1: the objects hold pointers (requests of whole words)"},
    {NULL, 0, 0, NULL},
};

static void *slots_setup(struct bench *b) {
    struct probe *p = probe_make(b, SLOT_OBJECTS);
    p->pointers = bench_param(b, "pointers") != 0;
    if (bench_param(b, "from") == 0 || (p->pointers && bench_param(b, "from") % sizeof(void *) != 0))
        bench_fail(b, "probe-slots needs from to be at least 1, and a multiple of 8 with pointers=1");
    return p;
}

static void slots_run(struct bench *b, void *state) {
    struct slots s = {.probe = state, .from = bench_param(b, "from"), .to = bench_param(b, "to")};
    bench_parallel(b, 1, slots_body, &s);
    bench_counter(b, "first_slot_bytes", (double)s.first_slot);
    bench_counter(b, "without_header_bytes", (double)s.without_header);
    bench_counter(b, "classes", (double)s.classes);
    bench_counter(b, "worst_waste_percent", 100 * s.worst_waste);
    bench_counter(b, "worst_round_up_percent", 100 * s.worst_round_up);
    bench_counter(b, "worst_request_bytes", (double)s.worst_request);
    bench_counter(b, "mean_waste_percent", 100 * (1 - (double)s.requested / (double)s.taken));
}

WORKLOAD(probe_slots) = {
    .name = "probe-slots",
    .summary = "what requests of each size take, by the distance of neighbours",
    .op = "size of request looked at",
    .models = "Nothing: it finds an allocator's size classes without asking it, and what each wastes on its smallest "
              "request. The distance holds headers, too.",
    .source = "Our own. Nothing random. Allocates as it finds. 64 objects per request; where a class ends is found by "
              "bisection.",
    .bad_for = "Allocators of few classes; those with headers, on small requests.",
    .params = slots_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = slots_setup,
    .run = slots_run,
    .teardown = probe_teardown,
};

/* ---- how many objects a page holds */

static uint64_t objects_of_page(struct bench_thread *t, struct probe *p, size_t request_bytes) {
    uint64_t most = 0;
    table_clear(p);
    for (size_t i = SLOT_OBJECTS; i < p->room; i++) {
        struct place *page = table_at(p, probe_take(t, p, i, request_bytes), PAGE_SHIFT);
        most = ++page->objects > most ? page->objects : most;
    }
    for (size_t i = SLOT_OBJECTS; i < p->room; i++)
        probe_let_go(t, p, i, request_bytes);
    return most;
}

struct pages {
    struct probe *probe;
    uint64_t size, objects, classes, full_classes;
    double loss, worst_loss;
};

static void pages_body(struct bench_thread *t, void *arg) {
    struct pages *s = arg;
    for (uint64_t size = 16; size <= BITMAP_LIMIT; size += 8) {
        t->ops++;
        bench_point(t);
        if (slot_of(t, s->probe, size) != size)
            continue; /* no class of its own */
        uint64_t room = (UINT64_C(1) << PAGE_SHIFT) / size, objects = objects_of_page(t, s->probe, size);
        double loss = 1 - (double)objects / (double)room;
        s->classes++;
        s->full_classes += objects == room;
        s->loss += loss;
        s->worst_loss = loss > s->worst_loss ? loss : s->worst_loss;
        if (size == s->size)
            s->objects = objects;
    }
    t->checksum = bench_mix(t->checksum, s->probe->room);
}

static const struct workload_param pages_params[] = {
    {"size", 512, 512, "bytes; the class whose objects are told"},
    {"objects", 4096, 600, "objects of each class"},
    {"pointers", 0, 0, "1: the objects hold pointers"},
    {NULL, 0, 0, NULL},
};

static void *pages_setup(struct bench *b) {
    struct probe *p = probe_make(b, SLOT_OBJECTS + bench_param(b, "objects"));
    p->pointers = bench_param(b, "pointers") != 0;
    return p;
}

static void pages_run(struct bench *b, void *state) {
    struct pages s = {.probe = state, .size = bench_param(b, "size")};
    bench_parallel(b, 1, pages_body, &s);
    bench_counter(b, "objects_per_page", (double)s.objects);
    bench_counter(b, "classes", (double)s.classes);
    bench_counter(b, "full_classes", (double)s.full_classes);
    bench_counter(b, "mean_loss_percent", s.classes != 0 ? 100 * s.loss / (double)s.classes : 0);
    bench_counter(b, "worst_loss_percent", 100 * s.worst_loss);
}

WORKLOAD(probe_pages) = {
    .name = "probe-pages",
    .summary = "how many objects of 16 to 512 B an 8 KiB page holds, class by class",
    .op = "size of object looked at",
    .models = "Nothing: it counts what bitmaps and marks on a page leave for objects. A class is full when a page "
              "holds 8192/size of them.",
    .source = "Our own. Nothing random. Allocates as it finds. The fullest page of each class counts; classes are "
              "found as probe-slots does.",
    .bad_for = "Go since 1.22, whose pages of objects with pointers end in a bitmap, and Green Tea, whose pages end in "
               "marks.",
    .params = pages_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = pages_setup,
    .run = pages_run,
    .teardown = probe_teardown,
};

/* ---- what spans leave over at their ends */

enum { SPANS_OF_OBJECTS = 8 }; /* of each size, as many bytes as that many of the longest span */

struct tail {
    bool known;
    uint64_t tail_bytes, objects; /* of a span; objects is 0 where nothing is left over: no end shows */
};

struct tails {
    struct probe *probe;
    uintptr_t *addresses;
    uint64_t from, to, longest_bytes, slot, classes, unknown;
    uint64_t above, above_by_tail, below, below_by_rounding; /* classes, by BITMAP_LIMIT */
    uint64_t worst_slot;
    double worst_percent;
    struct tail told;
};

static bool begins_page(uintptr_t address) {
    return (address & ((1 << PAGE_SHIFT) - 1)) == 0;
}

/* Sorted addresses of objects of one slot. A run of neighbours that is longer than any span has passed the ends of
 * spans, so nothing is left over there. Otherwise a run is a span if it begins on a page and another begins on one
 * behind it; what lies between is the tail if the two spans are neighbours, and more if they are not, or if the last
 * slot is somebody else's: so the least counts. */
static struct tail tail_of(const uintptr_t *at, size_t n, uint64_t slot, uint64_t longest_bytes) {
    struct tail least = {.known = false};
    for (size_t first = 0, i = 1; i < n; i++) {
        uint64_t run_bytes = at[i - 1] + slot - at[first], gap_bytes = at[i] - at[i - 1] - slot;
        if (run_bytes > longest_bytes)
            return (struct tail){.known = true};
        if (gap_bytes == 0)
            continue;
        if (begins_page(at[first]) && begins_page(at[i]) && (!least.known || gap_bytes < least.tail_bytes))
            least = (struct tail){true, gap_bytes, run_bytes / slot};
        first = i;
    }
    return least;
}

static struct tail tail_of_class(struct bench_thread *t, struct tails *s, uint64_t request, uint64_t slot) {
    uint64_t objects = SPANS_OF_OBJECTS * s->longest_bytes / slot;
    objects = objects < s->probe->room ? objects : s->probe->room;
    for (size_t i = 0; i < objects; i++)
        s->addresses[i] = probe_take(t, s->probe, i, request);
    bench_point(t);
    for (size_t i = 0; i < objects; i++)
        probe_let_go(t, s->probe, i, request);
    sort(s->addresses, objects);
    return tail_of(s->addresses, objects, slot, s->longest_bytes);
}

/* What the class wastes of a span: on rounding up, if all its objects are of the smallest request; and on the tail. */
static void tails_add(struct tails *s, uint64_t smallest, uint64_t slot, struct tail tail) {
    uint64_t objects = tail.objects != 0 ? tail.objects : 1, rounding_bytes = (slot - smallest) * objects;
    double percent = 100 * (double)tail.tail_bytes / (double)(slot * objects + tail.tail_bytes);
    s->classes++;
    s->unknown += !tail.known;
    if (slot == s->slot)
        s->told = tail;
    if (!tail.known)
        return;
    s->above += slot > BITMAP_LIMIT;
    s->above_by_tail += slot > BITMAP_LIMIT && tail.tail_bytes > rounding_bytes;
    s->below += slot < BITMAP_LIMIT;
    s->below_by_rounding += slot < BITMAP_LIMIT && rounding_bytes > tail.tail_bytes;
    if (percent > s->worst_percent) {
        s->worst_percent = percent;
        s->worst_slot = slot;
    }
}

static void tails_body(struct bench_thread *t, void *arg) {
    struct tails *s = arg;
    for (uint64_t request = s->from, last; request <= s->to; request = last + 1) {
        uint64_t slot = slot_of(t, s->probe, request);
        last = last_of_slot(t, s->probe, request, slot, 1);
        last = last < s->to ? last : s->to;
        tails_add(s, request, slot, tail_of_class(t, s, last, slot));
        t->ops += last - request + 1;
        bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, s->to);
}

static const struct workload_param tails_params[] = {
    {"from", 9, 9, "smallest request, bytes; 9 is the first that Go's 16 B class serves"},
    {"to", 32760, 256, "largest request, bytes; beyond 32,760 Go's objects are large"},
    {"longest", 131072, 16384, "bytes that no span exceeds; eight times as much is allocated of each size"},
    {"slot", 1408, 144, "bytes; the class whose span is told"},
    {NULL, 0, 0, NULL},
};

static void *tails_setup(struct bench *b) {
    uint64_t from = bench_param(b, "from"), objects = SPANS_OF_OBJECTS * bench_param(b, "longest") / 16;
    if (from == 0 || objects < SLOT_OBJECTS)
        bench_fail(b, "probe-tails needs from to be at least 1, and longest 128");
    return probe_make(b, objects);
}

static void tails_run(struct bench *b, void *state) {
    struct probe *p = state;
    struct tails s = {.probe = p,
                      .addresses = bench_scratch(b, p->room * sizeof(uintptr_t)),
                      .from = bench_param(b, "from"),
                      .to = bench_param(b, "to"),
                      .longest_bytes = bench_param(b, "longest"),
                      .slot = bench_param(b, "slot")};
    bench_parallel(b, 1, tails_body, &s);
    bench_counter(b, "classes", (double)s.classes);
    bench_counter(b, "unknown_classes", (double)s.unknown);
    bench_counter(b, "tail_bytes", (double)s.told.tail_bytes);
    bench_counter(b, "objects_per_span", (double)s.told.objects);
    if (s.unknown != 0)
        return; /* what follows is told of all classes, or not at all */
    bench_counter(b, "worst_tail_percent", s.worst_percent);
    bench_counter(b, "worst_tail_slot_bytes", (double)s.worst_slot);
    bench_counter(b, "classes_above_512", (double)s.above);
    bench_counter(b, "above_512_by_tail", (double)s.above_by_tail);
    bench_counter(b, "classes_below_512", (double)s.below);
    bench_counter(b, "below_512_by_rounding", (double)s.below_by_rounding);
}

WORKLOAD(probe_tails) = {
    .name = "probe-tails",
    .summary = "what spans leave over at their ends, class by class, and whether rounding up wastes more",
    .op = "size of request looked at",
    .models =
        "Nothing: it finds an allocator's size classes without asking it, and what is left at the end of a span of "
        "each. Rounding up wastes most where all objects are of the smallest request of their class. Of a class "
        "that does not show where its spans end nothing is known: then no figure over all classes is told.",
    .source =
        "Our own, after the comment of Go's runtime/_mkmalloc/mksizeclasses.go:9-25. Nothing random. Allocates as "
        "it finds. A span begins on an 8 KiB page; the tail is the least gap between a run of neighbours that "
        "begins on a page and the next that does.",
    .bad_for = "Allocators whose page runs are no multiple of their slots.",
    .params = tails_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = tails_setup,
    .run = tails_run,
    .teardown = probe_teardown,
};

/* ---- how small objects share blocks */

struct tiny {
    struct probe *probe;
    uint64_t size, keep, blocks, held_blocks, kept, requested, most, reused;
};

/* Whether object i is one of those that stay. */
static bool stays(const struct tiny *s, size_t i) {
    return i % s->keep == 0;
}

/* Lets all go but one of every `keep`, and asks for as many again: what is put beside a survivor was not held by it. */
static void reuse_holes(struct bench_thread *t, struct tiny *s) {
    struct probe *p = s->probe;
    for (size_t i = 0; i < p->room; i++)
        if (!stays(s, i))
            probe_let_go(t, p, i, s->size);
    heap_collect();
    for (size_t i = 0; i < p->room; i++)
        if (!stays(s, i))
            s->reused += table_at(p, probe_take(t, p, i, s->size), BLOCK_SHIFT)->owners != 0;
    t->ops += p->room - s->kept;
    bench_point(t);
}

static void tiny_body(struct bench_thread *t, void *arg) {
    struct tiny *s = arg;
    struct probe *p = s->probe;
    table_clear(p);
    struct rng rng;
    rng_seed(&rng, 1, 0); /* the same sizes whatever the seed */
    for (size_t i = 0; i < p->room; i++) {
        uint64_t size = s->size != 0 ? s->size : rng_between(&rng, 1, (1 << BLOCK_SHIFT) - 1);
        t->ops++;
        if (i % POINT_OBJECTS == 0)
            bench_point(t);
        struct place *block = table_at(p, probe_take(t, p, i, size), BLOCK_SHIFT);
        s->requested += size;
        s->blocks += block->objects++ == 0;
        s->most = block->objects > s->most ? block->objects : s->most;
        if (!stays(s, i))
            continue;
        s->kept++;
        s->held_blocks += block->owners++ == 0;
    }
    bench_point(t);
    if (s->keep > 1)
        reuse_holes(t, s);
    t->checksum = bench_mix(bench_mix(t->checksum, s->kept), s->requested);
}

static const struct workload_param tiny_params[] = {
    {"size", 1, 1, "bytes of an object, without pointers; 0: 1 to 15, uniform"},
    {"keep", 1, 1, "of this many objects in a row one is kept"},
    {"objects", 100000, 1000, "objects"},
    {NULL, 0, 0, NULL},
};

static void *tiny_setup(struct bench *b) {
    if (bench_param(b, "keep") == 0)
        bench_fail(b, "probe-tiny needs keep to be at least 1");
    if (bench_param(b, "keep") > 1 && bench_param(b, "size") == 0)
        bench_fail(b, "probe-tiny needs a size where some are not kept");
    return probe_make(b, bench_param(b, "objects"));
}

static void tiny_run(struct bench *b, void *state) {
    struct tiny s = {.probe = state, .size = bench_param(b, "size"), .keep = bench_param(b, "keep")};
    bench_parallel(b, 1, tiny_body, &s);
    double block_bytes = 1 << BLOCK_SHIFT;
    bench_counter(b, "most_per_block", (double)s.most);
    bench_counter(b, "waste_percent", 100 * (1 - (double)s.requested / (block_bytes * (double)s.blocks)));
    if (s.size != 0) {
        /* An object that fits beside others takes its share of a block. */
        double held_bytes = block_bytes * ((double)s.held_blocks - (double)s.reused / (double)s.most);
        bench_counter(b, "held_over_kept", held_bytes / (double)(s.kept * s.size));
    }
}

WORKLOAD(probe_tiny) = {
    .name = "probe-tiny",
    .summary = "how many small objects share a 16 B block, and what one survivor holds",
    .op = "object allocated",
    .models = "Nothing: it counts blocks of 16 B that objects lie in, and those in which one of every `keep` objects "
              "lies. What new objects cannot use of these once the others are gone is held by the survivors.",
    .source = "Our own. Nothing random. Uniform sizes are the same for every seed.",
    .bad_for = "Go's tiny allocator, where of many objects one per block survives.",
    .params = tiny_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = tiny_setup,
    .run = tiny_run,
    .teardown = probe_teardown,
};

/* ---- whether two threads' objects lie on one cache line */

enum { LINES_THREADS = 2, SPINS_BEFORE_SLEEP = 200 };

struct lines {
    struct probe *probe;
    uint64_t size;
    sem_t turns[LINES_THREADS]; /* one above 0: this thread's turn */
};

/* Where other processes take a core, the thread that has the turn may not run: one that only spun would keep the core
 * from it for as long as the scheduler lets it. */
static void await_turn(sem_t *turn) {
    for (unsigned spins = 0; spins < SPINS_BEFORE_SLEEP; spins++) {
        if (sem_trywait(turn) == 0)
            return;
        __builtin_ia32_pause();
    }
    while (sem_wait(turn) != 0) /* a collector's signal */
        ;
}

static void lines_body(struct bench_thread *t, void *arg) {
    struct lines *s = arg;
    struct probe *p = s->probe;
    for (size_t i = t->index; i < p->room; i += LINES_THREADS) {
        await_turn(&s->turns[t->index]);
        uintptr_t address = probe_take(t, p, i, s->size);
        for (uintptr_t at = address; at >> LINE_SHIFT <= (address + s->size - 1) >> LINE_SHIFT; at += 1 << LINE_SHIFT) {
            struct place *line = table_at(p, at, LINE_SHIFT);
            uint32_t before = line->owners;
            line->owners |= 1u << t->index;
            p->shared += line->owners == 3 && before != 3;
        }
        sem_post(&s->turns[(t->index + 1) % LINES_THREADS]);
        t->ops++;
        if (i % POINT_OBJECTS == t->index)
            bench_point(t);
    }
    t->checksum = bench_mix(t->checksum, p->room);
}

static const struct workload_param lines_params[] = {
    {"size", 8, 8, "bytes of an object, without pointers"},
    {"objects", 20000, 1000, "objects of both threads together"},
    {NULL, 0, 0, NULL},
};

static void *lines_setup(struct bench *b) {
    if (bench_param(b, "size") == 0 || bench_param(b, "size") > 1 << LINE_SHIFT)
        bench_fail(b, "probe-lines needs objects of 1 to 64 B");
    return probe_make(b, bench_param(b, "objects"));
}

static void lines_run(struct bench *b, void *state) {
    struct lines s = {.probe = state, .size = bench_param(b, "size")};
    for (unsigned i = 0; i < LINES_THREADS; i++)
        sem_init(&s.turns[i], 0, i == 0);
    bench_parallel(b, LINES_THREADS, lines_body, &s);
    bench_counter(b, "shared_lines", (double)s.probe->shared);
}

WORKLOAD(probe_lines) = {
    .name = "probe-lines",
    .summary = "two threads allocate by turns: do their objects share cache lines",
    .op = "object allocated",
    .models = "What Hoard's authors call allocator-induced false sharing, by addresses alone: 64 B lines on which both "
              "threads have been given an object while nothing was freed.",
    .source = "After Berger et al., Hoard (ASPLOS 2000), section 5.3, without its writes. Nothing random.",
    .bad_for = "Allocators whose threads take from one heap.",
    .params = lines_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = lines_setup,
    .run = lines_run,
    .teardown = probe_teardown,
};

/* ---- what many objects of one size take */

struct hold {
    struct probe *probe;
    uint64_t size, collections;
};

static void hold_body(struct bench_thread *t, void *arg) {
    struct hold *s = arg;
    for (size_t i = 0; i < s->probe->room; i++) {
        probe_take(t, s->probe, i, s->size);
        t->ops++;
        if (i % POINT_OBJECTS == 0)
            bench_point(t);
    }
    for (uint64_t i = 0; i < s->collections; i++)
        heap_collect();
    bench_point(t);
    t->checksum = bench_mix(t->checksum, s->probe->room);
}

static const struct workload_param hold_params[] = {
    {"size", 8, 8, "bytes of an object, without pointers"},
    {"objects", 500000, 1000, "objects"},
    {"collections", 0, 2, "forced collections when all are there, of subjects that collect"},
    {NULL, 0, 0, NULL},
};

static void *hold_setup(struct bench *b) {
    return probe_make(b, bench_param(b, "objects"));
}

static void hold_run(struct bench *b, void *state) {
    struct hold s = {.probe = state, .size = bench_param(b, "size"), .collections = bench_param(b, "collections")};
    for (size_t i = 0; i < s.probe->room; i++)
        s.probe->kept[i] = NULL; /* the array's pages are there before memory is measured */
    bench_parallel(b, 1, hold_body, &s);
}

WORKLOAD(probe_hold) = {
    .name = "probe-hold",
    .summary = "many objects of one size, all of which stay: peak RSS over their number is what one takes",
    .op = "object allocated",
    .models =
        "Nothing but bookkeeping: what an allocator adds to objects of 8 B, and a collector to objects of any size.",
    .source = "After gperftools, docs/tcmalloc.adoc: \"N 8-byte objects\". Nothing random.",
    .bad_for = "Allocators with a header for each object.",
    .params = hold_params,
    .flavours = WORKLOAD_MANUAL | WORKLOAD_TRACED,
    .setup = hold_setup,
    .run = hold_run,
    .teardown = probe_teardown,
};
