#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# check.sh [ROOT]: runs arrows.awk over every C and C++ source and every shell script of a tree.
set -euo pipefail
script=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/arrows.awk
cd "${1:-.}"
folders=()
for folder in .ci harness scripts tests variants workloads; do
    [[ -d $folder ]] && folders+=("$folder")
done
find "${folders[@]}" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.sh' -o -path .ci/run \) | sort | awk -f "$script"
