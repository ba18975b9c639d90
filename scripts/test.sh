#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# test.sh [--all] [STAGE...]: configures, builds and tests; stages: release asan tsan clang (all of them when none is named).
#   release  every test
#   asan     address and undefined sanitizers: the tests registered in that build, those through the commands left out
#   tsan     the same under the thread sanitizer
#   clang    the second compiler builds without a warning, and passes the same tests
# --all runs what is left to `make test-all` as well: tests with the label "all", and all rounds of those that sample.
# BUILD (default build) is the release build's folder, the others stand beside it as BUILD-STAGE. JOBS: default nproc.
# Ends with the seconds of each stage, the ten slowest tests, each test that failed with the end of what it printed, and
# "N passed, N failed" over all stages; exit 1 if anything failed. A part that takes 1.5 times its figure in
# scripts/seconds.txt is named; that fails nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# What a test starts must not inherit the choices of the make, or of the shell, that started us.
build=${BUILD:-build}
jobs=${JOBS:-$(nproc)}
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL MATRIX SUBJECTS WORKLOADS BUDGET RUNNER STRICT BUILD JOBS CLASS SPANLAB_TEST_ALL
unset GOGC GOMEMLIMIT GOMAXPROCS GODEBUG "${!GOALLOC_@}" "${!GC_@}"
export CTEST_PARALLEL_LEVEL=$jobs

left_out=(--label-exclude '^all$')
left_out_of_others=(--label-exclude '^(e2e|proof|all)$')
targets=(all)
if [[ ${1:-} == --all ]]; then
    shift
    export SPANLAB_TEST_ALL=1
    targets=(all test-all-programs)
    left_out=() left_out_of_others=(--label-exclude '^(e2e|proof)$')
fi
(($#)) || set -- release asan tsan clang
for stage; do
    case $stage in
    release | asan | tsan | clang) ;;
    *) printf "test: no stage '%s'; stages: release asan tsan clang\n" "$stage" >&2; exit 2 ;;
    esac
done

total_passed=0 total_failed=0
source scripts/seconds.sh

# Runs one stage's tests; adds its figures to the totals. Arguments are ctest's, after an optional launcher.
run_tests() {
    local dir=$1 log passed failed
    shift
    log=$dir/test.log
    "$@" --test-dir "$dir" --output-on-failure --no-tests=error </dev/null 2>&1 | tee "$log" || true
    read -r failed passed < <(awk '/tests passed, .* tests? failed out of/ {
        match($0, /[0-9]+ tests? failed/); f = substr($0, RSTART) + 0; n = $NF; print f, n - f }' "$log") ||
        { passed=0 failed=1; } # no summary line: ctest itself did not come through
    ((total_passed += passed, total_failed += failed, 1))
}

# dir_of STAGE: its build folder
dir_of() {
    [[ $1 == release ]] && echo "$build" || echo "$build-$1"
}

run_stage() {
    local stage=$1 dir launcher=() start=$SECONDS
    dir=$(dir_of "$stage")
    rm -f "$dir/test.log" # an earlier run's, which is not to be told again where this one does not build
    printf '== %s: build\n' "$stage"
    if ! cmake --preset "$stage" -B "$dir" -DSPANLAB_TESTS=ON >/dev/null ||
        ! cmake --build "$dir" -j "$jobs" --target "${targets[@]}"; then
        ((total_failed += 1))
        printf '== %s: does not build (%d s)\n' "$stage" $((SECONDS - start))
        return
    fi
    printf '== %s: built in %d s\n' "$stage" $((SECONDS - start))
    seconds_took "$stage.build" $((SECONDS - start))
    [[ $stage != release ]] || seconds_scale $((SECONDS - start))
    start=$SECONDS
    # Where threads are left at its end, as the collector's are, a process under the thread sanitizer sleeps for a second.
    [[ $stage == tsan ]] && local -x TSAN_OPTIONS=${TSAN_OPTIONS-atexit_sleep_ms=50}
    # The thread sanitizer's shadow leaves no room for the largest address randomisation of newer kernels.
    [[ $stage == tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null && launcher=(setarch "$(uname -m)" -R)
    if [[ $stage == release ]]; then
        run_tests "$dir" ctest "${left_out[@]}"
    else
        run_tests "$dir" "${launcher[@]}" ctest "${left_out_of_others[@]}"
    fi
    printf '== %s: tested in %d s\n' "$stage" $((SECONDS - start))
    seconds_took "$stage.test" $((SECONDS - start))
}

# The ten slowest tests of the stages that ran: seconds, stage, name.
slowest_tests() {
    local stage dir
    for stage; do
        dir=$(dir_of "$stage")
        [[ -e $dir/test.log ]] || continue
        awk -v stage="$stage" '/^ *[0-9]+\/[0-9]+ Test +#/ { for (i = 1; i <= NF; i++) if ($i == "sec") print $(i - 1), stage, $4 }' \
            "$dir/test.log"
    done | sort -rn | awk 'NR <= 10 { printf "%8.1f s  %-8s %s\n", $1, $2, $3 }'
}

# Each failed test of the stages that ran, with the last lines that it printed: who has only the end of a long log sees which.
failed_tests() {
    local stage dir
    for stage; do
        dir=$(dir_of "$stage")
        [[ -e $dir/test.log ]] || continue
        awk -v stage="$stage" -v last=12 '
            function tell(  i) {
                if (name == "") return
                printf "failed: %s %s (%s)\n", stage, name, how
                for (i = n > last ? n - last + 1 : 1; i <= n; i++) printf "    %s\n", substr(line[i], 1, 200)
                name = ""
            }
            /^ *[0-9]+\/[0-9]+ Test +#|^ *Start +[0-9]+: |^[0-9]+% tests passed/ { tell() }
            name != "" && NF { line[++n] = $0 }
            match($0, /\*\*\*[A-Z].*sec/) && /^ *[0-9]+\/[0-9]+ Test +#/ {
                name = $4
                how = substr($0, RSTART + 3)
                gsub(/  +/, ", ", how)
                n = 0
            }
        ' "$dir/test.log"
    done
}

for stage; do
    run_stage "$stage"
done
printf '== the ten slowest tests\n'
slowest_tests "$@"
seconds_report
failed_tests "$@"
printf '== all stages: %d s\n%d passed, %d failed\n' "$SECONDS" "$total_passed" "$total_failed"
((total_failed == 0))
