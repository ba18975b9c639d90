/* SPDX-License-Identifier: MIT
 *
 * gbench.h: Google Benchmark for C17. A thin shim: every function does what its C++ namesake does (user guide of
 * google/benchmark, 1.7.1), takes plain C types and never lets an exception through (out of memory ends the process).
 *
 * Threads: registration, contexts and runs belong to one thread, before and between runs. A gbench_state belongs to the
 * thread whose function received it.
 */
#ifndef SPANLAB_GBENCH_H
#define SPANLAB_GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define GBENCH_NOEXCEPT noexcept
extern "C" {
#else
#define GBENCH_NOEXCEPT
#endif

/* A registered benchmark; lives until gbench_clear. */
struct gbench;
/* One running (or, in set-up and tear-down, about to run) benchmark; lives during the callback only. */
struct gbench_state;

/* The measured function. It must call gbench_keep_running until that returns false, unless it skips with an error. With
 * gbench_threads it is entered by every thread at once. */
typedef void gbench_function(struct gbench_state *state, void *user);

enum gbench_unit { GBENCH_NANOSECOND, GBENCH_MICROSECOND, GBENCH_MILLISECOND, GBENCH_SECOND };

/* How a counter is presented. Threads' counters of one name are summed first; flags may be joined by |. */
enum gbench_counter_flags {
    GBENCH_COUNTER_PLAIN = 0,
    GBENCH_COUNTER_RATE = 1 << 0,            /* divided by the time in seconds */
    GBENCH_COUNTER_AVG_THREADS = 1 << 1,     /* divided by the number of threads */
    GBENCH_COUNTER_INVARIANT = 1 << 2,       /* the same in every iteration: multiplied by their number */
    GBENCH_COUNTER_AVG_ITERATIONS = 1 << 3,  /* divided by the number of iterations */
    GBENCH_COUNTER_INVERT = 1 << 4,          /* 1/x, after all the others */
};

/* ---- registration. Values are copied; `user` is not. */

/* A new benchmark; NULL for an empty name. Names need not be unique. */
struct gbench *gbench_register(const char *name, gbench_function *function, void *user) GBENCH_NOEXCEPT;

/* One run per call, with one or n argument values. The number of arguments must be the same in every call for a benchmark. */
void gbench_arg(struct gbench *b, int64_t value) GBENCH_NOEXCEPT;
void gbench_args(struct gbench *b, const int64_t *values, size_t n) GBENCH_NOEXCEPT;
/* Names shown before the values. */
void gbench_arg_names(struct gbench *b, const char *const *names, size_t n) GBENCH_NOEXCEPT;
/* One run for each power of the multiplier (default 8) in [low, high], and for both ends. Needs 0 <= low <= high. */
void gbench_range(struct gbench *b, int64_t low, int64_t high) GBENCH_NOEXCEPT;
void gbench_range_multiplier(struct gbench *b, int multiplier) GBENCH_NOEXCEPT;
/* The product of n such ranges. */
void gbench_ranges(struct gbench *b, const int64_t (*low_high)[2], size_t n) GBENCH_NOEXCEPT;
/* One run for low, low+step, … <= high. step > 0. */
void gbench_dense_range(struct gbench *b, int64_t low, int64_t high, int step) GBENCH_NOEXCEPT;

/* Exactly this many iterations (> 0); not together with a minimum time. Default: as many as fill the minimum time. */
void gbench_iterations(struct gbench *b, int64_t iterations) GBENCH_NOEXCEPT;
/* Runs everything this many times (> 0); each is reported. */
void gbench_repetitions(struct gbench *b, int repetitions) GBENCH_NOEXCEPT;
void gbench_min_time(struct gbench *b, double seconds) GBENCH_NOEXCEPT;
/* The unit of the times in reports. */
void gbench_unit(struct gbench *b, enum gbench_unit unit) GBENCH_NOEXCEPT;

/* Which clock counts as `real_time`: the values of gbench_set_iteration_time, or the wall clock. Default: CPU time of the
 * main thread rules the number of iterations. */
void gbench_use_manual_time(struct gbench *b) GBENCH_NOEXCEPT;
void gbench_use_real_time(struct gbench *b) GBENCH_NOEXCEPT;
/* `cpu_time` is that of the whole process instead of the main thread. */
void gbench_measure_process_cpu_time(struct gbench *b) GBENCH_NOEXCEPT;

/* One run with n threads; one for 1, 2, 4 … within [low, high]. Names then end in "/threads:N". */
void gbench_threads(struct gbench *b, int n) GBENCH_NOEXCEPT;
void gbench_thread_range(struct gbench *b, int low, int high) GBENCH_NOEXCEPT;

/* Called once before and after every run (not per thread), outside all timing, with the function's `user`; of the state
 * only gbench_arg_value and gbench_thread_count may be asked. Either may be NULL. False: the library's callbacks carry no
 * user data, so the shim has 64 slots, and all are taken until gbench_clear. */
bool gbench_setup_teardown(struct gbench *b, gbench_function *setup, gbench_function *teardown) GBENCH_NOEXCEPT;

/* ---- inside the function */

/* True while there is an iteration to do; starts the clock at its first call and stops it at its last. */
bool gbench_keep_running(struct gbench_state *s) GBENCH_NOEXCEPT;
/* The same for n > 0 iterations at a time; may overshoot. */
bool gbench_keep_running_batch(struct gbench_state *s, int64_t n) GBENCH_NOEXCEPT;
void gbench_pause_timing(struct gbench_state *s) GBENCH_NOEXCEPT;
void gbench_resume_timing(struct gbench_state *s) GBENCH_NOEXCEPT;
/* Manual time: once per iteration. */
void gbench_set_iteration_time(struct gbench_state *s, double seconds) GBENCH_NOEXCEPT;

/* Argument i of this run; i must be below the number of arguments registered. */
int64_t gbench_arg_value(const struct gbench_state *s, size_t i) GBENCH_NOEXCEPT;
int gbench_thread_index(const struct gbench_state *s) GBENCH_NOEXCEPT;
int gbench_thread_count(const struct gbench_state *s) GBENCH_NOEXCEPT;
/* Iterations done so far; those of the whole run. */
int64_t gbench_iterations_done(const struct gbench_state *s) GBENCH_NOEXCEPT;
int64_t gbench_iterations_max(const struct gbench_state *s) GBENCH_NOEXCEPT;

/* Sets a counter of this thread; `flags` of enum gbench_counter_flags. */
void gbench_counter(struct gbench_state *s, const char *name, double value, unsigned flags) GBENCH_NOEXCEPT;
/* The counters `items_per_second` and `bytes_per_second` from totals; after the loop. */
void gbench_items_processed(struct gbench_state *s, int64_t items) GBENCH_NOEXCEPT;
void gbench_bytes_processed(struct gbench_state *s, int64_t bytes) GBENCH_NOEXCEPT;
/* A text at the end of the row; after the loop. */
void gbench_label(struct gbench_state *s, const char *text) GBENCH_NOEXCEPT;
/* The row becomes an error with this text, and keep_running returns false from now on. Once per thread. */
void gbench_skip_with_error(struct gbench_state *s, const char *message) GBENCH_NOEXCEPT;
bool gbench_error_occurred(const struct gbench_state *s) GBENCH_NOEXCEPT;

/* ---- contexts and runs */

/* Adds key and value to the "context" of every report. A second value of one key is refused with a message on stderr. */
void gbench_custom_context(const char *key, const char *value) GBENCH_NOEXCEPT;
/* Takes the library's --benchmark_* flags out of argv; on --help calls help (NULL: the library's) and exits 0. */
void gbench_initialize(int *argc, char **argv, void (*help)(void)) GBENCH_NOEXCEPT;
/* Prints the library's own flags to standard output. */
void gbench_print_help(void) GBENCH_NOEXCEPT;
/* True, with a message on stderr, when arguments besides the program's name are left. */
bool gbench_report_unrecognized(int argc, char **argv) GBENCH_NOEXCEPT;
/* Runs (or lists) what the flags ask for, reporting as they say. Returns the number of matching benchmarks. */
size_t gbench_run(void) GBENCH_NOEXCEPT;
/* Runs every registered benchmark and prints nothing. Returns their number. */
size_t gbench_run_quiet(void) GBENCH_NOEXCEPT;
/* Forgets every benchmark and set-up slot. */
void gbench_clear(void) GBENCH_NOEXCEPT;
/* Frees what the library holds; nothing may be called afterwards. */
void gbench_shutdown(void) GBENCH_NOEXCEPT;
/* "debug" or "release": how the library itself was built; "" when it does not say. */
void gbench_library_build_type(char *out, size_t size) GBENCH_NOEXCEPT;

#ifdef __cplusplus
}
#endif
#endif
