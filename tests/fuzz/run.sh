#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run.sh FOLDER [SECONDS]: runs every fuzz target that the build in FOLDER holds for SECONDS each (default 600), as many at
# once as JOBS says (default: one a processor). Starts from the committed corpus; what is learnt beyond it stays in FOLDER/fuzz/corpus for the next
# run. A finding lies in FOLDER/fuzz/findings as the input that shows it, the preset in its name: give it to the
# target as its only argument.
# Ends with "N targets, N findings"; exit 1 if any.
set -euo pipefail
build=$(cd "$1" && pwd) seconds=${2:-600}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { printf "fuzz: FUZZ_SECONDS is '%s': set it to a number of seconds\n" "$seconds" >&2; exit 2; }
committed=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/corpus
findings=$build/fuzz/findings targets=0 failed=0
mkdir -p "$findings"
export UBSAN_OPTIONS=print_stacktrace=1 ASAN_OPTIONS=detect_leaks=0

# run_target PROGRAM NAME CORPUS: in processes of 20 seconds or half of the time, with either preset in turn; what a build
# never frees stays until its process ends. GOGC: inputs are small, and a collector shall be at work while they run.
run_target() {
    local program=$1 name=$2 corpus=$3 learnt=$build/fuzz/corpus/$2 log=$build/fuzz/$2.log end=$((SECONDS + seconds))
    local left preset=tuned longest=$(((seconds + 1) / 2))
    ((longest <= 20)) || longest=20
    mkdir -p "$learnt"
    : >"$log"
    while ((left = end - SECONDS, left > 0)); do
        echo "GOALLOC_PRESET=$preset" >>"$log"
        GOGC=1 GOALLOC_PRESET=$preset "$program" -max_total_time=$((left < longest ? left : longest)) -max_len=512 -len_control=0 \
            -timeout=60 -rss_limit_mb=6000 -print_final_stats=1 -artifact_prefix="$findings/$name.$preset." "$learnt" \
            "$corpus" >>"$log" 2>&1 </dev/null || return 1
        [[ $preset == tuned ]] && preset=faithful || preset=tuned
    done
}

# fuzz_one PROGRAM: one line of what came out; a file NAME.found beside the log where something was found.
fuzz_one() {
    local program=$1 name=${1##*/fuzz_} corpus=$committed/malloc runs
    [[ $name == typed-* ]] && corpus=$committed/typed
    rm -f "$build/fuzz/$name.found"
    if run_target "$program" "$name" "$corpus"; then
        runs=$(awk '/number_of_executed_units/ { n += $2 } END { print n + 0 }' "$build/fuzz/$name.log")
        printf 'fuzz: %s: %s inputs, nothing found\n' "$name" "$runs"
    else
        : >"$build/fuzz/$name.found"
        printf 'fuzz: %s: FOUND: %s\n' "$name" "$(grep -a -m1 'FAILED:\|goalloc: \|runtime error:\|ERROR:' "$build/fuzz/$name.log" || echo "see $build/fuzz/$name.log")"
    fi
}

running=0 jobs=${JOBS:-$(nproc)}
for program in "$build"/bin/fuzz_*; do
    [[ -x $program ]] || continue
    targets=$((targets + 1))
    if ((running >= jobs)); then
        wait -n || true
        running=$((running - 1))
    fi
    fuzz_one "$program" &
    running=$((running + 1))
done
wait
for program in "$build"/bin/fuzz_*; do
    [[ ! -e $build/fuzz/${program##*/fuzz_}.found ]] || failed=$((failed + 1))
done
printf '%d targets, %d findings\n' "$targets" "$failed"
((targets > 0 && failed == 0))
