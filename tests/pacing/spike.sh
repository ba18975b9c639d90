#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spike.sh [BUILD] [VARIANT...]: what is resident after a spike, in KiB: on traced builds (spike.c), in Go 1.25.3, and
# without VARIANTs on every malloc subject that is present (spike_malloc.c).
# Needs the programs: cmake --build BUILD --target spikes. Without Go its rows are left out.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(realpath -m "${1:-$here/../../build}")
shift || true
cd "$here"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go=
if command -v go >/dev/null && GOTOOLCHAIN=go1.25.3 go build -o "$work/go" spike.go 2>"$work/log"; then
    go=$work/go
fi
variants=("$@") subjects=()
if ((${#variants[@]} == 0)); then
    for program in "$build"/tests/pacing/spike-*; do
        [[ -x $program ]] && variants+=("${program##*/spike-}")
    done
    catalog=$("$build/bin/bench-manual" --spanlab-catalog)
    mapfile -t subjects < <(sqlite3 :memory: "SELECT value->>'$.name' FROM
        json_each('${catalog//\'/\'\'}', '$.subjects') WHERE value->>'$.present' AND NOT value->>'$.bound'")
fi
printf '%-34s %-9s %10s %10s %10s %10s\n' build "the rest" peak "0.1 s" "1 s" "5 s"
for what in collected busy rest; do
    # shellcheck disable=SC2046 # four figures
    [[ -z $go ]] || printf '%-34s %-9s %10s %10s %10s %10s\n' go-1.25.3 "$what" $("$go" "$what")
    for variant in "${variants[@]}"; do
        for preset in tuned faithful; do
            # shellcheck disable=SC2046
            printf '%-34s %-9s %10s %10s %10s %10s\n' "$variant $preset" "$what" \
                $(GOALLOC_PRESET=$preset "$build/tests/pacing/spike-$variant" "$what")
        done
    done
done
for what in rest busy; do
    for subject in "${subjects[@]}"; do
        # shellcheck disable=SC2046
        printf '%-34s %-9s %10s %10s %10s %10s\n' "$subject" "$what" \
            $("$build/bin/spanlab" exec "$subject" -- "$build/tests/pacing/spike_malloc" "$what")
    done
done
