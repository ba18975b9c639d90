#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# density.sh [goalloc|1.26.8|1.25.3] [VARIABLE=VALUE...]: what marking by pages costs, by how much of each page is alive:
# instructions of Green Tea's marking over those of classic marking, by callgrind, in goalloc with Go's decisions or in real
# Go of a version. A table on stdout: the share of each page's objects that is alive (mark-density); for each size how many
# these are, and the ratio, where the array of pointers names them by address and at random. Behind it, between which two
# shares the ratio falls below 1.
#
# Counted are some pages more: the difference of two numbers of pages. So nothing is in it that an empty heap costs, which in
# real Go is as much as some thousand objects, and not the same for both markers. No collection but those of the workload
# runs. Variables are set for both, GOALLOC_GREENTEA=1.26 say. BUILD (default build) is the folder of the build, SIZES and
# PERMILLES what is gone through. Needs valgrind, and for real Go what scripts/go-subjects.sh builds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

build=${BUILD:-build} family=${1:-goalloc}
first_pages=500 more_objects=248000 page_bytes=7936
read -ra sizes <<<"${SIZES:-16 64 512}"
read -ra permilles <<<"${PERMILLES:-5 10 20 30 40 60 80 125 250 500 1000}"

die() { printf 'density: %s\n' "$*" >&2; exit "${status:-1}"; }

if [[ $family == goalloc ]]; then
    classic=$build/bin/bench-classic-tiny-sizeclass greentea=$build/bin/bench-greentea-tiny-sizeclass drain='mark_drain*'
    variables=(GOGC=off GOALLOC_PRESET=faithful GOALLOC_DETERMINISTIC=1 "${@:2}")
else
    classic=$build/go/go-$family-classic greentea=$build/go/go-$family-greentea drain=runtime.gcDrain
    # Callgrind cannot take the signals by which Go interrupts goroutines.
    variables=(GOGC=off GOMAXPROCS=1 GODEBUG=gcstoptheworld=1,asyncpreemptoff=1 "${@:2}")
fi
for program in "$classic" "$greentea"; do
    [[ -x $program ]] || status=3 die "no $program; run make build, or make go"
done
command -v valgrind >/dev/null || status=3 die "valgrind is missing; scripts/setup.sh test installs it"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# count PROGRAM PARAMS PAGES: instructions of marking in the whole process
count() {
    env "${variables[@]}" setarch -R valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect="$drain" "$1" --spanlab-workload=mark-density --spanlab-params="$2,pages=$3" \
        --spanlab-warmup=0 --spanlab-iterations=1 --spanlab-result="$scratch/record" >"$scratch/log" 2>&1 ||
        die "$1, $2: $(tail -n 3 "$scratch/log")"
    awk '/Collected *:/ { print $NF; found = 1 } END { exit !found }' "$scratch/log" || die "no count in: $(cat "$scratch/log")"
}

# of_more PROGRAM SIZE PERMILLE ORDER: instructions for so many pages more that they hold more_objects objects
of_more() {
    local params=size=$2,permille=$3,order=$4,collections=4 few many
    few=$(count "$1" "$params" "$first_pages")
    many=$(count "$1" "$params" $((first_pages + more_objects / (page_bytes / $2))))
    echo $((many - few))
}

printf '%7s' 'alive'
for size in "${sizes[@]}"; do
    printf ' | %4s B: %6s %9s %9s' "$size" 'alive' 'address' 'random'
done
printf '\n'
for permille in "${permilles[@]}"; do
    printf '%5d.%d%%' $((permille / 10)) $((permille % 10))
    for size in "${sizes[@]}"; do
        ratios=()
        for order in 0 1; do
            by_objects=$(of_more "$classic" "$size" "$permille" $order)
            by_pages=$(of_more "$greentea" "$size" "$permille" $order)
            ratios+=("$(awk -v g="$by_pages" -v c="$by_objects" 'BEGIN { printf "%.3f", g / c }')")
            printf '%s %s %s %s\n' "$size" "$order" "$permille" "${ratios[-1]}" >>"$scratch/ratios"
        done
        alive=$(awk -v n=$((page_bytes / size)) -v p="$permille" 'BEGIN { printf "%.1f", n * p / 1000 }')
        printf ' | %14s %9s %9s' "$alive" "${ratios[@]}"
    done
    printf '\n'
done
awk '
    { key = $1 " B, " ($2 ? "at random" : "by address") }
    !(key in last) { keys[++n] = key; if ($4 < 1) crossing[key] = "is below 1 from " $3 / 10 " % on" }
    key in last && last[key] >= 1 && $4 < 1 { crossing[key] = "falls below 1 between " before[key] / 10 " and " $3 / 10 " %" }
    { last[key] = $4; before[key] = $3 }
    END {
        for (i = 1; i <= n; i++)
            print keys[i] ": " (keys[i] in crossing ? crossing[keys[i]] : "does not fall below 1")
    }' "$scratch/ratios"
