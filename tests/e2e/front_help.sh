#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The help of both front doors fits a screen of 80 x 24, and names what exists.
set -euo pipefail
cd "$SPANLAB_SOURCE"
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL
failed=0

fits() {
    awk -v what="$1" 'length > widest { widest = length }
        END { if (NR == 0 || NR > 24 || widest > 80) { print what ": " NR " lines of up to " widest " columns"; exit 1 } }' \
        || failed=1
}

make help | fits 'make help'
"$SPANLAB_BUILD/bin/spanlab" --help | fits 'spanlab --help'

# `make` alone is the help, and nothing else.
[[ $(make) == "$(make help)" ]] || { echo 'make without a target is not make help'; failed=1; }

# Every target is in the help, and every target in the help exists.
targets=$(sed -n 's/^\.PHONY: *//p' Makefile | tr ' ' '\n' | sort)
helped=$(make help | grep -oE '\<make [a-z]+  ' | awk '{ print $2 }' | sort)
if ! diff <(echo "$targets") <(echo "$helped"); then
    echo 'targets (<) and help (>) differ'
    failed=1
fi
exit $failed
