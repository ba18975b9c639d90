#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# scripts/allocator-numbers.sh: all size classes agree with Go's, a wrong figure is found, metadata comes from every build.
set -euo pipefail
cd "$SPANLAB_SOURCE"
export BUILD=$SPANLAB_BUILD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# expect STATUS LAST-LINE COMMAND...
expect() {
    local status=$1 last=$2 got=0 said
    shift 2
    said=$("$@" 2>&1) || got=$?
    [[ $got == "$status" && ${said##*$'\n'} == "$last" ]] ||
        { failed=1; printf 'numbers: exit %d instead of %d, or not "%s": %s\n' "$got" "$status" "$last" "$said"; }
}
expect 0 "67 of 67 rows agree" scripts/allocator-numbers.sh classes
sed 's/^45 4864 3 5 256 1665 /45 4864 3 5 256 1664 /' results/golden/class-table.txt >"$scratch/class-table.txt"
expect 1 "66 of 67 rows agree" env SPANLAB_GOLDEN_DIR="$scratch" scripts/allocator-numbers.sh classes
sed -i '/^67 /d' "$scratch/class-table.txt"
expect 1 "65 of 67 rows agree" env SPANLAB_GOLDEN_DIR="$scratch" scripts/allocator-numbers.sh classes

# Every manual build: more metadata than the bitmap of free slots can do with, less than a tenth of what is allocated. Metadata
# grows by 256 KiB at a time, which of 8 MiB alone would be 3 %.
live_mib=16
LIVE_MIB=$live_mib scripts/allocator-numbers.sh metadata >"$scratch/metadata"
builds=("$SPANLAB_BUILD"/lib/libgoalloc-manual-*.so)
for build in "${builds[@]}"; do
    name=$(basename "$build" .so)
    awk -v name="${name#libgoalloc-}" -v mib=$live_mib '$1 == name && $3 >= mib * 2^20 && $4 >= $3 && $5 * 8 > $2 && $5 * 10 < $4 { found = 1 }
        END { exit !found }' "$scratch/metadata" ||
        { failed=1; printf 'numbers: no sound figures of %s in\n%s\n' "$name" "$(<"$scratch/metadata")"; }
done
LIVE_MIB=$live_mib scripts/allocator-numbers.sh metadata | cmp - "$scratch/metadata" || { failed=1; echo 'numbers: another figure the second time'; }
exit $failed
