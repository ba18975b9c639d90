#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A run's store and files: what is damaged, older, newer or not there is told, and never taken for a run; a good page stays
# until a whole one is there; one process writes; what the disk or a limit did is not blamed on a subject.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_gnuplot

# expect CODE TEXT COMMAND...: the exit code, and a piece of the one line on stderr; standard output goes to `out`
expect() {
    local code=$1 text=$2 got=0
    shift 2
    "$@" >out 2>err </dev/null || got=$?
    [[ $got == "$code" ]] || fail "exit $got instead of $code: $* : $(cat err)"
    [[ $(cat err) == *"$text"* ]] || fail "'$text' is not in what $* said: $(cat err)"
    [[ $(grep -c '^spanlab: ' err) -le 1 ]] || fail "$* said more than one line: $(cat err)"
}

sql() {
    sqlite3 "$1/run.sqlite" "$2"
}

only_programs manual
cat >cells.yaml <<'Y'
cells:
  - workloads: [pair, batch]
    smoke: true
    invocations: 2
    memory: 1
    iterations: 2
  - workloads: [sawtooth]
    params: peak=1310720,teeth=2
    invocations: 1
    memory: 1
    iterations: 1
    warmup: 0
Y
"$spanlab" run -m cells.yaml -s glibc,mimalloc -o good --seed 1 >good.out 2>&1 </dev/null || fail "no run to begin with: $(cat good.out)"
page=good/report/index.html
grep -q '<svg' $page || fail "no page with drawings to begin with: $(ls -R good)"

# ---- what is no whole run: no command shows it, none takes its page away, resume does not go on
# refused NAME TEXT: of the run in that folder
refused() {
    local run=$1 text=$2
    mkdir -p "$run/report"
    echo 'a good page' >"$run/report/index.html"
    expect 2 "$text" "$spanlab" report "$run"
    [[ ! -s out ]] || fail "$run: report prints something: $(cat out)"
    for format in csv gbench go; do
        echo kept >kept
        expect 2 "$text" "$spanlab" export "$run" --format=$format -o kept
        [[ $(cat kept) == kept && ! -s out ]] || fail "$run: export to $format writes something: $(cat kept out)"
    done
    expect 2 "$text" "$spanlab" resume "$run"
    [[ $(cat "$run/report/index.html") == 'a good page' ]] || fail "$run: the good page is gone"
}
# damage NAME TEXT COMMAND...: the command is run in a copy's folder
damage() {
    local run=$1 text=$2
    shift 2
    cp -r good "$run"
    (cd "$run" && "$@")
    refused "$run" "$text"
}
overwrite() { # FROM COUNT: bytes of the database
    head -c "$2" /dev/urandom | dd of=run.sqlite bs=1 seek="$1" conv=notrunc status=none
}
size=$(stat -c %s good/run.sqlite)
damage cut 'damaged' truncate -s $((size / 2)) run.sqlite
damage cut-odd 'damaged' truncate -s $((size - 100)) run.sqlite
damage cut-head 'damaged' truncate -s 50 run.sqlite
damage empty 'is empty' truncate -s 0 run.sqlite
damage head 'damaged' overwrite 0 100
damage pages 'damaged' overwrite 4096 $((size - 4096))
damage text 'damaged' bash -c 'echo "this is no database, but a text of some length" >run.sqlite'
damage folder 'no file' bash -c 'rm run.sqlite && mkdir run.sqlite'
damage gone 'is not a run' rm run.sqlite
for table in meta cell planned invocation sample absent; do
    damage "no-$table" "has no table $table" sqlite3 run.sqlite "DROP TABLE $table"
done
damage no-column 'no such column: record' sqlite3 run.sqlite 'ALTER TABLE invocation DROP COLUMN record'
damage no-rows 'never begun' sqlite3 run.sqlite 'DELETE FROM sample; DELETE FROM invocation; DELETE FROM planned; DELETE FROM cell'
damage no-facts 'never begun' sqlite3 run.sqlite 'DELETE FROM meta'
damage orphans 'do not belong together' sqlite3 run.sqlite 'UPDATE invocation SET cell_id = 77 WHERE id = 1'
damage newer 'newer spanlab' sqlite3 run.sqlite 'PRAGMA user_version = 99'
damage newer-fact 'newer spanlab' sqlite3 run.sqlite "UPDATE meta SET value = '3' WHERE key = 'schema_version'"
damage other-base 'has no table' bash -c 'rm run.sqlite && sqlite3 run.sqlite "CREATE TABLE t (a)"'
cp -r good index
root=$(sqlite3 good/run.sqlite "SELECT rootpage FROM sqlite_schema WHERE name = 'invocation_attempt'")
(cd index && overwrite $(((root - 1) * $(sql . 'PRAGMA page_size') + 8)) 60)
refused index 'damaged'

# ---- records that cannot be read count as failed, and the command says so
# unread NAME SQL: an expression in place of record 1
unread() {
    cp -r good "$1"
    sql "$1" "UPDATE invocation SET record = $2 WHERE id = 1"
    expect 1 '1 records of' "$spanlab" report "$1"
    [[ $(cat out) == *', 1 failed'* && $(cat out) == *'FAILED'*'1 of'*'damaged'* ]] || fail "$1: the table does not tell: $(cat out)"
    expect 1 '1 records of' "$spanlab" export "$1" --format=csv
    [[ $(grep -c ',damaged$' out) == 1 ]] || fail "$1: the CSV does not tell: $(grep -v ',ok$' out)"
}
unread words "'no JSON'"
unread half 'substr(record, 1, 300)'
unread nothing "''"
unread list "'[1]'"
expect 1 '1 records of' "$spanlab" resume words
unread other-shape "json_set(record, '\$.samples', 'none')"

# ---- facts without which resume would measure something else
for fact in "seed|12a" "seed|" "binaries|{}" "binaries|no JSON" "host_identity|another"; do
    rm -rf facts
    cp -r good facts
    sql facts "UPDATE meta SET value = '${fact#*|}' WHERE key = '${fact%|*}'; DELETE FROM sample; DELETE FROM invocation"
    expect 2 'begin a new run' "$spanlab" resume facts
    [[ $(sql facts 'SELECT count(*) FROM invocation') == 0 ]] || fail "resume measures with $fact"
done

# ---- an older run is brought to this version by resume; showing it does not change it
cp -r good old
sql old "DROP INDEX invocation_attempt; DROP INDEX invocation_cell; PRAGMA user_version = 0;
    UPDATE meta SET value = '1' WHERE key = 'schema_version'; ALTER TABLE invocation DROP COLUMN peak_bytes;
    INSERT INTO invocation (position, cell_id, mode, number, session, started_at, wall_ns, status, reproduce, disturbed,
    disturbance, layout, checksum, record) SELECT position, cell_id, mode, number, session, started_at, wall_ns, status,
    reproduce, disturbed, disturbance, layout, checksum, record FROM invocation WHERE id = 1"
before=$(sha256sum <old/run.sqlite)
expect 0 '' "$spanlab" report old
[[ $(grep '^Run' out) == "$(grep '^Run' good.out)" ]] || fail "an older run is shown as $(grep '^Run' out)"
[[ $(sha256sum <old/run.sqlite) == "$before" ]] || fail "report changes an older run"
expect 0 'resuming old' "$spanlab" resume old
got=$(sql old "SELECT (SELECT user_version FROM pragma_user_version) || ' ' || value FROM meta WHERE key = 'schema_version'")
[[ $got == '2 2' ]] || fail "resume leaves an older run at version $got"
got=$(sql old "SELECT count(*) || ' ' || count(DISTINCT attempt) FROM invocation WHERE position = (SELECT position FROM invocation WHERE id = 1)")
[[ ${got% *} -ge 2 && ${got% *} == "${got#* }" ]] || fail "rows and attempts of a position that was measured twice: $got"

# ---- a folder that cannot be written: shown, not changed; the page is refused
if [[ $(id -u) == 0 ]] && command -v setpriv >/dev/null; then as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups); else as_other=(env); fi
cp -r good fixed
chmod -R a-w,a+rX fixed
chmod a+x .
if "${as_other[@]}" test -x "$spanlab" -a -r "$work/fixed/run.sqlite" && ! "${as_other[@]}" test -w fixed; then
    expect 0 '' "${as_other[@]}" env SPANLAB_BENCH_DIR="$SPANLAB_BENCH_DIR" "$spanlab" export fixed --format=csv
    cmp -s out <("$spanlab" export good --format=csv) || fail "a run that cannot be written is exported otherwise"
    expect 4 'cannot write' "${as_other[@]}" "$spanlab" report fixed
    [[ $(cat out) == *"$(grep '^Run' good.out)"* ]] || fail "a run that cannot be written is shown as: $(cat out)"
    cmp "$page" fixed/report/index.html || fail "the page changed"
    expect 4 'cannot write in fixed' "${as_other[@]}" "$spanlab" resume fixed
    # of an earlier spanlab, which left the database in the mode that needs a log
    chmod -R u+w fixed
    [[ $(sql fixed 'PRAGMA journal_mode = WAL') == wal ]] || fail "no database in WAL mode"
    chmod -R a-w fixed
    expect 0 '' "${as_other[@]}" env SPANLAB_BENCH_DIR="$SPANLAB_BENCH_DIR" "$spanlab" export fixed --format=csv
    cmp -s out <("$spanlab" export good --format=csv) || fail "a run in WAL mode that cannot be written is exported otherwise"
fi
chmod -R u+w fixed

# ---- a good page until there is a whole one; limits of a file's size; folders for temporary files
sum=$(sha256sum <$page)
same_page() { [[ $(sha256sum <$page) == "$sum" && -z $(find good -name '*.part-*') ]] || fail "$1: the page is not the one that was there: $(ls -a good/report)"; }
expect 4 'cannot write' bash -c "ulimit -f $(($(stat -c %s $page) / 2048)); exec '$spanlab' report good"
same_page 'ulimit -f'
echo kept >kept
expect 4 'cannot write' bash -c "ulimit -f 1; exec '$spanlab' export good --format=gbench -o kept"
[[ $(cat kept) == kept ]] || fail "an export that could not be finished is in the place of a good one"
expect 4 'set TMPDIR' env TMPDIR="$work/nowhere" "$spanlab" report good
same_page TMPDIR
mkdir mine
mkdir asked
printf '#!/bin/sh\necho "$1" >>%s\nexec %s "$@"\n' "$work/asked/for" "$(command -v gnuplot)" >asked/gnuplot
chmod +x asked/gnuplot
expect 0 '' env TMPDIR="$work/mine" PATH="$work/asked:$PATH" "$spanlab" report good
if grep -v "^$work/mine/spanlab-" asked/for; then fail "a temporary file is not in TMPDIR"; fi
[[ -z $(ls -A mine) ]] || fail "report leaves files in TMPDIR: $(ls mine)"
sum=$(sha256sum <$page)
mkdir without-gnuplot
printf '#!/bin/sh\nexit 1\n' >without-gnuplot/gnuplot
chmod +x without-gnuplot/gnuplot
expect 3 'gnuplot' env PATH="$work/without-gnuplot:$PATH" "$spanlab" report good
same_page gnuplot
expect 4 'set TMPDIR' env TMPDIR="$work/nowhere" "$spanlab" heapmap -m smoke -w pair -s manual-tiny-sizeclass

# ---- standard output that cannot be written: the exit code says so, whatever prints
for words in list 'plan -s glibc' 'plan -m smoke -s glibc' doctor --help --version 'list --help' 'run --help' 'report good' 'export good --format=csv' \
    'explain pair' 'explain smoke' 'explain glibc' 'run -m smoke -s glibc --dry-run'; do
    got=0
    # shellcheck disable=SC2086 # words are words
    "$spanlab" $words >/dev/full 2>err </dev/null || got=$?
    [[ $got == 4 || ( $words == doctor && $got == 3 ) ]] || fail "$words into a full file: exit $got instead of 4: $(cat err)"
    [[ $(grep -c 'cannot write standard output' err) == 1 ]] || fail "$words into a full file: $(cat err)"
done
got=0
"$spanlab" export good --format=csv >&- 2>err || got=$?
[[ $got == 4 ]] || fail "export into a closed output: exit $got: $(cat err)"
got=0
"$spanlab" run -m smoke -w pair -s glibc -o noted --seed 1 >/dev/full 2>err </dev/null || got=$?
[[ $got == 4 && -s noted/report/index.html ]] || fail "a run whose table cannot be printed: exit $got: $(cat err)"
got=0
{ "$spanlab" list || echo $? >code; } | true
[[ ! -e code ]] || fail "a reader that has gone makes list fail: $(cat code)"

# ---- one process writes a run; a lock does not outlive its holder
make_gate 1
# to_gate COMMAND...: in the background as $pid, until its second process stands still
to_gate() {
    echo 0 >gate/started
    SPANLAB_BENCH_DIR=$work/gate "$@" >gate.out 2>gate.err </dev/null &
    pid=$!
    read -r -t 300 -u 5 _ || { fail "$* does not get to its second process: $(cat gate.err)"; exit 1; }
}
export -n SPANLAB_BENCH_DIR
begin=("$spanlab" run -m smoke -w pair,batch -s glibc -n 2 -o locked --seed 1)
to_gate "${begin[@]}"
expect 2 'is being measured by another spanlab' env SPANLAB_BENCH_DIR="$work/gate" "$spanlab" resume locked
[[ $(cat err) == *"(process $pid)"* ]] || fail "the line does not name process $pid: $(cat err)"
expect 2 'is being measured by another spanlab' env SPANLAB_BENCH_DIR="$work/gate" "${begin[@]}"
expect 0 '' "$spanlab" report locked
[[ $(cat out) == *'Run locked: 1 of '* ]] || fail "a run that goes on is shown as: $(cat out)"
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
to_gate "$spanlab" resume locked
expect 2 'is being measured by another spanlab' env SPANLAB_BENCH_DIR="$work/gate" "$spanlab" resume locked
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
expect 0 'resuming locked' env SPANLAB_BENCH_DIR="$work/gate" "$spanlab" resume locked
got=$(sql locked "SELECT (count(*) - count(DISTINCT position || ' ' || attempt)) || ' ' || (SELECT count(*) FROM planned WHERE position NOT IN
    (SELECT position FROM invocation)) FROM invocation")
[[ $got == '0 0' ]] || fail "duplicates and processes left out: $got"
[[ ! -e locked/lock ]] || fail "a lock is left behind"
export SPANLAB_BENCH_DIR=$work/programs
expect 2 'holds a run already' "$spanlab" run -m smoke -w pair -s glibc -o good

# ---- the disk or a limit fails during a process: exit 4, not the subject's fault, measured again by resume
mkdir poor
cat >poor/bench-manual <<S
#!/usr/bin/env bash
for word; do case \$word in --spanlab-result=*) record=\${word#*=} ;; esac; done
if [[ \${record-} && -e $work/poor/now ]]; then
    case \$(cat $work/poor/now) in
    limit) ulimit -f 1; exec '$SPANLAB_BUILD/bin/bench-manual' "\$@" ;;
    full) exec '$SPANLAB_BUILD/bin/bench-manual' "\${@/--spanlab-result=*/--spanlab-result=/dev/full}" ;;
    esac
fi
exec '$SPANLAB_BUILD/bin/bench-manual' "\$@"
S
chmod +x poor/bench-manual
export SPANLAB_BENCH_DIR=$work/poor
for what in limit full; do
    echo $what >poor/now
    expect 4 'everything measured before is kept' "$spanlab" run -m smoke -w pair,batch -s glibc -o "poor-$what" --seed 1
    got=$(sql "poor-$what" "SELECT count(*) FROM invocation")
    [[ $got == 0 ]] || fail "$what: $got processes are blamed: $(sql "poor-$what" 'SELECT status, message FROM invocation')"
    rm poor/now
    expect 0 'resuming' "$spanlab" resume "poor-$what"
    [[ $(cat out) == *' 0 failed'* ]] || fail "$what: $(cat out)"
done
export SPANLAB_BENCH_DIR=$work/programs
for blocks in 1 40; do # of 1 KiB: not enough for the tables; for the plan, but not for all results
    expect 4 '' bash -c "ulimit -f $blocks; exec '$spanlab' run -m smoke -w pair,batch -s glibc,mimalloc -n 4 -o limited-$blocks --seed 1"
    if [[ -e limited-$blocks/run.sqlite ]]; then
        expect 0 'resuming' "$spanlab" resume "limited-$blocks"
    else
        expect 0 '' "$spanlab" run -m smoke -w pair -s glibc -o "limited-$blocks"
    fi
    [[ $(cat out) == *' 0 failed'* ]] || fail "ulimit -f $blocks: $(cat out)"
done
exit $failed
