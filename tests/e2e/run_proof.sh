#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Proof from inside: a wrong preload, a knob that is not in force, a program that brings its own allocator.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
bench=$SPANLAB_BUILD/bin/bench-manual

fail() { # at once: what follows builds upon it
    printf 'run_proof: %s\n' "$*" >&2
    exit 1
}
library() {
    "$bench" --spanlab-catalog | tr -d '\n' | sed 's/"name"/\n"name"/g' | sed -n "s/^\"name\": \"$1\".*\"library\": \"\([^\"]*\)\".*/\1/p"
}

# refused TEXT VARIABLE=VALUE... -- FLAGS: the record says failed with this text, and carries no sample.
refused() {
    local text=$1 variables=() got=0 out
    shift
    while [[ $1 != -- ]]; do variables+=("$1"); shift; done
    shift
    out=$(env "${variables[@]}" "$bench" --spanlab-workload=pair --spanlab-smoke "$@" 2>/dev/null) || got=$?
    [[ $got == 1 ]] || fail "exit $got instead of 1: $*"
    [[ $out == *'"status":"failed"'* && $out == *"$text"* && $out == *'"samples":[]'* ]] || fail "no '$text' in $out"
}

jemalloc=$(library jemalloc) ours=$(library manual-tiny-sizeclass) other=$(library manual-notiny-sizeclass)
refused "is not loaded into this process" -- --spanlab-expect=jemalloc
refused "is not loaded" LD_PRELOAD=/nowhere/libjemalloc.so.2 -- --spanlab-expect=jemalloc
refused "is not the library of mimalloc" LD_PRELOAD="$jemalloc" -- --spanlab-expect=mimalloc --spanlab-library="$jemalloc"
refused "not to" LD_PRELOAD="$jemalloc" -- --spanlab-expect=glibc
refused "is not the library of manual-tiny-sizeclass" LD_PRELOAD="$other" -- --spanlab-expect=manual-tiny-sizeclass \
    --spanlab-library="$other"
refused "is tuned in force, but faithful was asked for" LD_PRELOAD="$ours" -- --spanlab-expect=manual-tiny-sizeclass \
    --spanlab-knobs=preset=faithful
# Two preloaded, the wrong one first: it serves, so the second may not claim the row.
refused "not to" LD_PRELOAD="$jemalloc $ours" -- --spanlab-expect=manual-tiny-sizeclass

# A build renamed to another's name says itself what it is.
mkdir -p "$work/bin" "$work/lib"
cp "$bench" "$work/bin/"
cp "$other" "$work/lib/libgoalloc-manual-tiny-sizeclass.so"
bench=$work/bin/bench-manual
refused "says that it is manual-notiny-sizeclass" LD_PRELOAD="$work/lib/libgoalloc-manual-tiny-sizeclass.so" -- \
    --spanlab-expect=manual-tiny-sizeclass

# A program that brings its own allocator.
make_own "$work/own"
got=0
out=$("$SPANLAB_BUILD/bin/spanlab" exec mimalloc -- "$work/own" 2>&1) || got=$?
[[ $got == 125 && $out == *"brings its own allocator"* ]] || fail "exec let a program with its own allocator pass: $got $out"

# The malformed preset is refused at start, in one line.
out=$(GOALLOC_PRESET=fast LD_PRELOAD="$ours" /bin/true 2>&1 || true)
out=$(GOALLOC_PRESET=fast LD_PRELOAD="$ours" bash -c 'a=(1 2 3)' 2>&1) && fail "a malformed preset was taken"
[[ $out == *"set it to tuned or faithful"* ]] || fail "the preset's complaint is unclear: $out"
