#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spanlab through its commands: bad input, a crash as data, kill -9 and resume, Ctrl-C, a full disk, proof, exports.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

fail() { # at once: what follows builds upon it
    printf 'run_lab: %s\n' "$*" >&2
    exit 1
}

# expect CODE TEXT COMMAND...: the exit code, and a piece of what is printed.
expect() {
    local code=$1 text=$2 got=0 out
    shift 2
    out=$("$@" 2>&1 </dev/null) || got=$?
    [[ $got == "$code" ]] || fail "exit $got instead of $code: $* : $out"
    [[ $out == *"$text"* ]] || fail "'$text' is not in what $* printed: $out"
}

rows() {
    sqlite3 -separator ' ' "$1/run.sqlite" "$2"
}

# Each start of spanlab asks every program what it has: here those two whose subjects the matrix smoke names.
only_programs manual nogc-tiny-sizeclass

# ---- bad input: one line that says what to do
expect 2 "did you mean 'larson-bench'" "$spanlab" run -m smoke -w larson-bnch
expect 2 "did you mean 'jemalloc'" "$spanlab" run -m smoke -s jemaloc
expect 2 "did you mean 'smoke'" "$spanlab" run -m smok
expect 2 "has no knob 'colour'" "$spanlab" run -m smoke -s 'glibc|colour=red'
expect 2 "no library at" "$spanlab" run -m smoke -s x:/nowhere/lib.so
expect 2 "write 90s, 30m or 2h" "$spanlab" run -m smoke -b soon
expect 2 "runs locally only" "$spanlab" run -m smoke --runner slurm
expect 2 "there is no run yet" "$spanlab" report
expect 2 "there is no format 'xml'" "$spanlab" export --format=xml
expect 2 "there is no command 'bench'" "$spanlab" bench
printf 'cells:\n  - workloads: [pair]\n    thraeds: [1]\n' >bad.yaml
expect 2 "thraeds" "$spanlab" run -m bad.yaml
printf 'cells:\n  - workloads: [pair]\n    params: sise=3\n' >bad.yaml
expect 2 "no parameter 'sise'" "$spanlab" run -m bad.yaml

# ---- a subject that crashes is a row; the others go on
cat >crash.c <<'C'
#include <stddef.h>
#include <stdlib.h>
void *__libc_malloc(size_t);
void __libc_free(void *);
static unsigned long frees;
void *malloc(size_t n) { return __libc_malloc(n); }
void free(void *p) { if (++frees > 5000) abort(); __libc_free(p); }
C
cc -shared -fPIC -O1 crash.c -o libcrash.so
expect 1 "SIGABRT" "$spanlab" run -m smoke -w pair -s "x:$work/libcrash.so,glibc" -o crash --seed 1
there=$(rows crash "SELECT subject, status, attempt, message FROM invocation i JOIN cell c ON c.id=i.cell_id")
[[ $(grep -c '^x crash ' <<<"$there") -ge 2 ]] ||
    fail "the crash of x is not in the store twice or more, as it is tried again: $there"
[[ $(grep -c '^glibc ok ' <<<"$there") == $(grep -c '^glibc ' <<<"$there") && $there == *"glibc ok "* ]] ||
    fail "the other subject, glibc, suffered: $there"
stack=$(rows crash "SELECT stderr_tail FROM invocation WHERE status='crash' LIMIT 1")
[[ $stack == *SIGABRT* ]] || fail "no stack of SIGABRT was kept, but: $stack"
again=$(rows crash "SELECT reproduce FROM invocation WHERE status='crash' LIMIT 1")
if bash -c "$again" >/dev/null 2>&1; then fail "the reproducing line does not reproduce: $again"; fi
expect 0 '"error_occurred": true' "$spanlab" export crash --format=gbench

# ---- proof: a library without malloc is refused, a user's library is known by path and hash
libm=$(ldconfig -p | awk '/libm\.so\.6 .*x86-64/ && !n++ {print $NF}')
expect 1 "exports no malloc" "$spanlab" run -m smoke -w pair -s "x:$libm" -o proof
sed -i 's/if (++frees > 5000) abort();/(void)frees;/' crash.c
cc -shared -fPIC -O1 crash.c -o libfine.so
expect 0 "x" "$spanlab" run -m smoke -w pair -s "x:$work/libfine.so" -o user
there=$(rows user "SELECT DISTINCT json_extract(record,'\$.subject.sha256') FROM invocation")
wanted=$(sha256sum libfine.so | cut -d' ' -f1)
[[ $there == "$wanted" ]] || fail "the hash of the user's library is $wanted, and the store says: $there"

# ---- a run that stands still: the fourth process says so, and waits to be killed
make_gate 3

# run_to_gate RUN: in the background as $pid, until it stands still with three processes in the store
run_to_gate() {
    local run=$1 reached='' there
    echo 0 >gate/started
    SPANLAB_BENCH_DIR=$work/gate "$spanlab" run -m smoke -w sawtooth,binary-trees,batch -s glibc,mimalloc -n 2 \
        -o "$run" --seed 2 >"$run.out" 2>"$run.err" </dev/null &
    pid=$!
    # The limit is for a run that never gets there.
    read -r -t 300 -u 5 reached || fail "$run does not start its fourth process: $(cat "$run.out" "$run.err")"
    there=$(rows "$run" "SELECT count(*) FROM invocation")
    [[ $there == 3 ]] || fail "$run: $there processes are in the store when the fourth begins, not 3: $(cat "$run.err")"
}

# ---- kill -9, then resume: nothing twice, nothing missing
run_to_gate killed
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
positions=$(rows killed "SELECT count(DISTINCT position) FROM invocation") # one less if a process was disturbed
expect 0 "resuming killed: $positions of" env SPANLAB_BENCH_DIR="$work/gate" "$spanlab" resume killed
read -r planned positions first old < <(sqlite3 -separator ' ' killed/run.sqlite "SELECT (SELECT count(*) FROM planned),
    count(DISTINCT position), sum(attempt = 1), sum(session = 1) FROM invocation")
[[ $positions == "$planned" ]] || fail "resume left something out: $planned planned, $positions positions in the store"
[[ $first == "$planned" ]] || fail "resume did something twice: $planned planned, $first first attempts"
[[ $old == 3 ]] || fail "3 processes were measured before the kill, and $old are kept"
left=$(find killed -name 'process-*')
[[ -z $left ]] || fail "resume leaves files of processes: $left"

# ---- Ctrl-C: what is there is shown, 130, and how to go on
set -m
run_to_gate stopped
kill -INT "$pid"
got=0
wait "$pid" || got=$?
set +m
[[ $got == 130 ]] || fail "exit $got instead of 130 after Ctrl-C: $(cat stopped.out stopped.err)"
there=$(rows stopped "SELECT count(*) FROM invocation")
[[ $there == 3 ]] || fail "3 processes were measured before Ctrl-C, and $there are in the store"
left=$(rows stopped "SELECT count(*) FROM planned WHERE position NOT IN (SELECT position FROM invocation)")
grep -q "$left processes are left; go on with: spanlab resume stopped" stopped.err ||
    fail "Ctrl-C does not say how to go on with the $left that are left: $(cat stopped.err)"
grep -q "TIME" stopped.out || fail "Ctrl-C shows no table: $(cat stopped.out)"

# ---- a full disk: exit 4, everything measured kept
expect 4 "no room left" env SPANLAB_TEST_MAX_PAGES=60 "$spanlab" run -m smoke -o full --seed 4
there=$(rows full "SELECT count(*) FROM invocation")
[[ $there -ge 1 ]] || fail "the full disk took what was measured: $there processes are in the store"

# ---- a missing subject: n/a with its package, or exit 3
mkdir bench
cat >bench/bench-fake <<'S'
#!/bin/sh
cat <<'J'
{"schema":1,"flavour":"manual","subjects":[{"name":"gone","summary":"","package":"libgone1","library":null,"preload":true,
"bound":false,"present":false,"knobs":[]}],"workloads":[{"name":"pair","summary":"","op":"","models":"","source":"",
"bad_for":"","params":[]}]}
J
S
chmod +x bench/bench-fake
printf 'cells:\n  - workloads: [pair]\n' >pair.yaml
expect 3 "apt-get install libgone1" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" run -m pair.yaml --strict
expect 3 "missing" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" run -m pair.yaml
expect 3 "apt-get install libgone1" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" run -m pair.yaml -s 'gone|size=1' \
    --strict
sed -i 's/"package":"libgone1"/"remedy":"make gone"/' bench/bench-fake
expect 3 "was not found; make gone" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" run -m pair.yaml --strict
# A subject is measured on what its own program has, whatever others of its flavour do.
sed 's/gone/poor/; s/"present":false/"present":true/; s/"name":"pair"/"name":"batch"/' bench/bench-fake >bench/bench-poor
chmod +x bench/bench-poor
expect 2 "nothing to measure" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" plan -m pair.yaml -s poor

# ---- exec proves, and passes the exit code on
expect 7 "" "$spanlab" exec mimalloc -- sh -c 'exit 7'
expect 0 "libmimalloc" "$spanlab" exec mimalloc -- grep -m1 -o 'libmimalloc' /proc/self/maps

# ---- exports and the page of a good run
expect 0 "metric,value,unit,better,status" "$spanlab" export user --format=csv
expect 0 "ns/op" "$spanlab" export user --format=go
page=user/report/index.html
[[ -s $page ]] || fail "no report was drawn; the run holds: $(ls -R user)"
grep -q '<h2 id="matrix">' "$page" || fail "the report has no matrix, but: $(grep -o '<h2[^>]*>' "$page")"
if grep -oE '(src|href)="https?:[^"]*' "$page" >links; then fail "the report is not self-contained: $(cat links)"; fi
