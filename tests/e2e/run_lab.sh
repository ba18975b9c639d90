#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spanlab through its commands: bad input, a crash as data, kill -9 and resume, Ctrl-C, a full disk, proof, exports.
set -euo pipefail

spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
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
    sqlite3 "$1/run.sqlite" "$2"
}

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
[[ $(rows crash "SELECT count(*) FROM invocation i JOIN cell c ON c.id=i.cell_id WHERE subject='x' AND status='crash'") -ge 2 ]] ||
    fail "the crash is not in the store, or was not tried again"
[[ $(rows crash "SELECT count(*) FROM invocation i JOIN cell c ON c.id=i.cell_id WHERE subject='glibc' AND status<>'ok'") == 0 ]] ||
    fail "the other subject suffered"
[[ $(rows crash "SELECT stderr_tail FROM invocation WHERE status='crash' LIMIT 1") == *SIGABRT* ]] || fail "no stack was kept"
again=$(rows crash "SELECT reproduce FROM invocation WHERE status='crash' LIMIT 1")
if bash -c "$again" >/dev/null 2>&1; then fail "the reproducing line does not reproduce: $again"; fi
expect 0 '"error_occurred": true' "$spanlab" export crash --format=gbench

# ---- proof: a library without malloc is refused, a user's library is known by path and hash
expect 1 "exports no malloc" "$spanlab" run -m smoke -w pair -s "x:$(ldconfig -p | awk '/libm\.so\.6 .*x86-64/{print $NF; exit}')" -o proof
sed -i 's/if (++frees > 5000) abort();/(void)frees;/' crash.c
cc -shared -fPIC -O1 crash.c -o libfine.so
expect 0 "x" "$spanlab" run -m smoke -w pair -s "x:$work/libfine.so" -o user
[[ $(rows user "SELECT json_extract(record,'\$.subject.sha256') FROM invocation LIMIT 1") == $(sha256sum libfine.so | cut -d' ' -f1) ]] ||
    fail "the user's library was not hashed"

# ---- kill -9, then resume: nothing twice, nothing missing
"$spanlab" run -m smoke -w sawtooth,binary-trees,batch -s glibc,mimalloc -n 8 -o killed --seed 2 >/dev/null 2>&1 </dev/null &
pid=$!
for _ in $(seq 200); do
    [[ -e killed/run.sqlite && $(rows killed "SELECT count(*) FROM invocation" 2>/dev/null || echo 0) -ge 3 ]] && break
    sleep 0.02
done
kill -9 "$pid" 2>/dev/null || fail "the run ended before it could be killed"
wait "$pid" 2>/dev/null || true
before=$(rows killed "SELECT count(*) FROM invocation")
expect 0 "resuming killed" "$spanlab" resume killed
[[ $(rows killed "SELECT count(*) FROM planned") == $(rows killed "SELECT count(DISTINCT position) FROM invocation") ]] ||
    fail "resume left something out"
[[ $(rows killed "SELECT count(*) FROM invocation WHERE attempt=1") == $(rows killed "SELECT count(*) FROM planned") ]] ||
    fail "resume did something twice"
[[ $before -ge 3 && $(rows killed "SELECT count(*) FROM invocation WHERE session=1") -ge 3 ]] || fail "what was measured was lost"

# ---- Ctrl-C: what is there is shown, 130, and how to go on
set -m
"$spanlab" run -m smoke -w sawtooth,binary-trees,batch -s glibc,mimalloc -n 20 -o stopped --seed 3 >stopped.out 2>stopped.err </dev/null &
pid=$!
for _ in $(seq 200); do
    [[ -e stopped/run.sqlite && $(rows stopped "SELECT count(*) FROM invocation" 2>/dev/null || echo 0) -ge 3 ]] && break
    sleep 0.02
done
kill -INT "$pid"
got=0
wait "$pid" || got=$?
set +m
[[ $got == 130 ]] || fail "exit $got after Ctrl-C"
grep -q "spanlab resume stopped" stopped.err || fail "Ctrl-C does not say how to go on"
grep -q "TIME" stopped.out || fail "Ctrl-C shows no table"

# ---- a full disk: exit 4, everything measured kept
expect 4 "no room left" env SPANLAB_TEST_MAX_PAGES=60 "$spanlab" run -m smoke -o full --seed 4
[[ $(rows full "SELECT count(*) FROM invocation") -ge 1 ]] || fail "the full disk took what was measured"

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
expect 3 "apt-get install libgone1" env SPANLAB_BENCH_DIR="$work/bench" "$spanlab" run -m pair.yaml -s 'gone|size=1' --strict
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
[[ -s user/report/index.html ]] || fail "no report was drawn"
grep -q "<h2 id=\"matrix\">" user/report/index.html || fail "the report has no matrix"
if grep -qE '(src|href)="https?:' user/report/index.html; then fail "the report is not self-contained"; fi
