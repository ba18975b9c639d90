#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The help of both front doors fits a screen of 80 x 24, and names what exists.
set -euo pipefail
cd "$SPANLAB_SOURCE"
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL
failed=0

# fits COMMAND...
fits() {
    local lines columns
    read -r lines columns < <("$@" | wc -l -L)
    if ((lines < 5 || lines > 24 || columns > 80)); then
        echo "$*: $lines lines of up to $columns columns"
        failed=1
    fi
}
fits make help
fits "$SPANLAB_BUILD/bin/spanlab" --help

# `make` alone is the help, and nothing else.
if ! diff <(make) <(make help); then
    echo 'make without a target (<) is not make help (>)'
    failed=1
fi

# Every target is in the help, and every target in the help exists.
targets=$(sed -n 's/^\.PHONY: *//p' Makefile | tr ' ' '\n' | sort)
helped=$(make help | grep -oE '\<make [a-z-]+  ' | awk '{ print $2 }' | sort)
if ! diff <(echo "$targets") <(echo "$helped"); then
    echo 'targets (<) and help (>) differ'
    failed=1
fi
exit $failed
