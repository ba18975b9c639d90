#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# oracle.sh: asks real Go 1.25.3 again.
#   1. every line of variants/go/oracle/*/goldens is rerun: the output must equal the committed results/golden/NAME.txt
#   2. the lines with a -seed are rerun with a fresh one (SEED=N chooses it), and goalloc is compared with that output
# A goldens line is "NAME [VARIABLE=VALUE...] -- ARGUMENTS"; the program is the folder's `run`, or its Go package.
# Needs a built tree with tests (BUILD, default build). Exit 1 when anything differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD build=$(realpath -m "${BUILD:-build}") seed=${SEED:-$((RANDOM * 32768 + RANDOM + 1))}

command -v go >/dev/null || {
    echo "oracle: there is no go command; install any Go from 1.21 on (https://go.dev/dl): it fetches 1.25.3 by itself" >&2
    exit 1
}
export GOTOOLCHAIN=go1.25.3 GOFLAGS=
version=$(go env GOVERSION 2>&1) && [[ $version == go1.25.3 ]] || {
    echo "oracle: cannot get Go 1.25.3 ($version): an older go than 1.21, or no network" >&2
    exit 1
}
ORACLE_WORK=$(mktemp -d)
export ORACLE_WORK
trap 'chmod -R u+w "$ORACLE_WORK"; rm -rf "$ORACLE_WORK"' EXIT
fresh=$build/oracle/$seed
rm -rf "$fresh"
mkdir -p "$fresh"
cp results/golden/*.txt "$fresh/"

# ask FOLDER OUT [VARIABLE=VALUE...] -- ARGUMENTS...
ask() {
    local folder=$1 out=$2 variables=()
    shift 2
    while [[ $1 != -- ]]; do
        variables+=("$1")
        shift
    done
    shift
    if [[ -x $folder/run ]]; then
        env "${variables[@]}" "$folder/run" "$@" >"$out"
    else
        (cd variants/go && env "${variables[@]}" go run "./${folder#"$root"/variants/go/}" "$@") >"$out"
    fi
}

same=0 different=0 reseeded=0
for list in variants/go/oracle/*/goldens; do
    folder=$(dirname "$list")
    while read -r name rest <&3; do
        # shellcheck disable=SC2086 # the rest of a line is words
        if ask "$root/$folder" "$ORACLE_WORK/again.txt" $rest && cmp -s "$ORACLE_WORK/again.txt" "results/golden/$name.txt"; then
            printf '%-28s the same\n' "$name"
            ((same += 1))
        else
            printf '%-28s DIFFERS: %s\n' "$name" \
                "$(diff "results/golden/$name.txt" "$ORACLE_WORK/again.txt" | sed -n '2,3p' | tr '\n' ' ')"
            ((different += 1))
        fi
        [[ $rest == *-seed* ]] || continue
        # shellcheck disable=SC2001,SC2086
        ask "$root/$folder" "$fresh/$name.txt" $(sed "s/-seed [0-9]*/-seed $seed/" <<<"$rest")
        ((reseeded += 1))
    done 3<"$list"
done
echo "oracle: $same of $((same + different)) goldens printed again by $version; $reseeded more with seed $seed"

export SPANLAB_GOLDEN_DIR=$fresh SPANLAB_GOLDEN_LOG=$ORACLE_WORK/compared
: >"$SPANLAB_GOLDEN_LOG"
failed=0
for test in "$build"/bin/test_golden_* "$build"/bin/test_sizeclasses; do
    [[ -x $test ]] || { echo "oracle: $build has no golden tests; run make test first" >&2; exit 1; }
    if ! "$test" >"$ORACLE_WORK/log" 2>&1; then
        grep -v '^\[ RUN\|^\[       OK' "$ORACLE_WORK/log" || true
        # A program that ends without a verdict counts as one.
        count=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$ORACLE_WORK/log")
        failed=$((failed + ${count:-1}))
    fi
done
compared=$(sort -u "$SPANLAB_GOLDEN_LOG" | wc -l)
echo "oracle: $compared golden comparisons with seed $seed: $((compared - failed)) passed, $failed failed" \
    "($((same + different - compared)) goldens are recorded only)"
((different == 0 && failed == 0 && compared > 0))
