# SPDX-License-Identifier: MIT
#
# common.sh: sourced first by the scripts of this folder that work in a folder of their own: its name is $work, and it is
# gone at the end. A check that fails calls `fail` and the script goes on; it ends with `exit $failed`.
set -euo pipefail

spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

# fail WORD...: what was expected and what was there
fail() {
    failed=1
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*"
}

need_gnuplot() {
    command -v gnuplot >/dev/null || { echo "gnuplot is missing: scripts/setup.sh build installs it"; exit 1; }
}

# only_programs NAME...: spanlab asks each program what it has at each start; from here on it finds bench-NAME alone.
only_programs() {
    local name
    mkdir programs
    for name; do ln -s "$SPANLAB_BUILD/bin/bench-$name" programs/; done
    export SPANLAB_BENCH_DIR=$work/programs
}

# make_gate N: gate/bench-manual, with which the process of a run that has N before it says "reached" on descriptor 5, and
# waits to be killed. gate/started counts them, and is 0 at the beginning of a run.
make_gate() {
    mkdir gate
    mkfifo gate/reached gate/never
    cat >gate/bench-manual <<S
#!/bin/sh
case \$* in
*--spanlab-workload=*)
    read -r started <$work/gate/started
    echo \$((started + 1)) >$work/gate/started
    [ "\$started" != $1 ] || { echo reached >$work/gate/reached; read -r never <$work/gate/never; } ;;
esac
exec '$SPANLAB_BUILD/bin/bench-manual' "\$@"
S
    chmod +x gate/bench-manual
    exec 5<>gate/reached # so that no open waits for the other end
}

# own_claim SUBJECT: a claim that costs no time, on standard output
own_claim() {
    cat <<END
id: MY-01
title: two 8 B objects share a block
statement: They do.
source: this test
provenance: P1
kind: claim
class: D
published: 2
unit: objects
rule: equals
judge:
  workloads: [probe-tiny]
  subject: $1
  params: size=8,objects=1000
  figure: most_per_block
expected: REP
quote: "{value} of {published}"
END
}

# pair_cells FIELD...: a matrix, on standard output: the workload pair at smoke size, with these fields of a cell
pair_cells() {
    printf 'cells:\n  - workloads: [pair]\n    smoke: true\n'
    printf '    %s\n' "$@"
}

# make_forwarding NAME...: libNAME.so, a library of the user's whose malloc and free are libc's
make_forwarding() {
    local name
    cat >forwarding.c <<'C'
#include <stddef.h>
void *__libc_malloc(size_t);
void __libc_free(void *);
void *malloc(size_t n) { return __libc_malloc(n); }
void free(void *p) { __libc_free(p); }
C
    for name; do cc -shared -fPIC -O1 forwarding.c -o "lib$name.so"; done
}

# make_own PROGRAM: a program that brings its own allocator
make_own() {
    cc -O1 -rdynamic -fno-builtin -x c - -o "$1" <<'C'
#include <stddef.h>
static char heap[1 << 24];
static size_t at;
void *malloc(size_t n) { void *p = heap + at; at += (n + 31) & ~(size_t)31; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
int main(void) { return malloc(10) == NULL; }
C
}
