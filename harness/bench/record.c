/* SPDX-License-Identifier: MIT
 *
 * record.c: the record of one invocation, as docs/record.md describes it.
 */
#include "cell.h"
#include "flavour.h"
#include "json.h"

#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {[BENCH_OK] = "ok", [BENCH_FAILED] = "failed", [BENCH_OOM] = "oom"};

static json_t *text_or_null(const char *text) {
    return json_text(text[0] != '\0' ? text : NULL);
}

static json_t *hex(uint64_t n, const char *format) {
    char text[32];
    snprintf(text, sizeof text, format, (unsigned long long)n);
    return json_string(text);
}

/* ---- who and what */

static json_t *subject_json(const struct cell *c) {
    json_t *subject = json_object(), *knobs = json_object();
    for (size_t i = 0; i < c->proof.knob_count; i++)
        json_object_set_new(knobs, c->proof.knobs[i].name, text_or_null(c->proof.knobs[i].value));
    json_object_set_new(subject, "name", json_text(c->subject.name));
    json_object_set_new(subject, "version", text_or_null(c->subject.version));
    json_object_set_new(subject, "library", text_or_null(c->subject.library));
    json_object_set_new(subject, "sha256", text_or_null(c->proof.sha256));
    json_object_set_new(subject, "axes", text_or_null(c->subject.identity));
    json_object_set_new(subject, "knobs", knobs);
    return subject;
}

static json_t *proof_json(const struct proof *p) {
    json_t *proof = json_object(), *symbols = json_object(), *lacking = json_array();
    for (size_t i = 0; i < p->symbol_count; i++)
        json_object_set_new(symbols, p->symbols[i].name, json_text(p->symbols[i].path));
    for (size_t i = 0; i < p->lacking_count; i++)
        json_array_append_new(lacking, json_text(p->lacking[i]));
    json_object_set_new(proof, "ok", json_boolean(p->ok));
    json_object_set_new(proof, "symbols", symbols);
    json_object_set_new(proof, "lacking", lacking);
    return proof;
}

static json_t *workload_json(const struct bench *b) {
    json_t *workload = json_object(), *params = json_object();
    const struct workload_param *p = b->workload->params;
    for (int i = 0; p != NULL && p[i].name != NULL; i++)
        json_object_set_new(params, p[i].name, json_count(b->params[i]));
    json_object_set_new(workload, "name", json_text(b->workload->name));
    json_object_set_new(workload, "flavour", json_text(bench_flavour.name));
    json_object_set_new(workload, "params", params);
    json_object_set_new(workload, "seed", json_count(b->seed));
    return workload;
}

/* ---- time */

static json_t *samples_json(const struct cell *c) {
    json_t *samples = json_array();
    for (unsigned i = 0; i < c->sample_count; i++) {
        const struct cell_sample *s = &c->samples[i];
        json_t *sample = json_object();
        json_object_set_new(sample, "iteration", json_integer(i));
        json_object_set_new(sample, "warmup", json_boolean(s->warmup));
        json_object_set_new(sample, "wall_ns", json_count(s->at.wall_ns));
        json_object_set_new(sample, "cpu_ns", json_count(s->at.cpu_ns));
        json_object_set_new(sample, "ops", json_count(s->at.ops));
        json_object_set_new(sample, "zero_bytes", json_count(s->at.zero_bytes));
        json_array_append_new(samples, sample);
    }
    return samples;
}

/* Everything that Google Benchmark and the harness spend around the workload's own time. */
static json_t *harness_json(const struct cell *c) {
    uint64_t own_ns = 0, ops = 0;
    for (unsigned i = 0; i < c->sample_count; i++) {
        own_ns += c->samples[i].at.wall_ns + c->samples[i].at.untimed_ns;
        ops += c->samples[i].at.ops;
    }
    if (c->driven_ns == 0 || ops == 0)
        return json_null();
    return json_real((double)(int64_t)(c->driven_ns - own_ns) / (double)ops);
}

static json_t *disturbance_json(void) {
    struct meter_disturbance d = meter_disturbance();
    json_t *disturbance = json_object();
    json_object_set_new(disturbance, "steal_ns", json_signed(d.steal_ns));
    json_object_set_new(disturbance, "involuntary_switches", json_signed(d.involuntary_switches));
    json_object_set_new(disturbance, "runqueue_ns", json_signed(d.runqueue_ns));
    json_object_set_new(disturbance, "frequency_khz", json_signed(d.frequency_khz));
    return disturbance;
}

/* ---- memory */

static int64_t minus(int64_t a, int64_t b) {
    return a == METER_NA || b == METER_NA ? METER_NA : a - b;
}

static json_t *memory_json(const struct memory_meter *m) {
    json_t *memory = json_object();
    int64_t excluded = (int64_t)m->excluded_bytes;
    int64_t drained = minus(minus(minus(m->drained.rss_bytes, m->before.rss_bytes), m->drained.lazy_free_bytes), excluded);
    bool known = m->peak_rss_bytes != METER_NA;
    json_object_set_new(memory, "peak_rss_bytes", json_signed(m->peak_rss_bytes));
    json_object_set_new(memory, "below_resolution",
                        known ? json_boolean(m->peak_rss_bytes < MEMORY_RESOLUTION_BYTES) : json_null());
    json_object_set_new(memory, "rss_before_bytes", json_signed(m->base_resident_bytes));
    json_object_set_new(memory, "rss_anon_bytes",
                        json_signed(minus(minus(m->peak.anon_bytes, m->before.anon_bytes), excluded)));
    json_object_set_new(memory, "anon_huge_bytes",
                        json_signed(minus(m->peak.anon_huge_bytes, m->before.anon_huge_bytes)));
    json_object_set_new(memory, "rss_end_bytes", json_signed(m->rss_end_bytes));
    json_object_set_new(memory, "rss_after_drain_bytes", json_signed(drained));
    json_object_set_new(memory, "lazy_free_bytes", json_signed(m->drained.lazy_free_bytes));
    json_object_set_new(memory, "peak_live_bytes", json_count(m->peak_live_bytes));
    json_object_set_new(memory, "minor_faults", json_signed(m->minor_faults));
    json_object_set_new(memory, "major_faults", json_signed(m->major_faults));
    return memory;
}

static json_t *timeline_json(const struct memory_meter *m) {
    json_t *timeline = json_array();
    for (unsigned i = 0; i < m->row_count; i++) {
        json_t *row = json_array();
        json_array_append_new(row, json_count(m->rows[i].ops));
        json_array_append_new(row, json_count(m->rows[i].live_bytes));
        json_array_append_new(row, json_signed(m->rows[i].resident_bytes));
        json_array_append_new(timeline, row);
    }
    return timeline;
}

static json_t *moment_json(const struct memory_counters *c) {
    if (!c->known)
        return json_null();
    json_t *moment = json_object();
    json_object_set_new(moment, "allocated_bytes", json_count(c->at.allocated_bytes));
    json_object_set_new(moment, "free_in_span_bytes", json_count(c->at.free_in_span_bytes));
    json_object_set_new(moment, "cached_bytes", json_count(c->at.cached_bytes));
    json_object_set_new(moment, "metadata_bytes", json_count(c->at.metadata_bytes));
    json_object_set_new(moment, "lazy_bytes", json_count(c->at.lazy_bytes));
    json_object_set_new(moment, "committed_bytes", json_count(c->at.committed_bytes));
    json_object_set_new(moment, "mallocs", json_count(c->at.mallocs));
    json_object_set_new(moment, "frees", json_count(c->at.frees));
    return moment;
}

static json_t *counters_json(const struct memory_meter *m) {
    json_t *counters = json_object();
    json_object_set_new(counters, "before", moment_json(&m->before_counters));
    json_object_set_new(counters, "end", moment_json(&m->end_counters));
    json_object_set_new(counters, "drained", moment_json(&m->drained_counters));
    json_object_set_new(counters, "harness_bytes", m->harness_known ? json_count(m->harness_bytes) : json_null());
    return counters;
}

static int64_t signed_of(uint64_t n) {
    return n == PEER_NA ? METER_NA : (int64_t)n;
}

/* Committed = what lay there before the run + requested + rounding + free in span + cached + metadata + unaccounted. */
static json_t *fragmentation_json(const struct memory_meter *m) {
    if (!m->end_counters.known)
        return json_null();
    const struct peer_counters *end = &m->end_counters.at, *before = &m->before_counters.at;
    int64_t requested = (int64_t)m->end_live_bytes;
    int64_t grown = minus(signed_of(end->allocated_bytes),
                          m->before_counters.known ? signed_of(before->allocated_bytes) : METER_NA);
    int64_t unaccounted = minus(signed_of(end->committed_bytes), signed_of(end->allocated_bytes));
    const uint64_t parts[] = {end->free_in_span_bytes, end->cached_bytes, end->metadata_bytes};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (unaccounted != METER_NA && parts[i] != PEER_NA)
            unaccounted -= (int64_t)parts[i];
    json_t *f = json_object();
    json_object_set_new(f, "requested_bytes", json_signed(requested));
    json_object_set_new(f, "rounding_bytes", json_signed(minus(grown, requested)));
    json_object_set_new(f, "free_in_span_bytes", json_count(end->free_in_span_bytes));
    json_object_set_new(f, "cached_bytes", json_count(end->cached_bytes));
    json_object_set_new(f, "metadata_bytes", json_count(end->metadata_bytes));
    json_object_set_new(f, "lazy_bytes", json_count(end->lazy_bytes));
    json_object_set_new(f, "committed_bytes", json_count(end->committed_bytes));
    json_object_set_new(f, "unaccounted_bytes", json_signed(unaccounted));
    return f;
}

/* ---- the machine */

static json_t *environment_json(const struct environment *e) {
    json_t *environment = json_object();
    json_object_set_new(environment, "environment_bytes", json_count(e->environment_bytes));
    json_object_set_new(environment, "stack_offset_bytes", json_count(e->stack_offset_bytes));
    json_object_set_new(environment, "heap_offset_bytes", json_count(e->heap_offset_bytes));
    json_object_set_new(environment, "aslr", json_boolean(e->aslr));
    json_object_set_new(environment, "thp", text_or_null(e->thp));
    json_object_set_new(environment, "library_build_type", text_or_null(e->library_build_type));
    json_object_set_new(environment, "page_bytes", json_integer(e->page_bytes));
    json_object_set_new(environment, "stack_address", hex(e->stack_address, "0x%llx"));
    json_object_set_new(environment, "heap_address", hex(e->heap_address, "0x%llx"));
    return environment;
}

/* ---- all */

bool record_write(const struct cell *c) {
    json_t *root = json_object();
    bool memory = c->options.memory && c->status == BENCH_OK;
    json_object_set_new(root, "schema", json_integer(1));
    json_object_set_new(root, "status", json_text(status_names[c->status]));
    json_object_set_new(root, "message", json_text(c->message));
    json_object_set_new(root, "subject", subject_json(c));
    json_object_set_new(root, "proof", proof_json(&c->proof));
    json_object_set_new(root, "workload", workload_json(&c->bench));
    json_object_set_new(root, "mode", json_text(c->options.memory ? "memory" : "throughput"));
    json_object_set_new(root, "checksum", c->sample_count > 0 ? hex(c->samples[0].at.checksum, "%016llx") : json_null());
    json_object_set_new(root, "samples", samples_json(c));
    json_object_set_new(root, "memory", memory ? memory_json(&c->memory) : json_null());
    json_object_set_new(root, "timeline", memory ? timeline_json(&c->memory) : json_null());
    json_object_set_new(root, "counters", memory ? counters_json(&c->memory) : json_null());
    json_object_set_new(root, "fragmentation", memory ? fragmentation_json(&c->memory) : json_null());
    json_object_set_new(root, "disturbance", disturbance_json());
    json_object_set_new(root, "environment", environment_json(&c->environment));
    json_object_set_new(root, "harness_ns_per_op", harness_json(c));
    return json_write(root, c->result_fd);
}
