#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# checksums.sh BENCH: every twin on real Go must print the checksum and the number of operations that the C workload
# prints, with small parameters.
set -euo pipefail
bench=$1
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Checksum and operations of a record.
result_of() {
    record_of "$1" "$workload" "$params" --spanlab-warmup=0 | grep -oE '"checksum":"[0-9a-f]*"|"ops":[0-9]*' | tr '\n' ' '
}

# Workload and parameters, a line each.
failed=0 compared=0
while read -r workload params; do
    ours=$(result_of "$bench")
    theirs=$(result_of "$twins")
    compared=$((compared + 1))
    [[ -n $ours && $ours == "$theirs" ]] && continue
    printf 'twins: %s %s: ours is %s, the twin prints %s\n' "$workload" "$params" "$ours" "$theirs"
    failed=$((failed + 1))
done < <("$twins" -checks | sort)
printf '%d twins compared, %d differ\n' "$compared" "$failed"
((compared > 0 && failed == 0))
