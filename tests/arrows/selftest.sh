#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# selftest.sh: one small tree per rule of arrows.awk; each violation must be reported, each lawful neighbour must pass.
set -euo pipefail
check=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/check.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 cases=0

# A lawful tree to spoil, one file at a time.
lawful() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{scripts,workloads,tests,harness/{bench,lab},variants/{axes,peers,goalloc/{os,span,gc}}}
    cd "$tree"
    printf '#include <stdint.h>\n#include "heap.h"\n' >harness/bench/workload.h
    printf '#include <benchmark/benchmark.h>\n#include "peer.h"\n' >harness/bench/bench.cc
    printf '#include "workload.h"\n#include <sys/mman.h>\n' >workloads/pair.c
    printf '#include <stddef.h>\n' >variants/peers/heap.h
    printf '#include "goalloc.h"\n#include <dlfcn.h>\n' >variants/peers/peer.h
    printf '#include <stddef.h>\n' >variants/goalloc/goalloc.h
    printf '#include "os/os.c"\n#include AXIS_PLACE\n' >variants/goalloc/goalloc.c
    printf '#include "os/os.h"\n#include <sys/mman.h>\n' >variants/goalloc/os/os.c
    printf '#include <stddef.h>\n' >variants/goalloc/os/os.h
    printf '#include "os/os.h"\n#include "span/sizeclasses.h"\n' >variants/goalloc/span/span.h
    printf '#ifndef AXIS_GC_NAME\n#error "choose"\n#endif\n' >variants/goalloc/axes.h
    printf '#include "store.h"\n#include <sqlite3.h>\n' >harness/lab/run.c
    printf 'int store_open(const char *path);\n' >harness/lab/store.h
    printf '#!/bin/sh\nset -euo pipefail\n' >scripts/count.sh
    printf '#!/bin/sh\n' >scripts/plain.sh
    cd - >/dev/null
}

# expect WHAT FILE: standard input is added to FILE of the lawful tree; WHAT (a regular expression; "" for nothing) is
# what the check must say about it.
expect() {
    local what=$1 file=$2 said status=0
    lawful
    cat >>"$tree/$file"
    said=$("$check" "$tree") || status=$?
    cases=$((cases + 1))
    if [[ -z $what && $status == 0 && -z $said ]]; then return; fi
    if [[ -n $what && $status != 0 && $said =~ ^$file:[0-9]+:\ .*$what && $said != *$'\n'* ]]; then return; fi
    failed=$((failed + 1))
    printf 'case %d (%s): expected "%s", exit %d, got:\n%s\n' "$cases" "$file" "$what" "$status" "$said"
}

# lines N TEXT: TEXT, N times
lines() {
    for ((i = 0; i < $1; i++)); do echo "$2"; done
}

include() { printf '#include %s\n' "$@"; }

# function_of N [BEFORE]: a function of N lines
function_of() {
    printf '%s\nstatic int f(int a,\n             int b) {\n' "${2:-}"
    for ((i = 0; i < $1 - 4; i++)); do echo '    if (a) { b++; } /* } */'; done
    printf '    return b;\n}\n'
}

expect '' harness/lab/run.c </dev/null
# arrows
expect 'workloads may not include harness/bench/bench.cc' workloads/pair.c < <(include '"bench.cc"')
expect 'workloads may not include variants/peers/peer.h' workloads/pair.c < <(include '"peer.h"')
expect 'workloads may not include workloads/pair.c' workloads/batch.c < <(include '"pair.c"')
expect 'libc alone, not on <jemalloc/jemalloc.h>' workloads/pair.c < <(include '<jemalloc/jemalloc.h>')
expect 'harness/lab may not include variants/peers/peer.h' harness/lab/run.c < <(include '"peer.h"')
expect 'harness/lab may not include harness/bench/workload.h' harness/lab/run.c < <(include '"../bench/workload.h"')
expect 'harness/bench may not include variants/goalloc/goalloc.h' harness/bench/bench.cc < <(include '"goalloc.h"')
expect 'variants/peers may not include harness/bench/workload.h' variants/peers/peer.h < <(include '"workload.h"')
expect 'variants/goalloc may not include variants/peers/peer.h' variants/goalloc/os/os.c < <(include '"peer.h"')
expect 'libc alone, not on <xxhash.h>' variants/goalloc/os/os.c < <(include '<xxhash.h>')
expect 'no file of the tree' harness/lab/run.c < <(include '"jansson.h"')
# layers
expect 'layer os may not include the later layer span' variants/goalloc/os/os.h < <(include '"span/span.h"')
expect 'layer os may not include the later layer span' variants/goalloc/os/os.c < <(include '"span/sizeclasses.h"')
expect 'layer goalloc may not include the later layer os' variants/goalloc/goalloc.h < <(include '"os/os.h"')
expect '' variants/goalloc/gc/mark.h < <(include '"span/span.h"' '"axes.h"' '"goalloc.h"')
# lengths
expect 'function of 81 lines' harness/lab/run.c < <(function_of 81)
expect 'function of 81 lines' tests/test_store.c < <(function_of 81)
expect '' harness/lab/run.c < <(function_of 80)
expect '' harness/lab/run.c < <(function_of 200 '/* long: one table of commands */')
expect 'function of 90 lines' harness/lab/run.c < <(function_of 85 '/* long: one table */' && function_of 90)
expect '' harness/lab/run.c < <(printf 'static const int table[] = {\n%s\n};\n' "$(lines 200 '    1,')")
expect 'file of 801 lines' harness/lab/extra.c < <(lines 801 '')
expect '' harness/lab/extra.c < <(echo '/* long file: generated once */' && lines 900 '')
# axes
expect 'conditional compilation on an axis' variants/goalloc/span/span.h < <(printf '#ifdef AXIS_TINY\n#endif\n')
expect 'conditional compilation on an axis' workloads/pair.c < <(printf '#if defined(X) && !defined(AXIS_X)\n#endif\n')
expect '' variants/goalloc/span/span.h < <(printf '#if AXIS_TINY /* layout: one more field */\n#endif\n')
# pipes
early='reader of this pipe may stop early' to='|'
expect "$early" scripts/count.sh <<<"sort x $to head -n 10"
expect "$early" scripts/count.sh <<<"sort x $to"$'\n    head -n 10'
expect "$early" scripts/count.sh <<<"sort x $to"$' \\\n    head -n 10'
expect "$early" scripts/count.sh <<<"if sort x $to grep -Fq y; then :; fi"
expect "$early" scripts/count.sh <<<"sort x $to grep -m 1 y"
expect "$early" scripts/count.sh <<<"sort x $to sed -n '3{p;q}'"
expect "$early" scripts/count.sh <<<"sort x $to awk '/y/ { print; exit }'"
expect '' scripts/count.sh <<<"sort x | awk 'NR <= 10' | grep -c y | tail -1; head -1 x; grep -q y x || exit 1"
expect '' scripts/count.sh <<<"sort x | awk 'END { exit !found }' | sed 's/a/q/'"
expect '' scripts/plain.sh <<<"sort x $to head"
expect "$early" scripts/plain.sh <<<'source "$here/common.sh"'$'\n'"sort x $to head"

echo "$((cases - failed)) of $cases cases as expected"
((failed == 0))
