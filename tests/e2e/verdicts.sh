#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a verdict rests on: the floor of the two sides, undisturbed processes; and the order of the columns. The times are
# put into the store, so that what has to come out is known.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_gnuplot
only_programs manual
make_forwarding fine
pair_cells 'invocations: 10' 'iterations: 1' 'warmup: 0' >cells.yaml
users=
for name in wild fast busy calm; do users+="$name:$work/libfine.so,"; done
"$spanlab" run -m cells.yaml -s "${users}glibc,null" -o run --seed 1 >out 2>err </dev/null || fail "the run ends with $?: $(cat err)"

# times SUBJECT STEP MS DISTURBED: its ten times lie STEP ms apart around MS; so many of the ten are disturbed
times() {
    sqlite3 run/run.sqlite "
        UPDATE invocation SET disturbed = number <= $4,
            record = json_set(record, '\$.samples[0].wall_ns', 1000000 * ($3 + $2 * (number * 7 % 11 - 5)),
                                      '\$.disturbance.runqueue_ns', CASE WHEN number <= $4 THEN 900000000 ELSE 0 END,
                                      '\$.disturbance.steal_ns', 0)
        WHERE cell_id IN (SELECT id FROM cell WHERE subject = '$1')" || fail "the store takes no times of $1"
}
times glibc 2 1000 0
times fast 2 900 0 # 10 % faster, five times as much as either side differs from itself
times wild 60 1000 0
times null 60 400 0
times busy 2 700 4
times calm 2 700 3
"$spanlab" report run >out 2>err || fail "report ends with $?: $(cat err)"
row=$(sed -n '/^TIME/,/^$/p' out | sed -n 's/^pair *//p')
names=$(sed -n '/^TIME/p' out | sed 's/^TIME, lower is better *//; s/  */ /g')
[[ $names == 'glibc wild fast busy calm null' ]] || fail "the columns are '$names', not glibc and then what was asked for, in its order"
marks=$(sed 's/+-[0-9?]*%\{0,1\}/&_/g; s/  */ /g' <<<"$row" | tr ' ' '\n' | sed -n 's/.*_//p' | tr '\n' ',')
[[ $marks == ',~,+,d,+,~,' ]] || fail "the marks of glibc, wild, fast, busy, calm and null are '$marks', not ',~,+,d,+,~,': $row"
grep -q 'Disturbed: .* 7 processes .*: 7 waited$' out || fail "the table does not say what disturbed 7 processes: $(cat out)"
grep -q '^d: no verdict' out || fail "the table does not explain its 'd': $(cat out)"
page=run/report/index.html
grep -q 'no verdict: disturbed' $page || fail "the page does not say that a cell was disturbed"
grep -q '7 waited for a processor, 0 lost time' $page || fail "the page does not say what disturbed"
# The floor of fast against glibc is theirs: below 2 %. That of wild is above 20 %.
floors=$(grep -o 'floor [0-9]*' $page | sort -u | tr '\n' ' ')
grep -q '0.90 .* faster.*floor [01][.]' $page || fail "the floor of what is steady is not below 2 %: $floors"
grep -q '1.03 .* ~.*floor [2-9][0-9][.]' $page || fail "the floor of what is not is below 20 %: $floors"

# A sweep stays in the order that was asked for.
"$spanlab" run -m cells.yaml -n 1 -s 'manual-tiny-list|split=32,manual-tiny-list|split=128,manual-tiny-list|split=16' -o sweep \
    >out 2>err </dev/null || fail "the sweep ends with $?: $(cat err)"
names=$(grep -o 'split=[0-9]*' <(sed -n '1,/^pair/p' out) | tr '\n' ' ')
[[ $names == 'split=32 split=128 split=16 ' ]] || fail "the columns of the sweep are '$names'"
got=$(sed -n '/^TIME/,/^$/p' out | sed -n 's/^pair *//p' | awk '{ print $1 }')
[[ $got == *s ]] || fail "the first column, of a run without glibc, is no time but '$got'"
exit $failed
