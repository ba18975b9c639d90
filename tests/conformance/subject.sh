#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# subject.sh NAME LIBRARIES PACKAGE PROGRAM [ARGUMENT...]: runs a program on a malloc subject.
#   LIBRARIES  sonames or paths to preload, comma-separated, the first that can be loaded; empty: libc itself
#   PACKAGE    what to install when none can be loaded, which skips the test (exit 77); empty: ours, which fails it
set -euo pipefail
name=$1 libraries=$2 package=$3
shift 3

export SPANLAB_SUBJECT=$name
[[ -n $libraries ]] || exec "$@"
IFS=, read -ra candidates <<<"$libraries"
for library in "${candidates[@]}"; do
    # The loader only warns about a library that it does not find, and goes on with libc.
    if [[ -z $(LD_PRELOAD=$library /bin/true 2>&1) ]]; then
        export SPANLAB_LIBRARY=$library LD_PRELOAD=$library
        exec "$@"
    fi
done
if [[ -n $package ]]; then
    echo "skipped: $name is not installed (package $package)"
    exit 77
fi
echo "subject.sh: $name: cannot preload $libraries" >&2
exit 1
