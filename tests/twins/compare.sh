#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# compare.sh BENCH: every twin on real Go must print the checksum and the number of operations that the C workload
# prints, with small parameters.
# Exit 77 (skipped) where Go 1.25.3 is not to be had.
set -euo pipefail
bench=$1
go_module=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../variants/go" && pwd)
export GOTOOLCHAIN=go1.25.3 GOFLAGS=-mod=mod GOEXPERIMENT=
command -v go >/dev/null && go version >/dev/null 2>&1 || { echo "twins: no Go 1.25.3 here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$go_module" && go build -o "$work/twins" ./twins)

# Checksum and operations of a record.
result_of() {
    "$1" --spanlab-workload="$workload" --spanlab-params="$params" --spanlab-warmup=0 --spanlab-iterations=1 2>/dev/null |
        grep -oE '"checksum":"[0-9a-f]*"|"ops":[0-9]*' | tr '\n' ' '
}

# Workload and parameters, a line each.
failed=0 compared=0
while read -r workload params; do
    ours=$(result_of "$bench")
    theirs=$(result_of "$work/twins")
    compared=$((compared + 1))
    [[ -n $ours && $ours == "$theirs" ]] && continue
    printf 'twins: %s %s: ours is %s, the twin prints %s\n' "$workload" "$params" "$ours" "$theirs"
    failed=$((failed + 1))
done < <("$work/twins" -checks | sort)
printf '%d twins compared, %d differ\n' "$compared" "$failed"
((compared > 0 && failed == 0))
