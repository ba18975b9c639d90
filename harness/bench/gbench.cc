/* SPDX-License-Identifier: MIT
 *
 * gbench.cc: the only C++ of the harness. noexcept everywhere: an exception must not cross into C.
 */
#include "gbench.h"

#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using benchmark::Counter;
using benchmark::State;

static benchmark::internal::Benchmark *cxx(struct gbench *b) {
    return reinterpret_cast<benchmark::internal::Benchmark *>(b);
}

static State *cxx(struct gbench_state *s) {
    return reinterpret_cast<State *>(s);
}

static const State *cxx(const struct gbench_state *s) {
    return reinterpret_cast<const State *>(s);
}

/* ---- set-up and tear-down: the library wants plain functions, so each slot has a pair of its own. */

namespace {

constexpr size_t slot_count = 64;

struct slot {
    struct gbench *owner;
    void *user;
    gbench_function *setup, *teardown;
};

struct slot slots[slot_count];
size_t slots_used;
/* `user` of every registered benchmark, to hand to its callbacks. */
std::vector<std::pair<struct gbench *, void *>> &users() {
    static std::vector<std::pair<struct gbench *, void *>> all;
    return all;
}

void *user_of(struct gbench *b) {
    for (const auto &entry : users())
        if (entry.first == b)
            return entry.second;
    return nullptr;
}

typedef void callback(const State &);

template <size_t i> void slot_setup(const State &state) {
    slots[i].setup(reinterpret_cast<struct gbench_state *>(const_cast<State *>(&state)), slots[i].user);
}

template <size_t i> void slot_teardown(const State &state) {
    slots[i].teardown(reinterpret_cast<struct gbench_state *>(const_cast<State *>(&state)), slots[i].user);
}

template <size_t... i> constexpr std::array<callback *, sizeof...(i)> setups_of(std::index_sequence<i...>) {
    return {{slot_setup<i>...}};
}

template <size_t... i> constexpr std::array<callback *, sizeof...(i)> teardowns_of(std::index_sequence<i...>) {
    return {{slot_teardown<i>...}};
}

constexpr auto slot_setups = setups_of(std::make_index_sequence<slot_count>());
constexpr auto slot_teardowns = teardowns_of(std::make_index_sequence<slot_count>());

/* A reporter that says nothing: the lab's results leave by the record. */
class Quiet : public benchmark::BenchmarkReporter {
  public:
    bool ReportContext(const Context &) override {
        return true;
    }
    void ReportRuns(const std::vector<Run> &) override {
    }
};

Counter::Flags counter_flags(unsigned flags) {
    static const struct {
        unsigned ours;
        Counter::Flags theirs;
    } table[] = {
        {GBENCH_COUNTER_RATE, Counter::kIsRate},
        {GBENCH_COUNTER_AVG_THREADS, Counter::kAvgThreads},
        {GBENCH_COUNTER_INVARIANT, Counter::kIsIterationInvariant},
        {GBENCH_COUNTER_AVG_ITERATIONS, Counter::kAvgIterations},
        {GBENCH_COUNTER_INVERT, Counter::kInvert},
    };
    Counter::Flags result = Counter::kDefaults;
    for (const auto &row : table)
        if (flags & row.ours)
            result = result | row.theirs;
    return result;
}

} // namespace

extern "C" {

/* ---- registration */

struct gbench *gbench_register(const char *name, gbench_function *function, void *user) noexcept {
    if (name == nullptr || *name == '\0')
        return nullptr;
    auto *b = benchmark::RegisterBenchmark(
        name, [function, user](State &state) { function(reinterpret_cast<struct gbench_state *>(&state), user); });
    users().emplace_back(reinterpret_cast<struct gbench *>(b), user);
    return reinterpret_cast<struct gbench *>(b);
}

void gbench_arg(struct gbench *b, int64_t value) noexcept {
    cxx(b)->Arg(value);
}

void gbench_args(struct gbench *b, const int64_t *values, size_t n) noexcept {
    cxx(b)->Args(std::vector<int64_t>(values, values + n));
}

void gbench_arg_names(struct gbench *b, const char *const *names, size_t n) noexcept {
    cxx(b)->ArgNames(std::vector<std::string>(names, names + n));
}

void gbench_range(struct gbench *b, int64_t low, int64_t high) noexcept {
    cxx(b)->Range(low, high);
}

void gbench_range_multiplier(struct gbench *b, int multiplier) noexcept {
    cxx(b)->RangeMultiplier(multiplier);
}

void gbench_ranges(struct gbench *b, const int64_t (*low_high)[2], size_t n) noexcept {
    std::vector<std::pair<int64_t, int64_t>> ranges;
    for (size_t i = 0; i < n; i++)
        ranges.emplace_back(low_high[i][0], low_high[i][1]);
    cxx(b)->Ranges(ranges);
}

void gbench_dense_range(struct gbench *b, int64_t low, int64_t high, int step) noexcept {
    cxx(b)->DenseRange(low, high, step);
}

void gbench_iterations(struct gbench *b, int64_t iterations) noexcept {
    cxx(b)->Iterations(iterations);
}

void gbench_repetitions(struct gbench *b, int repetitions) noexcept {
    cxx(b)->Repetitions(repetitions);
}

void gbench_min_time(struct gbench *b, double seconds) noexcept {
    cxx(b)->MinTime(seconds);
}

void gbench_unit(struct gbench *b, enum gbench_unit unit) noexcept {
    static const benchmark::TimeUnit units[] = {benchmark::kNanosecond, benchmark::kMicrosecond,
                                                benchmark::kMillisecond, benchmark::kSecond};
    cxx(b)->Unit(units[unit]);
}

void gbench_use_manual_time(struct gbench *b) noexcept {
    cxx(b)->UseManualTime();
}

void gbench_use_real_time(struct gbench *b) noexcept {
    cxx(b)->UseRealTime();
}

void gbench_measure_process_cpu_time(struct gbench *b) noexcept {
    cxx(b)->MeasureProcessCPUTime();
}

void gbench_threads(struct gbench *b, int n) noexcept {
    cxx(b)->Threads(n);
}

void gbench_thread_range(struct gbench *b, int low, int high) noexcept {
    cxx(b)->ThreadRange(low, high);
}

bool gbench_setup_teardown(struct gbench *b, gbench_function *setup, gbench_function *teardown) noexcept {
    if (slots_used == slot_count)
        return false;
    size_t i = slots_used++;
    slots[i] = {b, user_of(b), setup, teardown};
    if (setup != nullptr)
        cxx(b)->Setup(slot_setups[i]);
    if (teardown != nullptr)
        cxx(b)->Teardown(slot_teardowns[i]);
    return true;
}

/* ---- inside the function */

bool gbench_keep_running(struct gbench_state *s) noexcept {
    return cxx(s)->KeepRunning();
}

bool gbench_keep_running_batch(struct gbench_state *s, int64_t n) noexcept {
    return cxx(s)->KeepRunningBatch(n);
}

void gbench_pause_timing(struct gbench_state *s) noexcept {
    cxx(s)->PauseTiming();
}

void gbench_resume_timing(struct gbench_state *s) noexcept {
    cxx(s)->ResumeTiming();
}

void gbench_set_iteration_time(struct gbench_state *s, double seconds) noexcept {
    cxx(s)->SetIterationTime(seconds);
}

int64_t gbench_arg_value(const struct gbench_state *s, size_t i) noexcept {
    return cxx(s)->range(i);
}

int gbench_thread_index(const struct gbench_state *s) noexcept {
    return cxx(s)->thread_index();
}

int gbench_thread_count(const struct gbench_state *s) noexcept {
    return cxx(s)->threads();
}

int64_t gbench_iterations_done(const struct gbench_state *s) noexcept {
    return cxx(s)->iterations();
}

int64_t gbench_iterations_max(const struct gbench_state *s) noexcept {
    return cxx(s)->max_iterations;
}

void gbench_counter(struct gbench_state *s, const char *name, double value, unsigned flags) noexcept {
    cxx(s)->counters[name] = Counter(value, counter_flags(flags));
}

void gbench_items_processed(struct gbench_state *s, int64_t items) noexcept {
    cxx(s)->SetItemsProcessed(items);
}

void gbench_bytes_processed(struct gbench_state *s, int64_t bytes) noexcept {
    cxx(s)->SetBytesProcessed(bytes);
}

void gbench_label(struct gbench_state *s, const char *text) noexcept {
    cxx(s)->SetLabel(text);
}

void gbench_skip_with_error(struct gbench_state *s, const char *message) noexcept {
    cxx(s)->SkipWithError(message);
}

bool gbench_error_occurred(const struct gbench_state *s) noexcept {
    return cxx(s)->error_occurred();
}

/* ---- contexts and runs */

void gbench_custom_context(const char *key, const char *value) noexcept {
    benchmark::AddCustomContext(key, value);
}

void gbench_initialize(int *argc, char **argv, void (*help)(void)) noexcept {
    benchmark::Initialize(argc, argv, help != nullptr ? help : benchmark::PrintDefaultHelp);
}

void gbench_print_help(void) noexcept {
    benchmark::PrintDefaultHelp();
}

bool gbench_report_unrecognized(int argc, char **argv) noexcept {
    return benchmark::ReportUnrecognizedArguments(argc, argv);
}

size_t gbench_run(void) noexcept {
    return benchmark::RunSpecifiedBenchmarks();
}

size_t gbench_run_quiet(void) noexcept {
    Quiet quiet;
    return benchmark::RunSpecifiedBenchmarks(&quiet, nullptr, ".");
}

void gbench_clear(void) noexcept {
    benchmark::ClearRegisteredBenchmarks();
    users().clear();
    slots_used = 0;
}

void gbench_shutdown(void) noexcept {
    benchmark::Shutdown();
}

void gbench_library_build_type(char *out, size_t size) noexcept {
    std::ostringstream text;
    benchmark::JSONReporter reporter;
    benchmark::BenchmarkReporter::Context context;
    reporter.SetOutputStream(&text);
    reporter.ReportContext(context);
    const std::string report = text.str();
    const std::string key = "\"library_build_type\": \"";
    size_t begin = report.find(key);
    if (size > 0)
        out[0] = '\0';
    if (begin == std::string::npos)
        return;
    begin += key.size();
    std::snprintf(out, size, "%s", report.substr(begin, report.find('"', begin) - begin).c_str());
}

} // extern "C"
