/* SPDX-License-Identifier: MIT */
#include "result.h"

#include "allocations.h"
#include "collector.h"
#include "flavour.h"
#include "gbench.h"
#include "meter.h"
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <unistd.h>

/* ---- memory of the JSON library: bumped, never reused; pages that are not touched cost nothing */

enum { JSON_BYTES = 64 << 20 };
static char *json_at, *json_end;

static void *json_take(size_t size_bytes) {
    size_bytes = (size_bytes + 15) & ~(size_t)15;
    if (json_at == NULL || size_bytes > (size_t)(json_end - json_at))
        return NULL;
    void *p = json_at;
    json_at += size_bytes;
    return p;
}

static void json_leave(void *p) {
    (void)p;
}

bool result_open(void) {
    json_at = mmap(NULL, JSON_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (json_at == MAP_FAILED)
        return false;
    json_end = json_at + JSON_BYTES;
    json_set_alloc_funcs(json_take, json_leave);
    return true;
}

/* ---- values */

static json_t *signed_or_null(int64_t n) {
    return n == METER_NA ? json_null() : json_integer(n);
}

static json_t *counter_or_null(uint64_t n) {
    return n == PEER_NA || n > (uint64_t)INT64_MAX ? json_null() : json_integer((json_int_t)n);
}

static json_t *text_or_null(const char *s) {
    return s == NULL || s[0] == '\0' ? json_null() : json_string(s);
}

/* ---- catalog */

static json_t *knob_list(const struct subject *s) {
    json_t *list = json_array();
    for (const struct peer_knob *k = subject_knobs(s); k != NULL && k->name != NULL; k++)
        json_array_append_new(list, json_pack("{s:s s:s s:s s:s? s:s}", "name", k->name, "variable", k->variable,
                                              "format", k->format, "join", k->join, "summary", k->summary));
    return list;
}

static json_t *subject_entry(const struct subject *s) {
    char summary[256];
    bool variant = s->peer != NULL && s->peer->built_glob != NULL && strchr(s->peer->built_glob, '*') != NULL;
    bool never_collects = s->peer == NULL && strncmp(s->name, "nogc-", 5) == 0;
    snprintf(summary, sizeof summary, "%s%s%s",
             s->peer != NULL                ? s->peer->summary
             : never_collects               ? "goalloc behind the traced interface; it never collects: a bound"
             : bench_flavour.traced != NULL ? bench_flavour.traced->summary
                                            : "a library of yours",
             variant ? ": " : "", variant ? s->name : "");
    bool bound = s->peer != NULL ? s->peer->bound != 0 : never_collects;
    return json_pack("{s:s s:s s:s? s:o s:b s:b s:b s:o}", "name", s->name, "summary", summary, "package",
                     s->peer != NULL ? s->peer->package : NULL, "library", text_or_null(s->library), "bound", bound,
                     "preload", s->preload, "present", s->present, "knobs", knob_list(s));
}

static json_t *workload_entry(const struct workload *w) {
    json_t *params = json_array();
    for (const struct workload_param *p = w->params; p != NULL && p->name != NULL; p++)
        json_array_append_new(params, json_pack("{s:s s:I s:I s:s}", "name", p->name, "value", (json_int_t)p->value,
                                                "smoke", (json_int_t)p->smoke, "summary", p->summary));
    return json_pack("{s:s s:s s:s s:s s:s s:s s:o}", "name", w->name, "summary", w->summary, "op", w->op, "models",
                     w->models, "source", w->source, "bad_for", w->bad_for, "params", params);
}

void result_catalog(void) {
    json_t *subjects = json_array(), *workloads = json_array();
    struct subject s;
    const struct workload *w;
    for (size_t i = 0; subject_at(i, &s); i++)
        json_array_append_new(subjects, subject_entry(&s));
    for (size_t i = 0; (w = registry_workload(i)) != NULL; i++)
        json_array_append_new(workloads, workload_entry(w));
    json_t *root = json_pack("{s:i s:s s:o s:o}", "schema", 1, "flavour", bench_flavour.name, "subjects", subjects,
                             "workloads", workloads);
    json_dumpf(root, stdout, JSON_INDENT(1));
    putchar('\n');
}

/* ---- record */

static json_t *subject_part(const struct result *r) {
    const struct proof *p = r->proof;
    json_t *knobs = json_object();
    for (unsigned i = 0; i < p->knob_count; i++)
        json_object_set_new(knobs, p->knobs[i].name, json_string(p->knobs[i].value));
    const char *axes = bench_flavour.subject != NULL ? bench_flavour.subject : NULL;
    return json_pack("{s:s s:o s:o s:o s:s? s:o}", "name", r->subject->name, "version", text_or_null(p->version),
                     "library", text_or_null(p->library), "sha256", text_or_null(p->sha256), "axes", axes, "knobs",
                     knobs);
}

static json_t *proof_part(const struct proof *p) {
    json_t *symbols = json_object(), *lacking = json_array();
    for (unsigned i = 0; i < p->symbol_count; i++)
        json_object_set_new(symbols, p->symbols[i].name, json_string(p->symbols[i].object));
    for (unsigned i = 0; i < p->lacking_count; i++)
        json_array_append_new(lacking, json_string(p->lacking[i]));
    return json_pack("{s:b s:o s:o}", "ok", p->ok, "symbols", symbols, "lacking", lacking);
}

static json_t *workload_part(const struct bench *b) {
    json_t *params = json_object();
    for (int i = 0; b->workload->params != NULL && b->workload->params[i].name != NULL; i++)
        json_object_set_new(params, b->workload->params[i].name, json_integer((json_int_t)b->params[i]));
    return json_pack("{s:s s:s s:o s:I}", "name", b->workload->name, "flavour", bench_flavour.name, "params", params,
                     "seed", (json_int_t)b->seed);
}

static json_t *samples_part(const struct result *r) {
    json_t *list = json_array();
    for (unsigned i = 0; i < r->sample_count; i++) {
        const struct bench_iteration *at = &r->samples[i].at;
        json_array_append_new(list, json_pack("{s:i s:b s:I s:I s:I s:I s:o}", "iteration", (int)i, "warmup",
                                              r->samples[i].warmup, "wall_ns", (json_int_t)at->wall_ns, "cpu_ns",
                                              (json_int_t)at->cpu_ns, "ops", (json_int_t)at->ops, "zero_bytes",
                                              (json_int_t)at->zero_bytes, "collections", counter_or_null(at->collections)));
    }
    return list;
}

/* ---- the collector */

static int by_length(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static json_t *real_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *pauses_part(const struct collector *c) {
    size_t n = c->pause_count;
    json_t *part = json_object(), *lengths = json_array();
    qsort(c->lengths_ns, n, sizeof *c->lengths_ns, by_length);
    json_object_set_new(part, "count", counter_or_null(c->sum.pauses));
    json_object_set_new(part, "lost", json_integer((json_int_t)c->pauses_lost));
    json_object_set_new(part, "exact", json_true());
    json_object_set_new(part, "total_ns", counter_or_null(c->sum.pause_ns));
    json_object_set_new(part, "p50_ns", counter_or_null(n == 0 ? PEER_NA : pauses_percentile(c->lengths_ns, n, 0.5)));
    json_object_set_new(part, "p99_ns", counter_or_null(n == 0 ? PEER_NA : pauses_percentile(c->lengths_ns, n, 0.99)));
    json_object_set_new(part, "max_ns", counter_or_null(n == 0 ? PEER_NA : c->lengths_ns[n - 1]));
    for (size_t i = 0; i < n; i++)
        json_array_append_new(lengths, json_integer((json_int_t)c->lengths_ns[i]));
    json_object_set_new(part, "lengths_ns", lengths);
    return part;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static json_t *goals_part(const struct collector *c) {
    size_t n = c->goal_count;
    double *ratios = c->peak_over_goal, median = NAN;
    qsort(ratios, n, sizeof *ratios, by_size);
    if (n > 0)
        median = (ratios[(n - 1) / 2] + ratios[n / 2]) / 2;
    uint64_t (*metadata)(void) = bench_flavour.traced->metadata;
    return json_pack("{s:o s:o s:o s:I s:o}", "goal_bytes",
                     counter_or_null(c->last_goal_bytes == 0 ? PEER_NA : c->last_goal_bytes), "peak_over_goal",
                     real_or_null(median), "peak_over_goal_max", real_or_null(n == 0 ? NAN : ratios[n - 1]), "cycles",
                     (json_int_t)n, "metadata_bytes", counter_or_null(metadata != NULL ? metadata() : PEER_NA));
}

static json_t *gc_part(const struct collector *c) {
    if (!c->known || c->sections == 0)
        return json_null();
    const struct traced_gc *s = &c->sum;
    const struct {
        const char *name;
        uint64_t value;
    } cpu[] = {{"mark_ns", s->mark_cpu_ns},
               {"assist_ns", s->assist_cpu_ns},
               {"sweep_ns", s->sweep_cpu_ns},
               {"sweep_allocating_ns", s->sweep_allocating_cpu_ns},
               {"stop_ns", s->stop_cpu_ns}},
      marker[] = {{"queued_objects", s->queued_objects},
                  {"span_visits", s->span_visits},
                  {"single_visits", s->single_visits},
                  {"span_objects", s->span_objects},
                  {"scanned_bytes", s->scanned_bytes},
                  {"marked_bytes", s->marked_bytes},
                  {"rescans", s->rescans},
                  {"rescan_greyed_bytes", s->rescan_greyed_bytes}};
    json_t *part = json_object(), *kinds = json_object(), *counts = json_object();
    json_object_set_new(part, "sections", json_integer(c->sections));
    json_object_set_new(part, "timed_ns", json_integer((json_int_t)c->timed_ns));
    json_object_set_new(part, "process_cpu_ns", json_integer((json_int_t)c->process_cpu_ns));
    json_object_set_new(part, "cycles", counter_or_null(s->cycles));
    json_object_set_new(part, "forced_cycles", counter_or_null(s->forced_cycles));
    json_object_set_new(part, "least_cycles", counter_or_null(c->least_cycles));
    for (size_t i = 0; i < sizeof cpu / sizeof *cpu; i++)
        json_object_set_new(kinds, cpu[i].name, counter_or_null(cpu[i].value));
    json_object_set_new(part, "cpu", kinds);
    json_object_set_new(part, "cpu_estimate", json_null());
    json_object_set_new(part, "full_wall_ns", counter_or_null(s->full_wall_ns));
    json_object_set_new(part, "pauses", bench_flavour.traced->pauses != NULL ? pauses_part(c) : json_null());
    json_object_set_new(part, "mmu",
                        json_pack("{s:o s:o s:o}", "1ms", real_or_null(c->mmu[0]), "10ms", real_or_null(c->mmu[1]),
                                  "100ms", real_or_null(c->mmu[2])));
    json_object_set_new(part, "heap", bench_flavour.traced->gc_cycles != NULL ? goals_part(c) : json_null());
    for (size_t i = 0; i < sizeof marker / sizeof *marker; i++)
        json_object_set_new(counts, marker[i].name, counter_or_null(marker[i].value));
    json_object_set_new(part, "marker", counts);
    return part;
}

static json_t *counters_entry(const struct memory_counters *c) {
    struct peer_counters at = c->at;
    if (!c->known)
        memset(&at, 0xff, sizeof at);
    json_t *entry = json_object();
    json_object_set_new(entry, "allocated_bytes", counter_or_null(at.allocated_bytes));
    json_object_set_new(entry, "free_in_span_bytes", counter_or_null(at.free_in_span_bytes));
    json_object_set_new(entry, "dead_bytes", counter_or_null(at.dead_bytes));
    json_object_set_new(entry, "cached_bytes", counter_or_null(at.cached_bytes));
    json_object_set_new(entry, "metadata_bytes", counter_or_null(at.metadata_bytes));
    json_object_set_new(entry, "lazy_bytes", counter_or_null(at.lazy_bytes));
    json_object_set_new(entry, "committed_bytes", counter_or_null(at.committed_bytes));
    json_object_set_new(entry, "mallocs", counter_or_null(at.mallocs));
    json_object_set_new(entry, "frees", counter_or_null(at.frees));
    return entry;
}

static json_t *counters_part(const struct memory_meter *m) {
    return json_pack("{s:o s:o s:o s:o}", "before", counters_entry(&m->before_counters), "end",
                     counters_entry(&m->end_counters), "drained", counters_entry(&m->drained_counters), "harness_bytes",
                     m->harness_known ? json_integer((json_int_t)m->harness_bytes) : json_null());
}

static json_t *workload_counters_part(const struct bench *b) {
    json_t *part = json_object();
    for (unsigned i = 0; i < b->counter_count; i++)
        json_object_set_new(part, b->counters[i].name, json_real(b->counters[i].value));
    return part;
}

/* What the subject has computed of the workload's stream, where it does. */
static json_t *policies_part(const struct result *r) {
    const struct peer *peer = r->subject->peer;
    char name[64];
    double value;
    if (r->memory == NULL || peer == NULL || peer->figure == NULL || peer->figure(0, name, sizeof name, &value) != 0)
        return json_null();
    json_t *part = json_object();
    for (size_t i = 0; peer->figure(i, name, sizeof name, &value) == 0; i++)
        json_object_set_new(part, name, real_or_null(value));
    return part;
}

static json_t *allocations_part(const struct allocations *a) {
    if (a == NULL)
        return json_null();
    json_t *by_class = json_array();
    for (unsigned i = 0; i < TRACED_SIZE_CLASSES; i++)
        json_array_append_new(by_class, json_integer((json_int_t)a->last.by_class[i]));
    return json_pack("{s:I s:I s:I s:o}", "tiny", (json_int_t)a->last.tiny, "large", (json_int_t)a->last.large, "bytes",
                     (json_int_t)a->last.bytes, "by_class", by_class);
}

static json_t *memory_part(const struct memory_meter *m) {
    int64_t drained = m->drained.rss_bytes == METER_NA || m->before.rss_bytes == METER_NA
                          ? METER_NA
                          : m->drained.rss_bytes - m->before.rss_bytes;
    /* Pages that were lazily freed are the kernel's to take: they count as gone. */
    if (drained != METER_NA && m->drained.lazy_free_bytes != METER_NA)
        drained -= m->drained.lazy_free_bytes;
    json_t *part = json_object();
    json_object_set_new(part, "peak_rss_bytes", signed_or_null(m->peak_rss_bytes));
    json_object_set_new(part, "below_resolution", json_boolean(m->peak_rss_bytes < MEMORY_RESOLUTION_BYTES));
    json_object_set_new(part, "rss_before_bytes", signed_or_null(m->before.rss_bytes));
    json_object_set_new(part, "rss_anon_bytes", signed_or_null(m->peak.anon_bytes));
    json_object_set_new(part, "anon_huge_bytes", signed_or_null(m->peak.anon_huge_bytes));
    json_object_set_new(part, "rss_end_bytes", signed_or_null(m->rss_end_bytes));
    json_object_set_new(part, "rss_after_drain_bytes", signed_or_null(drained));
    json_object_set_new(part, "lazy_free_bytes", signed_or_null(m->drained.lazy_free_bytes));
    json_object_set_new(part, "peak_live_bytes", json_integer((json_int_t)m->peak_live_bytes));
    json_object_set_new(part, "minor_faults", signed_or_null(m->minor_faults));
    json_object_set_new(part, "major_faults", signed_or_null(m->major_faults));
    return part;
}

static json_t *timeline_part(const struct memory_meter *m) {
    json_t *rows = json_array();
    for (unsigned i = 0; i < m->row_count; i++)
        json_array_append_new(rows, json_pack("[I I o]", (json_int_t)m->rows[i].ops, (json_int_t)m->rows[i].live_bytes,
                                              signed_or_null(m->rows[i].resident_bytes)));
    return rows;
}

/* A part above the baseline after set-up would mix two times, so the split is of everything the subject holds; what the
 * harness holds there is taken out of the allocated part. */
static json_t *fragmentation_part(const struct memory_meter *m) {
    if (!m->end_counters.known)
        return json_null();
    struct peer_counters at = m->end_counters.at;
    json_t *part = json_object();
    uint64_t rounding = PEER_NA, allocated = at.allocated_bytes;
    if (allocated != PEER_NA && m->harness_known && allocated >= m->harness_bytes)
        allocated -= m->harness_bytes;
    if (allocated != PEER_NA && allocated >= m->end_live_bytes)
        rounding = allocated - m->end_live_bytes;
    uint64_t known =
        m->end_live_bytes + (rounding != PEER_NA ? rounding : 0) + (m->harness_known ? m->harness_bytes : 0);
    const uint64_t parts[] = {at.dead_bytes, at.free_in_span_bytes, at.cached_bytes, at.metadata_bytes, at.lazy_bytes};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        known += parts[i] != PEER_NA ? parts[i] : 0;
    json_object_set_new(part, "requested_bytes", json_integer((json_int_t)m->end_live_bytes));
    json_object_set_new(part, "rounding_bytes", counter_or_null(rounding));
    json_object_set_new(part, "dead_bytes", counter_or_null(at.dead_bytes));
    json_object_set_new(part, "free_in_span_bytes", counter_or_null(at.free_in_span_bytes));
    json_object_set_new(part, "cached_bytes", counter_or_null(at.cached_bytes));
    json_object_set_new(part, "metadata_bytes", counter_or_null(at.metadata_bytes));
    json_object_set_new(part, "lazy_bytes", counter_or_null(at.lazy_bytes));
    json_object_set_new(part, "committed_bytes", counter_or_null(at.committed_bytes));
    json_object_set_new(part, "unaccounted_bytes",
                        at.committed_bytes == PEER_NA ? json_null()
                                                      : json_integer((json_int_t)(at.committed_bytes - known)));
    return part;
}

static json_t *disturbance_part(void) {
    struct meter_disturbance d = meter_disturbance();
    return json_pack("{s:o s:o s:o s:o}", "steal_ns", signed_or_null(d.steal_ns), "involuntary_switches",
                     signed_or_null(d.involuntary_switches), "runqueue_ns", signed_or_null(d.runqueue_ns),
                     "frequency_khz", signed_or_null(d.frequency_khz));
}

static json_t *environment_part(void) {
    extern char **environ;
    size_t environment_bytes = 0;
    for (char **e = environ; *e != NULL; e++)
        environment_bytes += strlen(*e) + 1;
    char thp[128] = "", build[32] = "", stack[32], heap[32];
    meter_read_path("/sys/kernel/mm/transparent_hugepage/enabled", thp, sizeof thp);
    char *open = strchr(thp, '['), *close = open != NULL ? strchr(open, ']') : NULL;
    if (close != NULL)
        *close = '\0';
    gbench_library_build_type(build, sizeof build);
    snprintf(stack, sizeof stack, "%p", (void *)&environment_bytes);
    void *object = flavour_allocate(64);
    snprintf(heap, sizeof heap, "%p", object);
    flavour_release(object);
    return json_pack("{s:I s:b s:o s:s s:I s:s s:s}", "environment_bytes", (json_int_t)environment_bytes, "aslr",
                     (personality(0xffffffff) & ADDR_NO_RANDOMIZE) == 0, "thp",
                     close != NULL ? json_string(open + 1) : json_null(), "library_build_type", build, "page_bytes",
                     (json_int_t)sysconf(_SC_PAGESIZE), "stack_address", stack, "heap_address", heap);
}

/* Under the key and the names that the record of real Go has them under. */
static json_t *runtime_part(void) {
    const char *name;
    uint64_t value;
    json_t *metrics = json_object();
    for (size_t i = 0; bench_flavour.traced->metric(i, &name, &value); i++)
        if (value != PEER_NA)
            json_object_set_new(metrics, name, json_integer((json_int_t)value));
    return json_pack("{s:o}", "metrics", metrics);
}

static json_t *record(const struct result *r, const char *status, const char *message) {
    char checksum[32];
    snprintf(checksum, sizeof checksum, "%016" PRIx64, r->sample_count > 0 ? r->samples[0].at.checksum : 0);
    json_t *root = json_object();
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "status", json_string(status));
    json_object_set_new(root, "message", json_string(message));
    json_object_set_new(root, "subject", subject_part(r));
    json_object_set_new(root, "proof", proof_part(r->proof));
    json_object_set_new(root, "workload", workload_part(r->bench));
    json_object_set_new(root, "mode", json_string(r->memory != NULL ? "memory" : "throughput"));
    json_object_set_new(root, "checksum", json_string(r->sample_count > 0 ? checksum : ""));
    json_object_set_new(root, "samples", samples_part(r));
    json_object_set_new(root, "harness_ns_per_op",
                        r->harness_ns_per_op < 0 ? json_null() : json_real(r->harness_ns_per_op));
    json_object_set_new(root, "workload_counters", workload_counters_part(r->bench));
    json_object_set_new(root, "allocations", allocations_part(r->bench->allocations));
    json_object_set_new(root, "gc", gc_part(&collector));
    if (bench_flavour.traced != NULL && bench_flavour.traced->metric != NULL)
        json_object_set_new(root, "go", runtime_part());
    bool memory = r->memory != NULL && r->sample_count > 0;
    json_object_set_new(root, "memory", memory ? memory_part(r->memory) : json_null());
    json_object_set_new(root, "timeline", memory ? timeline_part(r->memory) : json_null());
    json_object_set_new(root, "counters", memory ? counters_part(r->memory) : json_null());
    json_object_set_new(root, "fragmentation", memory ? fragmentation_part(r->memory) : json_null());
    json_object_set_new(root, "policies", policies_part(r));
    json_object_set_new(root, "disturbance", disturbance_part());
    json_object_set_new(root, "environment", environment_part());
    return root;
}

static int open_result(const char *path) {
    if (path == NULL || path[0] == '\0')
        return STDOUT_FILENO;
    char *end;
    long fd = strtol(path, &end, 10);
    if (*end == '\0')
        return (int)fd;
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

bool result_write(const struct result *r, const char *status, const char *message) {
    int fd = open_result(r->path);
    if (fd < 0 || json_dumpfd(record(r, status, message), fd, JSON_COMPACT) != 0 || write(fd, "\n", 1) != 1) {
        fprintf(stderr, "spanlab: cannot write the record to %s: %s\n", r->path != NULL ? r->path : "standard output",
                strerror(errno));
        return false;
    }
    return true;
}
