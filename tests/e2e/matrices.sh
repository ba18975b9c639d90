#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every file of harness/lab/matrices is built in: offered by its name, word for word as it stands there, and it plans cells.
set -euo pipefail

spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # where no file has a matrix's name
failed=0

fail() {
    failed=1
    printf 'matrices: %s\n' "$*"
}

files=("$SPANLAB_SOURCE"/harness/lab/matrices/*.yaml)
names=()
for file in "${files[@]}"; do
    name=$(basename "$file" .yaml)
    names+=("$name")
    "$spanlab" explain "$name" >told 2>&1 || fail "spanlab explain $name: exit $?"
    cmp -s told "$file" || fail "spanlab explain $name is not what $file says"
    "$spanlab" plan -m "$name" >planned 2>&1 || fail "spanlab plan -m $name: exit $?: $(tail -n 1 planned)"
    grep -q '[1-9][0-9]* processes' planned || fail "spanlab plan -m $name plans no process: $(tail -n 1 planned)"
done
((${#names[@]} >= 4)) || fail "only ${#names[@]} files were found"

listed=$("$spanlab" list | sed -n '/^Matrices/,/^$/s/^  \([^ ]*\) .*/\1/p' | sort)
[[ $listed == "$(printf '%s\n' "${names[@]}" | sort)" ]] || fail "spanlab list names: $listed"

refused=$("$spanlab" plan -m zzzzzzzz 2>&1 || true)
for name in "${names[@]}"; do
    [[ $refused == *" $name,"* ]] || fail "the error on an unknown matrix does not offer $name: $refused"
done
exit $failed
