#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# claims-mutants.sh [BUILD [ID...]]: for each claim (or those named) whose mutation is a line of goalloc's source or of the
# workload's, builds the measured programs from changed sources (in BUILD/mutants) and measures the claim with them: the
# verdicts must differ from the recorded ones. Ends with "N of M verdicts flip with a changed source"; exit 1 when one does not.
# CLASS, where no claim is named: D, D* or D+, which is both (default).
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
            -e 's/^manual-.*/bench-manual\ngoalloc-&-shared/;t' \
            -e 's/^policy.*/bench-manual\nspanlab-policy/;t' -e 's/.*/bench-manual/'
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

[[ ${1-} == --check ]] || build=$(realpath -m "${1:-${BUILD:-build}}")
claims=(results/claims/*.yaml)
if [[ ${1-} != --check && $# -gt 1 ]]; then
    claims=("${@:2}") claims=("${claims[@]/#/results/claims/}") claims=("${claims[@]/%/.yaml}")
elif [[ ${1-} != --check ]]; then
    listed=$("$build/bin/spanlab" claims list --class "${CLASS:-D+}")
    mapfile -t claims < <(awk -F '[ ]+' 'NR > 1 && $2 ~ /^[DN]/ { print "results/claims/" $1 ".yaml" }' <<<"$listed")
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

# stream_of TARGETS: the stream that a mutation with these is of: two have sources and a build each, and run at the same
# time; what greentea needs is built by one of them only
stream_of() { if [[ $1 == *greentea* ]]; then echo greentea; else echo others; fi; }

# prepare STREAM: its sources and its build; its mutations are its numbers. The build lies in the sources, as it does here:
# so a compiler cache knows what does not change.
prepare() {
    local tree=$mutants/$1 number tests=OFF
    mkdir -p "$tree"
    cp -r CMakeLists.txt CMakePresets.json variants workloads harness tests scripts "$tree/"
    for number in ${numbers[$1]}; do
        [[ -z $(for id in ${with_mutation[${mutations[number]}]}; do programs "results/claims/$id.yaml"; done) ]] || tests=ON
    done
    (cd "$tree" && cmake --preset release -B "$tree/build" -DSPANLAB_TESTS=$tests)
}

# measure STREAM NUMBER: builds what the mutation changes and measures with it; what is said of its claims
measure() {
    local tree=$mutants/$1 key=${mutations[$2]} file spanlab=$build/bin/spanlab status=0 said=$mutants/said-$2 id ids targets
    file=${key%%|*}
    read -ra ids <<<"${with_mutation[$key]}"
    read -ra targets <<<"${wanted[$2]}"
    # The programs are those of the tree, the spanlab that measures them is this one, unless it is what changes.
    [[ $file != harness/* ]] || targets+=(spanlab) spanlab=$tree/build/bin/spanlab
    change "$key" "${ids[0]}" >"$tree/$file"
    cmake --build "$tree/build" -j "$jobs" --target "${targets[@]}" >"$said" 2>&1 &&
        SPANLAB_BENCH_DIR=$tree/build/bin "$spanlab" claims run "${ids[@]}" --alone -o "$mutants/runs/${ids[0]}" \
            >"$said" 2>&1 || status=$?
    cp "$file" "$tree/$file"
    for id in "${ids[@]}"; do
        if grep -q "^$id: .*, and .* is recorded" "$said"; then
            echo "$id flips with $file changed: $(grep -m 1 "^$id:" "$said")"
        else
            echo "$id DOES NOT flip with $file changed (exit $status):"
            grep "^$id\|n/a" "$said" || tail -n 5 "$said"
        fi
    done
}

# run_stream STREAM: its mutations one after the other; what is said of each is there once it is complete
run_stream() {
    local number
    prepare "$1" >"$mutants/configured-$1" 2>&1 || { cat "$mutants/configured-$1" >&2; return 1; }
    for number in ${numbers[$1]}; do
        measure "$1" "$number" >"$mutants/judged-$number.new"
        mv "$mutants/judged-$number.new" "$mutants/judged-$number"
    done
}

mutants=$build/mutants
jobs=$(((${JOBS:-$(nproc)} + 1) / 2))
rm -rf "$mutants"
mkdir -p "$mutants/runs"
declare -A numbers=()
wanted=() all=0 flipped=0
for number in "${!mutations[@]}"; do
    read -ra ids <<<"${with_mutation[${mutations[number]}]}"
    all=$((all + ${#ids[@]}))
    wanted[number]=$(for id in "${ids[@]}"; do targets "results/claims/$id.yaml"; done | sort -u | tr '\n' ' ')
    stream=$(stream_of "${wanted[number]}")
    numbers[$stream]="${numbers[$stream]-} $number"
done
streams=()
trap 'kill "${streams[@]}" 2>/dev/null || true' EXIT
for stream in "${!numbers[@]}"; do
    run_stream "$stream" &
    streams+=($!)
done
for number in "${!mutations[@]}"; do
    until [[ -e $mutants/judged-$number ]]; do
        kill -0 "${streams[@]}" 2>/dev/null || [[ -e $mutants/judged-$number ]] || break
        sleep 0.2
    done
    [[ -e $mutants/judged-$number ]] || { echo "${with_mutation[${mutations[number]}]} DOES NOT flip: the build has failed"; continue; }
    cat "$mutants/judged-$number"
    flipped=$((flipped + $(grep -c '^[^ ]* flips with ' "$mutants/judged-$number" || true)))
done
trap - EXIT
echo "$flipped of $all verdicts flip with a changed source"
((all > 0 && flipped == all))
