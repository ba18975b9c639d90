#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# instructions.sh [--check] [SUBJECT...]: instructions per malloc+free of every malloc subject that is present, on stdout.
#
# Counted by callgrind with the subject preloaded, 64 B, loop and PLT included, as the difference of two operation counts
# (n and 11n): what the program does besides cancels out. Hot pair: malloc and free in turn. 64-deep batch: 64 mallocs, then
# 64 frees, in order of allocation (FIFO) or in reverse (LIFO). The last row is a malloc that bumps and a free that returns.
# Each run carries bench-manual's own proof that the subject served the calls.
#   --check  count everything twice: ours must repeat exactly, peers within 0.1 %; exit 1 otherwise
# BUILD (default build) is the folder of the build. No SUBJECT: all that the catalog calls present. Needs valgrind, python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

build=${BUILD:-build}
bench=$build/bin/bench-manual
null=$build/lib/libspanlab-null.so
operations=16384 factor=11 # a multiple of the batch's depth times its sampling steps

die() { printf 'instructions: %s\n' "$*" >&2; exit "${status:-1}"; }

check=
[[ ${1:-} == --check ]] && { check=yes; shift; }
[[ ${1:-} == -* ]] && { sed -n '3,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
[[ -x $bench ]] || die "no $bench; run make build, or name another folder by BUILD=..."
for tool in valgrind python3; do
    command -v "$tool" >/dev/null || status=3 die "$tool is missing; scripts/setup.sh test installs it"
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# subjects: "name library" of each that is present, "-" for libc itself
subjects() {
    "$bench" --spanlab-catalog | python3 -c '
import json, sys
for s in json.load(sys.stdin)["subjects"]:
    if s["present"]:
        print(s["name"], s["library"] or "-")'
}

# count NAME LIBRARY WORKLOAD PARAMS OPERATIONS: instructions of the whole process
count() {
    local name=$1 library=$2 log=$scratch/log proof=(--spanlab-expect="$1")
    [[ $name == null-library ]] && proof=(--spanlab-library="$library")
    [[ $library == - ]] && library=
    LD_PRELOAD=$library setarch -R valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench" \
        --spanlab-workload="$3" --spanlab-params="$4,operations=$5" --spanlab-warmup=0 --spanlab-iterations=1 \
        --spanlab-result="$scratch/record" "${proof[@]}" >"$log" 2>&1 ||
        die "$name, $3 $4: $(tail -n 3 "$log"; cat "$scratch/record" 2>/dev/null)"
    awk '/Collected *:/ { print $NF; found = 1 } END { exit !found }' "$log" || die "no count in: $(cat "$log")"
}

# per_operation NAME LIBRARY WORKLOAD PARAMS: the difference, in instructions per operation
per_operation() {
    local few many
    few=$(count "$1" "$2" "$3" "$4" "$operations")
    many=$(count "$1" "$2" "$3" "$4" $((operations * factor)))
    awk -v d=$((many - few)) -v n=$((operations * (factor - 1))) 'BEGIN { printf "%.3f\n", d / n }'
}

# repeated ...: the same, and under --check a second time
repeated() {
    local first second tolerance=0.001
    first=$(per_operation "$@")
    if [[ -n $check ]]; then
        second=$(per_operation "$@")
        [[ $1 == manual-* || $1 == goalloc-* ]] && tolerance=0
        awk -v a="$first" -v b="$second" -v t=$tolerance 'BEGIN { d = a > b ? a - b : b - a; exit d > t * a }' ||
            { printf 'instructions: %s, %s %s: %s, then %s\n' "$1" "$3" "$4" "$first" "$second" >&2; touch "$scratch/differs"; }
    fi
    echo "$first"
}

mapfile -t rows < <(subjects)
((${#rows[@]})) || die "the catalog of $bench names no subject that is present"
[[ -e $null ]] && rows+=("null-library $null")
for wanted; do
    [[ $(printf '%s\n' "${rows[@]}") =~ (^|$'\n')"$wanted " ]] ||
        status=2 die "no subject '$wanted' is present; those that are: $(printf '%s\n' "${rows[@]}" | cut -d' ' -f1 | tr '\n' ' ')"
done

printf '%-32s %10s %12s %12s   instructions per malloc+free, 64 B\n' subject 'hot pair' 'batch FIFO' 'batch LIFO'
for row in "${rows[@]}"; do
    read -r name library <<<"$row"
    (($#)) && [[ " $* " != *" $name "* ]] && continue
    pair=$(repeated "$name" "$library" pair size=64)
    fifo=$(repeated "$name" "$library" batch depth=64,size=64,touch=0,order=0)
    lifo=$(repeated "$name" "$library" batch depth=64,size=64,touch=0,order=1)
    printf '%-32s %10s %12s %12s\n' "$name" "$pair" "$fifo" "$lifo"
done
[[ ! -e $scratch/differs ]] || die "counts did not repeat"
