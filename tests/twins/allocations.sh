#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# allocations.sh BENCH: every twin on real Go must allocate what the C workload allocates on a size-class build: as many
# objects of each size class, as many large and tiny ones, as many bytes. Equal checksums do not show that: a compiler may
# keep on its stack what C has on the heap. The first iteration makes what the runtime keeps for later, the second counts.
set -euo pipefail
bench=$1
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# Collections empty caches, and with them tiny blocks; processors, which each have a tiny block, come and go.
export GOGC=off GOMAXPROCS=1

# "tiny N large N bytes N CLASS N ..." of a record, classes without objects left out. Goroutines share the tiny block of
# their processor, and threads do not: with several of them, tiny requests and 16 B objects (class 2) are comparable
# together only.
counts_of() {
    record_of "$1" "$workload" "$params" --spanlab-warmup=1 --spanlab-allocations |
        grep -oE '"allocations":\{[^}]*\}' | tr -c '0-9' ' ' |
        awk -v threads="$(sed -nE 's/.*threads=([0-9]+).*/\1/p' <<<"$params")" '
            threads > 1 { $3 -= 16 * $5; $5 += $1; $1 = 0 }
            {
                printf "tiny %d large %d bytes %d", $1, $2, $3
                for (i = 4; i <= NF; i++)
                    if ($i != 0)
                        printf " %d: %d", i - 3, $i
            }'
}

failed=0 compared=0
while read -r workload params; do
    ours=$(counts_of "$bench")
    compared=$((compared + 1))
    # Now and then Go's runtime allocates for itself meanwhile, a 16 B object on a loaded machine: never less than the twin
    # does. One run without that shows what the twin allocates.
    for ((run = 0; run < 5; run++)); do
        theirs=$(counts_of "$twins")
        [[ -n $ours && $ours == "$theirs" ]] && continue 2
    done
    printf 'twins: %s %s: objects by size class differ\n  ours:     %s\n  the twin: %s\n' "$workload" "$params" "$ours" "$theirs"
    failed=$((failed + 1))
done < <("$twins" -checks | sort)
printf '%d twins compared, %d allocate otherwise\n' "$compared" "$failed"
((compared > 0 && failed == 0))
