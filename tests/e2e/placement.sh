#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a policy needs beside what its builds take: the models' part of a record, the table, the page, and instructions that
# spanlab count adds. The table sets a build beside the policy that its knobs in force choose: a preset may have set them, or
# the user.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_gnuplot
only_programs manual

cat >cells.yaml <<'END'
cells:
  - workloads: [stream-jq]
    subjects: ["policy|shuffle=1"]
    invocations: 0
    memory: 1
  - workloads: [stream-jq]
    subjects: [manual-notiny-sizeclass, "manual-notiny-list|fit=best", manual-notiny-linear, "manual-notiny-linear|preset=faithful"]
    invocations: 1
    memory: 1
    iterations: 1
END
"$spanlab" run -m cells.yaml -o run --seed 1 >out 2>err </dev/null || fail "the run ends with $?: $(tail -n 3 err)"

# ---- the record

# number KEY: of the models' part
number() { sqlite3 run/run.sqlite "SELECT json_extract(record, '$.policies.$1') FROM invocation WHERE json_type(record, '$.policies') = 'object'"; }
[[ $(sqlite3 run/run.sqlite "SELECT count(*) FROM invocation WHERE json_type(record, '$.policies') = 'object'") == 1 ]] ||
    fail "policies is not of the models' process alone"
live=$(number live_bytes) allocations=$(number allocations)
[[ $live == 1819507.0 && $allocations == 27669.0 ]] || fail "the stream of jq: $live bytes live of $allocations allocations"
for policy in first next best segregated classes linear lines; do
    awk -v need="$(number ${policy}_bytes)" -v live="$live" -v ratio="$(number ${policy}_over_live)" -v mixed="$(number ${policy}_shuffled_over_live)" \
        'BEGIN { exit !(need >= live && ratio > need / live - 1e-9 && ratio < need / live + 1e-9 && mixed >= 1) }' ||
        fail "$policy: $(number ${policy}_bytes) bytes, over live $(number ${policy}_over_live), shuffled $(number ${policy}_shuffled_over_live)"
done
awk -v tau="$(number tau)" 'BEGIN { exit !(tau >= -1 && tau <= 1) }' || fail "tau is $(number tau)"

# ---- the table

# build POLICY LABEL: the figures of a line: needs, resident, instructions, ns/op
# (a policy with several builds is named on the first of their lines only)
build() { sed -n '/^POLICY AND BUILD/,/^$/p' "$3" | awk -v p="$1" -v l="$2" 'NF == 6 { policy = $1 } NF > 4 && $(NF - 3) == l && policy == p { print $(NF - 4), $(NF - 2), $(NF - 1), $NF }'; }
line_is() {
    local got
    got=$(build "$1" "$2" "$3")
    [[ $got =~ ^[1-9]\.[0-9]{3}\ [1-9]\.[0-9]{3}\ $4\ [0-9]+\.[0-9]$ ]] ||
        fail "$2 beside $1: '$got' in: $(sed -n '/^POLICY AND BUILD/,/^$/p' "$3")"
}
lines_are() {
    line_is classes manual-notiny-sizeclass "$@"
    line_is best 'manual-notiny-list|fit=best' "$@"
    line_is lines manual-notiny-linear "$@"
    line_is linear 'manual-notiny-linear|preset=faithful' "$@"
}
lines_are out n/a
for policy in first next segregated; do
    grep -Eq "^  $policy +[0-9.]+ +\(no build of it ran\)$" out || fail "$policy has no line of its own"
done
sed '/^POLICY/,$d' out >others
grep -q '^ .*policy' others && fail "times and peaks show the models, which serve nothing"
awk '/^POLICY AND BUILD/, /^$/ { if (length > 100) exit 1 }' out || fail "a line of the table has more than 100 columns"

# ---- the page

section() { sed -n '/<h2 id="placement"/,/<h2 id="fragmentation"/p' run/report/index.html; }
for text in '<svg' 'manual-notiny-linear|preset=faithful' '<td>segregated</td>'; do
    section | grep -F "$text" >/dev/null || fail "the page's section lacks $text"
done
pair_cells 'subjects: [manual-notiny-sizeclass]' 'invocations: 1' 'memory: 1' 'iterations: 1' >pair.yaml
"$spanlab" run -m pair.yaml -o pairs >out2 2>&1 </dev/null || fail "a run without models ends with $?"
grep -q 'id="placement"\|#placement' pairs/report/index.html && fail "a page without models has the section"
grep -q 'POLICY AND BUILD' out2 && fail "a run without models has the table"

# ---- instructions

# ends STATUS PATTERN COMMAND...
ends() {
    local status=$1 pattern=$2 got=0 said
    shift 2
    said=$("$@" 2>&1 </dev/null) || got=$?
    [[ $got == "$status" && $said == *"$pattern"* ]] || fail "$*: exit $got instead of $status, or no '$pattern': $said"
}
ends 2 'nowhere is not a run' "$spanlab" count nowhere
ends 2 'usage: spanlab count' "$spanlab" count run more
ends 0 'usage: spanlab count' "$spanlab" count --help
ends 3 "no parameter 'calls'" "$spanlab" count pairs
mkdir tools
for tool in /usr/bin/* /bin/*; do [[ ${tool##*/} == valgrind* ]] || ln -sf "$tool" tools/; done
ends 3 'no cell of run was counted: valgrind is not installed' env PATH="$work/tools" "$spanlab" count run
if command -v valgrind >/dev/null; then
    sed -i 's/^    subjects: \[manual.*/    subjects: [manual-notiny-sizeclass]/' cells.yaml
    "$spanlab" run -m cells.yaml -o short >/dev/null 2>&1 </dev/null || fail "the short run ends with $?"
    "$spanlab" count short >counted 2>err </dev/null || fail "count ends with $?: $(tail -n 3 err)"
    line_is classes manual-notiny-sizeclass counted '[1-9][0-9]{1,3}'
    "$spanlab" report short >/dev/null 2>&1 || fail "report after count ends with $?"
    grep -q '<td>[1-9][0-9]*</td><td>[0-9.]*</td></tr>' short/report/index.html || fail "the page has no instructions"
fi
exit $failed
