#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# allocator-numbers.sh [classes] [metadata] [pages] [paths] [kernels]: figures about goalloc, each got by running it; all
# by default.
#
# classes    for each size class what a span of it wastes at worst, by filling one and walking the heap, beside Go's table
#            as results/golden has it. Last line: N of 67 rows agree; exit 1 when not all do.
# metadata   bytes of bookkeeping per byte in objects, per manual build, with 256 MiB live in objects of 16-112 B.
# pages      instructions per allocation of one page, by callgrind, with a thread's page cache and straight from the page heap,
#            as the difference of two counts (n and 11n); and how often the heap lock was taken. Needs valgrind.
# paths      instructions per object on each of the typed interface's five allocation paths: hot (from the span in hand) and
#            with everything (fresh spans, their pages, the heap's growth), as differences of two counts. Needs valgrind.
# kernels    time of scanning a page of objects with AVX2 over that of the portable kernel, with intervals, by class, by how
#            many objects are grey and by working set, after Go's BenchmarkScanSpanPacked. Wants a quiet machine.
# BUILD (default build) is the folder of the build, with tests (make test, or cmake -DSPANLAB_TESTS=ON).
# LIVE_MIB (default 256), SEED (default 1): of metadata.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

build=${BUILD:-build}
golden=${SPANLAB_GOLDEN_DIR:-results/golden}/class-table.txt
allocations=16384 factor=11 # a multiple of what a page cache holds

die() { printf 'allocator-numbers: %s\n' "$*" >&2; exit "${status:-1}"; }

for part; do
    [[ $part =~ ^(classes|metadata|pages|paths|kernels)$ ]] || { sed -n '3,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
done
[[ -x $build/bin/numbers-class_waste ]] ||
    die "no $build/bin/numbers-class_waste; build with the tests, or name another folder by BUILD=..."

classes() {
    echo "Size classes: a span filled with the smallest requests that each class serves"
    "$build/bin/numbers-class_waste" "$golden"
}

metadata() {
    local library
    echo "Metadata with ${LIVE_MIB:-256} MiB live in objects of 16-112 B (64 B on average), seed ${SEED:-1}"
    printf '%-24s %9s %11s %11s %10s %22s\n' build objects requested allocated metadata 'metadata per allocated'
    for library in "$build"/lib/libgoalloc-manual-*.so; do
        [[ -e $library ]] || die "no $build/lib/libgoalloc-manual-*.so"
        LD_PRELOAD=$library "$build/bin/numbers-metadata" $((${LIVE_MIB:-256} << 20)) "${SEED:-1}"
    done
}

need_valgrind() {
    command -v valgrind >/dev/null || status=3 die "valgrind is missing; scripts/setup.sh test installs it"
    scratch=${scratch:-$(mktemp -d)}
    trap 'rm -rf "$scratch"' EXIT
}

# count PROGRAM ARGUMENTS...: instructions within the function PROGRAM_take of numbers-PROGRAM
count() {
    local log=$scratch/log program=$1
    shift
    setarch -R valgrind --tool=callgrind --callgrind-out-file=/dev/null "--toggle-collect=${program}_take*" \
        "$build/bin/numbers-$program" "$@" >"$log" 2>&1 || die "$program $*: $(tail -n 3 "$log")"
    awk '/Collected *:/ && $NF > 0 { print $NF; found = 1 } END { exit !found }' "$log" || die "no count in: $(cat "$log")"
}

pages() {
    local pattern how few many locks
    need_valgrind
    echo "Allocation of one page: with a thread's cache of 64 pages, and straight from the page heap"
    printf '%-10s %14s %14s %6s %14s %14s %10s\n' '' 'cache, instr.' 'heap, instr.' 'ratio' 'cache, locks' 'heap, locks' 'avoided'
    for pattern in fill alternate replace; do
        declare -A instructions=() taken=()
        for how in cached direct; do
            few=$(count page_cost $pattern $how $allocations)
            many=$(count page_cost $pattern $how $((allocations * factor)))
            instructions[$how]=$(awk -v d=$((many - few)) -v n=$((allocations * (factor - 1))) 'BEGIN { printf "%.2f", d / n }')
            few=$("$build/bin/numbers-page_locks" $pattern $how $allocations)
            many=$("$build/bin/numbers-page_locks" $pattern $how $((allocations * factor)))
            taken[$how]=$((many - few))
        done
        awk -v pattern=$pattern -v a="${instructions[cached]}" -v b="${instructions[direct]}" -v l="${taken[cached]}" \
            -v m="${taken[direct]}" 'BEGIN {
                printf "%-10s %14.2f %14.2f %6.2f %14d %14d %8.2f %%\n", pattern, a, b, b / a, l, m, 100 * (m - l) / m }'
    done
    echo "instructions per allocation; locks: how often $((allocations * (factor - 1))) allocations took the heap lock"
    echo "fill: from free pages; alternate: each is freed before the next; replace: one of 4096 live ones, at random, is freed before"
}

# difference PATH FEW MANY: instructions per object between two counts
difference() {
    local few many
    few=$(count path_cost "$1" "$2")
    many=$(count path_cost "$1" "$3")
    awk -v d=$((many - few)) -v n=$(($3 - $2)) 'BEGIN { printf "%.1f", d / n }'
}

paths() {
    local path hot request
    need_valgrind
    echo "The five allocation paths of the typed interface (nogc-tiny-sizeclass)"
    printf '%-8s %-34s %12s %12s\n' path request 'hot' 'all'
    while read -r path hot request; do
        [[ $hot == - ]] || hot=$(difference "$path" 1 $((hot + 1)))
        printf '%-8s %-34s %12s %12s\n' "$path" "$request" "$hot" "$(difference "$path" 4096 20480)"
    done <<-END
	tiny 64 4 B, no pointers
	noscan 60 64 B, no pointers, zeroed
	bitmap 60 64 B, two pointers
	header 4 1024 B, pointers, type header
	large - 64 KiB, no pointers
	END
    echo "instructions per object; hot: from the span in hand; all: with fresh spans and pages of a heap that grows"
}

kernels() {
    echo "Green Tea's kernels: what scanning a page of objects costs (greentea-tiny-sizeclass)"
    "$build/bin/numbers-kernels"
}

(($#)) || set -- classes metadata pages paths kernels
for part; do
    "$part"
    [[ $part == "${!#}" ]] || echo
done
