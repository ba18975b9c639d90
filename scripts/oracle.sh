#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# oracle.sh: asks real Go 1.25.3 again.
#   1. every line of variants/go/oracle/*/goldens is rerun: the output must equal the committed results/golden/NAME.txt,
#      or agree with it by the folder's `agrees` where what is recorded is a range
#   2. lines with a -seed N are rerun with SEED + N (SEED=number, else random) into BUILD/oracle/SEED, where the other
#      goldens are put beside them, and goalloc's golden tests compare with that folder
# A goldens line is "NAME [VARIABLE=VALUE...] -- ARGUMENTS"; the program is the folder's `run`, or its Go package.
# Needs a built tree with tests (BUILD, default build). Ends with "N golden comparisons: P passed, F failed", where a
# golden counts once that a test has opened and came to a verdict on, and passes when it does in every build that is
# compared with it; exit 1 when anything differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD build=$(realpath -m "${BUILD:-build}") seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}

fail() {
    echo "oracle: $*" >&2
    exit 1
}
[[ $seed =~ ^[0-9]{1,17}$ ]] || fail "SEED is '$seed': set it to a number"
seed=$((10#$seed))
command -v go >/dev/null ||
    fail "there is no go command; install any Go from 1.21 on (https://go.dev/dl): it fetches 1.25.3 by itself"
export GOTOOLCHAIN=go1.25.3 GOFLAGS=
version=$(go env GOVERSION 2>&1) && [[ $version == go1.25.3 ]] ||
    fail "cannot get Go 1.25.3 (${version##*$'\n'}): install a Go from 1.21 on (https://go.dev/dl) or let it reach its proxy"
tests=("$build"/bin/test_golden_* "$build"/bin/test_sizeclasses)
for test in "${tests[@]}"; do
    [[ -x $test ]] || fail "$build has no golden tests: make oracle builds them"
done
ORACLE_WORK=$(mktemp -d)
export ORACLE_WORK
trap 'chmod -R u+w "$ORACLE_WORK"; rm -rf "$ORACLE_WORK"' EXIT
fresh=$build/oracle/$seed
rm -rf "$fresh"
mkdir -p "$fresh"

# ask FOLDER OUT [VARIABLE=VALUE...] -- ARGUMENTS...: runs the folder's program
ask() {
    local folder=$1 out=$2 variables=()
    shift 2
    while [[ $1 != -- ]]; do
        variables+=("$1")
        shift
    done
    shift
    if [[ -x $folder/run ]]; then
        env "${variables[@]}" "$root/$folder/run" "$@" >"$out"
    else
        (cd variants/go && env "${variables[@]}" go run "./${folder#variants/go/}" "$@") >"$out"
    fi
}

# first_difference A B: both sides of the first line in which they differ
first_difference() {
    awk -v other="$2" '{ more = (getline line < other) > 0 }
        !more || line != $0 { printf "line %d: committed \"%s\", now \"%s\"", NR, $0, more ? line : "(end)"; found = 1; exit }
        END { if (!found) { getline line < other; printf "line %d: committed \"(end)\", now \"%s\"", NR + 1, line } }' "$1"
}

# reseed WORDS...: the same with SEED added to what follows -seed
reseed() {
    while (($#)); do
        printf '%s ' "$1"
        [[ $1 != -seed ]] || { printf '%d ' $((seed + $2)); shift; }
        shift
    done
}

echo "oracle: what is committed, and $version"
different=0 reseeded=0 names=() waiting=()
for list in variants/go/oracle/*/goldens; do
    folder=$(dirname "$list")
    while read -r name rest <&3; do
        names+=("$name") note=
        committed=results/golden/$name.txt again=$ORACLE_WORK/again.txt
        # shellcheck disable=SC2086 # the rest of a line is words
        if ! ask "$folder" "$again" $rest; then
            verdict="FAILED: $folder $rest"
        elif [[ ! -f $committed ]]; then
            verdict="DIFFERS: $committed is not there"
        elif cmp -s "$again" "$committed"; then
            verdict=ok
        elif [[ -x $folder/agrees ]]; then
            verdict=ok
            said=$("$folder/agrees" "$committed" "$again") || verdict="DIFFERS: $said"
            [[ $verdict != ok || -z $said ]] || note=": $said"
        else
            verdict="DIFFERS in $(first_difference "$committed" "$again")"
        fi
        printf '%-26s %s\n' "$name" "$verdict$note"
        [[ $verdict == ok ]] || ((different += 1))
        if [[ $rest == *-seed\ * ]]; then
            # shellcheck disable=SC2046,SC2086
            ask "$folder" "$fresh/$name.txt" $(reseed $rest) || fail "$name cannot be recorded: $folder $(reseed $rest)"
            ((reseeded += 1))
        elif [[ -f $committed ]]; then
            cp "$committed" "$fresh/"
        fi
    done 3<"$list"
done
for committed in results/golden/*.txt; do
    name=$(basename "$committed" .txt)
    [[ " ${names[*]} " == *" $name "* ]] || { echo "$name: no program prints it"; ((different += 1)); }
done
echo "oracle: ${#names[@]} goldens, $different differ"

# Each test says which goldens it opens, in the same file in which cmocka says how the test ended.
echo "oracle: goalloc, and $version with seed $seed ($reseeded goldens; SEED=$seed repeats it)"
verdicts() {
    awk '
        function judge(rank,   name) {
            for (name in opened) {
                if (rank > verdict[name]) verdict[name] = rank
                delete opened[name]
            }
        }
        /^golden / { opened[$2]; next }
        /^\[       OK \]/ { judge(2) }
        /^\[  SKIPPED \]/ { judge(1) }
        /^\[  FAILED  \]/ { judge(3) }
        END {
            judge(3) # the program ended in the middle of a test
            for (name in verdict) print substr("skipped passed  failed  ", verdict[name] * 8 - 7, 7), name
        }' "$1"
}
export SPANLAB_GOLDEN_DIR=$fresh
broken=0
: >"$ORACLE_WORK/verdicts"
for test in "${tests[@]}"; do
    export SPANLAB_GOLDEN_LOG=$ORACLE_WORK/log
    : >"$SPANLAB_GOLDEN_LOG"
    ended=0
    "$test" >>"$SPANLAB_GOLDEN_LOG" 2>&1 || ended=$?
    verdicts "$SPANLAB_GOLDEN_LOG" >>"$ORACLE_WORK/verdicts"
    if ((ended != 0)); then
        ((broken += 1))
        printf '%s:\n' "$(basename "$test")"
        grep -av '^golden \|^\[ RUN\|^\[       OK\|^\[=' "$SPANLAB_GOLDEN_LOG" || echo "ended with status $ended"
    fi
done
# Of several builds that are compared with a golden, the worst has the word.
awk '{ rank = $1 == "failed" ? 3 : $1 == "passed" ? 2 : 1; if (rank > worst[$2]) worst[$2] = rank }
    END { for (name in worst) print substr("skipped passed  failed  ", worst[name] * 8 - 7, 7), name }' \
    "$ORACLE_WORK/verdicts" >"$ORACLE_WORK/goldens"
count() { grep -c "^$1 " "$ORACLE_WORK/goldens" || true; }
passed=$(count passed) failed=$(count failed) skipped=$(count skipped)
((skipped == 0)) || echo "oracle: $skipped more were skipped: $(sed -n 's/^skipped *//p' "$ORACLE_WORK/goldens" | tr '\n' ' ')"
for name in "${names[@]}"; do
    grep -q " $name\$" "$ORACLE_WORK/goldens" || waiting+=("$name")
done
((${#waiting[@]} == 0)) || echo "oracle: ${#waiting[@]} are recorded only, nothing compares with them yet: ${waiting[*]}"
echo "oracle: $(wc -l <"$ORACLE_WORK/verdicts") verdicts of ${#tests[@]} test programs, one per build and group of goldens"
echo "$((passed + failed)) golden comparisons: $passed passed, $failed failed"
((different == 0 && failed == 0 && broken == 0 && passed > 0))
