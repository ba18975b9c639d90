#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# claims-mutants.sh [BUILD [ID...]]: for each claim (or those named) whose mutation is a line of goalloc's source or of the
# workload's, builds the measured programs from changed sources (in BUILD/mutants) and measures the claim with them: the
# verdict must differ from the recorded one. Ends with "N of M changed sources flip the verdict"; exit 1 when one does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=$(realpath -m "${1:-${BUILD:-build}}") mutants=
mutants=$build/mutants
source=$mutants/source
rm -rf "$source" "$mutants/runs"
mkdir -p "$source" "$mutants/runs"
cp -r CMakeLists.txt CMakePresets.json variants workloads harness tests scripts "$source/"

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

# targets CLAIM: those, and what builds the claim's subjects of goalloc's: a program each, or libraries for the one that
# manual builds share.
targets() {
    programs "$1"
    sed -n 's/^ *subject: "\([^"|]*\).*/\1/p' "$1" | sort -u |
        sed -n -e 's/^manual-.*/bench-manual\ngoalloc-&-shared/p' -e 's/^\(classic\|greentea\|nogc\)-.*/bench-&/p'
}

claims=(results/claims/*.yaml)
if (($# > 1)); then claims=("${@:2}"); claims=("${claims[@]/#/results/claims/}"); claims=("${claims[@]/%/.yaml}"); fi
flipped=0 all=0
for claim in "${claims[@]}"; do
    file=$(field "$claim" file)
    [[ -n $file ]] || continue
    id=$(basename "$claim" .yaml) all=$((all + 1))
    mapfile -t wanted < <(targets "$claim")
    [[ $(programs "$claim") ]] && tests=ON || tests=OFF
    replaced "$file" "$(field "$claim" replace)" "$(field "$claim" with)" >"$source/$file" ||
        { echo "$id: $file does not hold the text of its mutation once"; exit 1; }
    (cd "$source" && cmake --preset release -B "$mutants/build" -DSPANLAB_TESTS=$tests >/dev/null)
    cmake --build "$mutants/build" -j "${JOBS:-$(nproc)}" --target spanlab "${wanted[@]}" >/dev/null
    status=0
    "$mutants/build/bin/spanlab" claims run "$id" --alone -o "$mutants/runs/$id" >"$mutants/said" 2>&1 || status=$?
    cp "$file" "$source/$file"
    if grep -q "^$id: .*, and .* is recorded" "$mutants/said"; then
        flipped=$((flipped + 1))
        echo "$id flips with $file changed: $(grep "^$id:" "$mutants/said" | head -n 1)"
    else
        echo "$id DOES NOT flip with $file changed (exit $status):"
        tail -n 5 "$mutants/said"
    fi
done
echo "$flipped of $all changed sources flip the verdict"
((all > 0 && flipped == all))
