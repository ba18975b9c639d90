#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# claims-mutants.sh [BUILD [ID...]]: for each claim (or those named) whose mutation is a line of goalloc's source or of the
# workload's, builds the measured programs from changed sources (in BUILD/mutants) and measures the claim with them: the
# verdicts must differ from the recorded ones. Ends with "N of M verdicts flip with a changed source"; exit 1 when one does not.
#
# claims-mutants.sh --check: builds nothing, and says which mutations no longer find the text that they change.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# field CLAIM NAME: a field of the claim's mutation
field() { sed -n "/^mutation:/,\$s/^  $2: '\(.*\)'\$/\1/p" "$1"; }

# replaced FILE OLD NEW: the file with OLD, which must be in it once, replaced; nothing in it is a pattern
replaced() {
    OLD=$2 NEW=$3 awk '
        { at = index($0, ENVIRON["OLD"]) }
        at { $0 = substr($0, 1, at - 1) ENVIRON["NEW"] substr($0, at + length(ENVIRON["OLD"])); found++ }
        { print }
        END { exit found != 1 }' "$1"
}

# programs CLAIM: the programs of the tests that the claim counts or runs
programs() { sed -n 's/^ *program: "\{0,1\}\([^" ]*\).*/\1/p' "$1" | sort -u; }

# targets CLAIM: those, and what builds the claim's subjects: a program each for what has its own heap interface, else the
# one that all manual subjects share, and goalloc's library.
targets() {
    programs "$1"
    sed -n 's/^ *subject: "\([^"|]*\).*/\1/p' "$1" | sort -u |
        sed -e '/^go-/d' -e 's/^\(classic\|greentea\|nogc\|bdwgc\).*/bench-&/;t' \
            -e 's/^manual-.*/bench-manual\ngoalloc-&-shared/;t' -e 's/.*/bench-manual/'
}

# Claims by their mutation: those with the same one are measured with one build. In its order here: the first claim's.
declare -A with_mutation=()
mutations=()
sort_claims() {
    local claim id file key
    for claim in "${claims[@]}"; do
        file=$(field "$claim" file)
        [[ -n $file ]] || continue
        key="$file|$(field "$claim" replace)|$(field "$claim" with)" id=$(basename "$claim" .yaml)
        [[ -n ${with_mutation[$key]-} ]] || mutations+=("$key")
        with_mutation[$key]+="${with_mutation[$key]:+ }$id"
    done
}

# change KEY FIRST_ID: the changed file's text
change() {
    local claim=results/claims/$2.yaml
    replaced "${1%%|*}" "$(field "$claim" replace)" "$(field "$claim" with)"
}

claims=(results/claims/*.yaml)
if [[ ${1-} != --check && $# -gt 1 ]]; then
    claims=("${@:2}") claims=("${claims[@]/#/results/claims/}") claims=("${claims[@]/%/.yaml}")
fi
sort_claims
lost=0
for key in "${mutations[@]}"; do
    change "$key" "${with_mutation[$key]%% *}" >/dev/null && continue
    lost=$((lost + 1))
    echo "${with_mutation[$key]}: ${key%%|*} does not hold the text of the mutation once: give it the line's text of today"
done
((lost == 0)) || exit 1
if [[ ${1-} == --check ]]; then
    echo "${#mutations[@]} mutations find their text"
    ((${#mutations[@]} > 0))
    exit
fi

build=$(realpath -m "${1:-${BUILD:-build}}")
mutants=$build/mutants
source=$mutants/source
rm -rf "$source" "$mutants/runs"
mkdir -p "$source" "$mutants/runs"
cp -r CMakeLists.txt CMakePresets.json variants workloads harness tests scripts "$source/"
flipped=0 all=0
for key in "${mutations[@]}"; do
    file=${key%%|*}
    read -ra ids <<<"${with_mutation[$key]}"
    paths=("${ids[@]/#/results/claims/}") paths=("${paths[@]/%/.yaml}")
    mapfile -t wanted < <(for claim in "${paths[@]}"; do targets "$claim"; done | sort -u)
    [[ $(for claim in "${paths[@]}"; do programs "$claim"; done) ]] && tests=ON || tests=OFF
    change "$key" "${ids[0]}" >"$source/$file"
    (cd "$source" && cmake --preset release -B "$mutants/build" -DSPANLAB_TESTS=$tests >/dev/null)
    cmake --build "$mutants/build" -j "${JOBS:-$(nproc)}" --target spanlab "${wanted[@]}" >/dev/null
    status=0
    "$mutants/build/bin/spanlab" claims run "${ids[@]}" --alone -o "$mutants/runs/${ids[0]}" >"$mutants/said" 2>&1 || status=$?
    cp "$file" "$source/$file"
    for id in "${ids[@]}"; do
        all=$((all + 1))
        if grep -q "^$id: .*, and .* is recorded" "$mutants/said"; then
            flipped=$((flipped + 1))
            echo "$id flips with $file changed: $(grep "^$id:" "$mutants/said" | head -n 1)"
        else
            echo "$id DOES NOT flip with $file changed (exit $status):"
            grep "^$id\|n/a" "$mutants/said" || tail -n 5 "$mutants/said"
        fi
    done
done
echo "$flipped of $all verdicts flip with a changed source"
((all > 0 && flipped == all))
