#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A process that fails counts, whatever came after it: in the store, the table, the page, every export and the exit code;
# the rest of its cell is run. Kinds: signals, exit codes, time limits, records that are not whole, other work.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

sql() {
    sqlite3 -separator ' ' "$1/run.sqlite" "$2"
}

# A library of the user's: in every third process that it serves it does what KIND says, in the warm-up (the first call of
# free after the proof) or later.
cat >third.c <<'C'
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
void *__libc_malloc(size_t);
void __libc_free(void *);
static long frees, chosen;
static void does(const char *kind) {
    const char *asked = getenv("KIND");
    if (!chosen || asked == NULL || strcmp(asked, kind) != 0)
        return;
    chosen = 0;
    if (strcmp(kind, "abort") == 0 || strcmp(kind, "late") == 0)
        abort();
    if (strcmp(kind, "fault") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(kind, "kill") == 0)
        raise(SIGKILL);
    if (strcmp(kind, "exit") == 0 || strcmp(kind, "exit-late") == 0)
        _exit(3);
    for (;;)
        pause();
}
__attribute__((constructor)) static void count(void) {
    int fd = open(getenv("COUNT"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    struct stat now;
    chosen = write(fd, "x", 1) == 1 && fstat(fd, &now) == 0 && now.st_size % 3 == 0;
    close(fd);
}
__attribute__((destructor)) static void end(void) {
    does("late");
    does("exit-late");
}
void *malloc(size_t n) { return __libc_malloc(n); }
void free(void *p) {
    frees++;
    if (frees == 2000)
        does("abort"), does("exit"), does("hang");
    if (frees == 60000)
        does("fault"), does("kill");
    __libc_free(p);
}
C
cc -shared -fPIC -O1 third.c -o libthird.so
pair_cells 'invocations: 4' 'memory: 2' 'iterations: 2' 'timeout: 60' >cells.yaml
sed 's/invocations: 4/invocations: 3/; s/memory: 2/memory: 1/; s/60/5/' cells.yaml >few-cells.yaml
only_programs manual
export COUNT=$work/count

# measure KIND SUBJECTS [MATRIX]: a run of that name, in which some process of a subject fails
measure() {
    local kind=$1 got=0
    rm -f "$COUNT"
    KIND=$kind "$spanlab" run -m "${3-cells.yaml}" -s "$2" -o "$kind" --seed 1 >"$kind.out" 2>"$kind.err" </dev/null || got=$?
    [[ $got == 1 ]] || fail "$kind: the run ends with $got, not 1: $(tail -n 3 "$kind.err")"
    got=$(sql "$kind" "SELECT count(*) FROM planned WHERE position NOT IN (SELECT position FROM invocation)")
    [[ $got == 0 ]] || fail "$kind: $got processes were left out"
}

# shown KIND SUBJECT STATUS: every place tells how many processes failed, and the subject's other figures carry a mark
shown() {
    local run=$1 subject=$2 status=$3 bad all got
    bad=$(sql "$run" "SELECT count(*) FROM invocation WHERE status <> 'ok'")
    all=$(sql "$run" "SELECT count(*) FROM invocation i JOIN cell c ON c.id = cell_id WHERE subject = '$subject'")
    got=$(sql "$run" "SELECT group_concat(DISTINCT status) FROM invocation WHERE status <> 'ok'")
    [[ $bad -ge 1 && $got == "$status" ]] || fail "$run: one or more processes were to be '$status', and the store has $bad: '$got'"
    grep -q " $bad failed$" "$run.out" || fail "$run: the table does not say '$bad failed': $(grep '^Run' "$run.out")"
    grep -q "^FAILED  $subject pair: $bad of $all processes; $status: " "$run.out" ||
        fail "$run: no line 'FAILED $subject pair: $bad of $all processes; $status': $(cat "$run.out")"
    grep -A 1 '^TIME' "$run.out" | grep '^pair .*!' >mark || fail "$run: the row of the table has no mark: $(cat "$run.out")"
    "$spanlab" report "$run" >again.out
    diff "$run.out" <(sed '$d' again.out) || fail "$run: report shows something else"
    grep -q "$bad of $all processes FAILED" "$run/report/index.html" || fail "$run: the page's matrix does not tell of $bad of $all"
    grep -q "<li>FAILED $subject pair: $bad of $all processes" "$run/report/index.html" || fail "$run: the page's list does not"
    "$spanlab" export "$run" --format=csv >csv
    got=$(awk -F, -v s="$subject" 'NR > 1 && $4 == s && $(NF - 6) != '"$bad" csv)
    [[ -z $got ]] || fail "$run: lines of the CSV do not say that $bad failed: $got"
    got=$(awk -F, -v s="$subject" '$4 == s && $NF == "ok"' csv)
    [[ -z $got ]] || fail "$run: lines of the CSV say ok: $got"
    got=$(awk -F, -v s="$subject" -v status="$status" '$4 == s && $NF == status' csv | grep -c '')
    [[ $got == "$bad" ]] || fail "$run: $got lines of the CSV tell of a process that is '$status', not $bad"
    got=$("$spanlab" export "$run" --format=gbench | grep -c '"error_occurred": true')
    [[ $got == "$bad" ]] || fail "$run: $got entries of gbench are errors, not $bad"
    "$spanlab" export "$run" --format=go >go
    grep -q "alloc=$subject.*	$bad failed-processes$" go || fail "$run: no '$bad failed-processes' in Go's format: $(cat go)"
    got=0
    "$spanlab" resume "$run" >again.out 2>again.err </dev/null || got=$?
    [[ $got == 1 ]] || fail "$run: resume ends with $got, not 1, though nothing was measured anew: $(cat again.err)"
}

while read -r kind status; do
    # A process that hangs costs its whole limit.
    if [[ $kind == hang ]]; then matrix=few-cells.yaml; else matrix=cells.yaml; fi
    measure "$kind" "x:$work/libthird.so,glibc" $matrix
    shown "$kind" x "$status"
    others=$("$spanlab" export "$kind" --format=csv | awk -F, '$4 == "glibc" && ($(NF - 6) != 0 || $NF ~ /flaky|failed|crash/)')
    [[ -z $others ]] || fail "$kind: glibc is marked: $others"
done <<'END'
abort crash
fault crash
late crash
kill oom
exit failed
exit-late failed
hang timeout
END

# ---- a cell in which everything fails
sed 's/now.st_size % 3 == 0/1/' third.c >every.c
cc -shared -fPIC -O1 every.c -o libevery.so
rm -f "$COUNT"
got=0
KIND=exit "$spanlab" run -m cells.yaml -s "y:$work/libevery.so" -o every >every.out 2>every.err </dev/null || got=$?
[[ $got == 1 ]] || fail "every: exit $got instead of 1"
read -r planned rows < <(sql every "SELECT (SELECT count(*) FROM planned), count(*) FROM invocation WHERE status = 'failed'")
[[ $rows == "$planned" ]] || fail "every: $rows of $planned processes are in the store as failed"
grep -q "^pair  *FAILED" every.out || fail "every: the table has no FAILED: $(cat every.out)"

# ---- where everything runs into its time limit, each further process would cost all of it: left out, and said
sed 's/timeout: 5/timeout: 1/; s/memory: 1/memory: 0/' few-cells.yaml >hang-cells.yaml
got=0
KIND=hang "$spanlab" run -m hang-cells.yaml -s "y:$work/libevery.so" -o hopeless >hopeless.out 2>hopeless.err </dev/null || got=$?
[[ $got == 1 ]] || fail "hopeless: exit $got instead of 1"
got=$(sql hopeless "SELECT count(DISTINCT position) || ' ' || count(*) || ' ' || group_concat(DISTINCT status) FROM invocation")
[[ $got == '2 4 timeout' ]] || fail "hopeless: positions, processes and their status are '$got', not '2 4 timeout'"
grep -q '^1 planned processes are left out' hopeless.err || fail "hopeless: nothing says that one is left out: $(cat hopeless.err)"
grep -q '^Run hopeless: 2 of 3 processes, 0 disturbed, 4 failed$' hopeless.out || fail "hopeless: $(grep '^Run' hopeless.out)"

# ---- what a process wrote: cut, no JSON, of another shape, without its samples, of other work
mkdir edited
cat >edited/bench-manual <<S
#!/usr/bin/env bash
'$SPANLAB_BUILD/bin/bench-manual' "\$@" || exit
for word; do case \$word in --spanlab-result=*) record=\${word#*=} ;; --spanlab-expect=*) subject=\${word#*=} ;; esac; done
[[ \${record-} && \$subject == mimalloc ]] || exit 0
echo >>"\$COUNT"
(( \$(wc -l <"\$COUNT") % 3 == 0 )) || exit 0
case \$KIND in
cut) truncate -s 200 "\$record" ;;
words) echo "all went well" >"\$record" ;;
list) echo '[1, 2]' >"\$record" ;;
bare) echo '{"schema": 1, "status": "ok"}' >"\$record" ;;
other-type) sed -i 's/"wall_ns":[0-9]*/"wall_ns":"1"/' "\$record" ;;
unproved) sed -i 's/"proof":{"ok":true/"proof":{"ok":false/' "\$record" ;;
fewer) sed -i 's/"samples":\[{[^}]*},/"samples":[/' "\$record" ;;
newer) sed -i 's/"schema":1/"schema":2/' "\$record" ;;
none) rm "\$record" ;;
work) sed -i 's/"checksum":"[0-9a-f]/"checksum":"z/' "\$record" ;;
abort) kill -ABRT \$\$ ;;
esac
S
chmod +x edited/bench-manual
export SPANLAB_BENCH_DIR=$work/edited
sed -i 's/iterations: 2/iterations: 2\n    warmup: 0/' cells.yaml
for kind in cut words list bare other-type unproved fewer newer none; do
    measure "$kind" glibc,mimalloc
    shown "$kind" mimalloc failed
done
measure work glibc,mimalloc
grep -q "1 cells invalid$" work.out || fail "work: the table does not say that a cell is invalid: $(cat work.out)"
grep -q "^pair .*INVALID" work.out || fail "work: the row is not marked: $(cat work.out)"
got=$("$spanlab" export work --format=csv | awk -F, '$4 == "mimalloc" && $NF != "invalid"')
[[ -z $got ]] || fail "work: lines of the CSV are not invalid: $got"
got=$("$spanlab" export work --format=go)
[[ $got == *"alloc=mimalloc"*"1 invalid-cells"* ]] || fail "work: nothing of it in Go's format: $got"

# ---- a claim whose figure is of those that survived decides nothing
mkdir claims
own_claim mimalloc >claims/MY-01.yaml
claim() { "$spanlab" claims --claims claims --verdicts verdicts run "$@" 2>claim.err || got=$?; }
got=0
rm -f "$COUNT"
claim -o sound >claim.out
[[ $got == 0 ]] || fail "a claim of sound processes ends with $got: $(cat claim.out claim.err)"
grep -q 'MY-01 .*REPRODUCED' claim.out || fail "a claim of sound processes is not reproduced: $(cat claim.out)"
got=0
printf '\n\n' >"$COUNT" # so that the first process is the third
KIND=abort claim -o unsound >claim.out
[[ $got == 1 ]] || fail "a claim with a crash ends with $got, not 1: $(cat claim.out claim.err)"
grep -q 'MY-01 .*INCONCLUSIVE' claim.out && grep -q '1 of 3 processes of mimalloc on probe-tiny failed' claim.out ||
    fail "a claim with a crash is decided: $(cat claim.out)"
# ---- a test program that dies after some tests decides nothing
cat >edited/test_dies <<'S'
#!/bin/sh
echo '[       OK ] first_test'
kill -ABRT $$
S
chmod +x edited/test_dies
sed -i 's/kind: claim/kind: conformance/; /^judge/,/figure/d; /^quote/d' claims/MY-01.yaml
sed -i 's/published: 2/published: 1/; s/unit: objects/unit: test/' claims/MY-01.yaml
printf 'judge:\n  check:\n    program: test_dies\n  figure: passed\n' >>claims/MY-01.yaml
got=0
claim -o dies >claim.out
[[ $got == 1 ]] && grep -q 'n/a: test_dies died by SIGABRT' claim.out || fail "a check that dies ends with $got, not 1: $(cat claim.out claim.err)"

# ---- records of claims that cannot be read: told, and no table is written without them
mkdir -p verdicts
for content in 'no JSON' '[1]' '{"id": "MY-01"}' ''; do
    printf '%s' "$content" >verdicts/MY-01.json
    printf 'a\n<!-- claims: written by spanlab claims report --write README.md -->\nold\n<!-- end of claims -->\nb\n' >table.md
    for words in list 'show MY-01' report 'report --write table.md'; do
        got=0
        # shellcheck disable=SC2086 # words are words
        "$spanlab" claims --claims claims --verdicts verdicts $words >claim.out 2>claim.err || got=$?
        [[ $got == 2 ]] && grep -q 'is no record of a claim' claim.err ||
            fail "claims $words with '$content' as a record ends with $got, not 2: $(cat claim.err)"
    done
    grep -q '^old$' table.md || fail "a table is written without what '$content' was to say: $(cat table.md)"
done
exit $failed
