#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spanlab claims: every claim is sound and the README's table is up to date; a wrong file is named with what is wrong; a
# claim is measured, recorded and compared with its record; a changed build must flip a verdict.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$SPANLAB_SOURCE"

# expect STATUS PATTERN COMMAND...: exit status, and a line that both streams together must hold
expect() {
    local status=$1 pattern=$2 got=0 said
    shift 2
    said=$("$@" 2>&1) || got=$?
    [[ $got == "$status" ]] && grep -q -- "$pattern" <<<"$said" && return
    failed=1
    printf 'claims: exit %d instead of %d, or no "%s": %s\n%s\n' "$got" "$status" "$pattern" "$*" "$said"
}

files=(results/claims/*.yaml)
expect 0 "^${#files[@]} claims:" "$spanlab" claims list
expect 0 'classes found from 17 B' "$spanlab" claims show ART-05
expect 2 "did you mean 'TC-01b'? spanlab claims list" "$spanlab" claims show TC-01bb
expect 2 "there is no spanlab claims 'lst'" "$spanlab" claims lst
expect 0 '' "$spanlab" claims report --check README.md
sed '/^| GT-16 /d' README.md >"$work/stale.md"
expect 5 'is stale: spanlab claims report --write' "$spanlab" claims report --check "$work/stale.md"
expect 0 '' "$spanlab" claims report --write "$work/stale.md"
cmp README.md "$work/stale.md" || failed=1
# A change of the sources that a mutation no longer finds its line in is noticed here, not by what builds them all.
expect 0 'mutations find their text' scripts/claims-mutants.sh --check
shopt -s nullglob
for verdict in results/verdicts/*.json; do
    [[ -f results/claims/$(basename "$verdict" .json).yaml ]] || { failed=1; echo "claims: $verdict is of no claim"; }
done

# Each start asks all bench programs what there is: the claims below need three. Programs of the tests lie beside them.
mkdir "$work/build" "$work/build/bin"
ln -s "$SPANLAB_BUILD/lib" "$work/build/lib"
cp "$SPANLAB_BUILD"/bin/{bench-manual,bench-greentea-tiny-sizeclass,test_pacer} "$work/build/bin/"
export SPANLAB_BENCH_DIR=$work/build/bin

# A claim of our own, which costs no time.
mine=$work/claims
mkdir "$mine"
{ own_claim manual-tiny-sizeclass && printf 'mutation:\n  subject: glibc\n'; } >"$mine/MY-01.yaml"
run() { "$spanlab" claims --claims "$mine" --verdicts "$work/verdicts" "$@"; }
expect 0 'MY-01 .* 2 objects .* 2  REPRODUCED' run run -o "$work/run1"
expect 0 'UNTESTED' run list
expect 0 '1 claims: 1 REPRODUCED' run run --record -o "$work/run2"
expect 0 'to quote  2 of 2' run show MY-01
expect 0 'MY-01 .* REPRODUCED' run list
expect 0 '^1 of 1 mutations flip' run run --mutate -o "$work/run3"
# Two at a time; a verdict that another process finds changed is found changed. Claims of the same processes are measured
# by one, which this one's parameter prevents.
sed -e 's/^id: .*/id: MY-06/' -e 's/objects=1000/objects=1001/' "$mine/MY-01.yaml" >"$mine/MY-06.yaml"
expect 0 '^2 claims: 2 REPRODUCED' run run --record --jobs 2 -o "$work/run12"
# Both processes have measured something, though no seconds are recorded of one of the claims.
parts_measured() { for part in 1 2; do [[ -e $1-part$part/run.sqlite ]] || { failed=1; echo "claims: $1: nothing in part $part"; }; done; }
parts_measured "$work/run12"
sed -i 's/"REPRODUCED"/"REFUTED"/' "$work/verdicts/MY-06.json"
expect 5 'MY-06: REPRODUCED, and REFUTED is recorded' run run --jobs 2 -o "$work/run13"
sed -i 's/^class: .*/class: N/; /^mutation/,$d' "$mine/MY-06.yaml"
expect 2 'MY-06 is of class N, which others would disturb' run run --jobs 2 -o "$work/run14"
rm "$mine/MY-06.yaml" "$work/verdicts/MY-06.json"
# With the mutations in the same run, a verdict that is not the recorded one fails as it does alone.
sed -i 's/"REPRODUCED"/"REFUTED"/' "$work/verdicts/MY-01.json"
expect 5 'MY-01: REPRODUCED, and REFUTED is recorded' run run --mutations -o "$work/run4"
sed 's/^id: .*/id: MY-07/; s/objects=1000/objects=1002/' "$mine/MY-01.yaml" >"$mine/MY-07.yaml"
sed -i 's/subject: glibc/subject: manual-tiny-sizeclass/' "$mine/MY-01.yaml"
sed -i 's/"REFUTED"/"REPRODUCED"/' "$work/verdicts/MY-01.json"
sed 's/MY-01/MY-07/' "$work/verdicts/MY-01.json" >"$work/verdicts/MY-07.json"
expect 5 'DOES NOT' run run --mutate MY-01 -o "$work/run5"
# Each process tells which of its mutations flip.
expect 5 '^1 of 2 mutations flip' run run --mutate --jobs 2 -o "$work/run15"
parts_measured "$work/run15"
expect 5 '^1 of 2 mutations flip' run run --mutations --jobs 2 -o "$work/run16"
expect 0 '^2 claims: 2 REPRODUCED' run run --jobs 2 -o "$work/run17"
rm "$mine/MY-07.yaml" "$work/verdicts/MY-07.json"
sed -i 's/^published: 2/published: 3/' "$mine/MY-01.yaml"
expect 5 'MY-01: REFUTED, and REPRODUCED is recorded' run run -o "$work/run6"
sed -i 's/^provenance: P1/provenance: P4/' "$mine/MY-01.yaml"
expect 5 'UNVERIFIED SOURCE' run run -o "$work/run7"

# Counted instead of run: a pair of malloc and free is some ten to a few hundred instructions.
sed -e 's/^id: .*/id: MY-02/' -e 's/^published: .*/published: 100/' -e 's/^provenance: .*/provenance: P1/' \
    -e 's/^unit: .*/unit: instructions/' -e 's/^rule: .*/rule: equals\ntolerance: 90/' -e 's/\[probe-tiny\]/[pair]/' \
    -e 's/^  params: .*/  params: size=64/' -e '/^mutation/,$d' \
    -e 's/^  figure: .*/  figure: instructions\n  count:\n    per: operations\n    from: 16384\n    to: 98304/' \
    "$mine/MY-01.yaml" >"$mine/MY-02.yaml"
if command -v valgrind >/dev/null; then
    expect 0 'MY-02 .* REPRODUCED' run run MY-02
fi
sed -i 's/^  figure: instructions/  figure: simulated-cycles/' "$mine/MY-02.yaml"
if command -v valgrind >/dev/null; then
    expect 0 'MY-02 .* REPRODUCED' run run MY-02
    expect 0 'MY-02' run run --record MY-02
    expect 0 'callgrind, caches of' run show MY-02
    rm "$work/verdicts/MY-02.json"
fi
sed -i 's/^    to: 98304/    to: 1000/' "$mine/MY-02.yaml"
expect 2 'count needs a larger number of operations' run list
rm "$mine/MY-02.yaml"

# Noisy: ten processes and their interval, which must agree as a whole; others are shown beside.
sed -e 's/^id: .*/id: MY-03/' -e 's/^class: .*/class: N/' -e 's/^published: .*/published: 2/' -e 's/^provenance: .*/provenance: P1/' \
    -e '/^mutation/,$d' "$mine/MY-01.yaml" >"$mine/MY-03.yaml"
echo 'beside: [glibc]' >>"$mine/MY-03.yaml"
expect 0 'glibc 1 \[1, 1\]' run run MY-03 --record -o "$work/run9"
expect 0 'MY-03 .* REPRODUCED' run list
expect 0 'figure *2 \[2, 2\] objects' run show MY-03
expect 0 'beside  *1 \[1, 1\] objects, glibc' run show MY-03
expect 0 'in 20 processes of up to [0-9]* MiB' run show MY-03
printf 'mutation:\n  subject: glibc\n' >>"$mine/MY-03.yaml"
expect 2 'a mutation needs class D' run list
rm "$mine/MY-03.yaml" "$work/verdicts/MY-03.json"

# Over several workloads: what each of two streams has live at most, then the largest, the smallest and the mean of both.
over_claim() {
    printf 'id: %s\ntitle: live\nstatement: It is.\nsource: this test\nprovenance: P1\nkind: claim\nclass: D\n' "$1"
    printf 'published: %s\nunit: bytes\nrule: equals\nexpected: REP\njudge:\n  workloads: [%s]\n' "$2" "$3"
    printf '  subject: policy\n  params: calls=1000\n  figure: policy_live\n'
    [[ -z ${4-} ]] || printf '  over: %s\n' "$4"
}
over_claim MY-10 1 stream-jq >"$mine/MY-10.yaml"
over_claim MY-11 1 stream-bash >"$mine/MY-11.yaml"
live() { "$spanlab" claims --claims "$mine" --verdicts "$work/verdicts" run "$1" --record -o "$work/live-$1" >/dev/null 2>&1 || true
    sed -n '/"value"/{s/.*"value": *\([0-9]*\).*/\1/p;q}' "$work/verdicts/$1.json"; }
jq_live=$(live MY-10) bash_live=$(live MY-11)
[[ $jq_live -gt 0 && $bash_live -gt 0 && $jq_live != "$bash_live" ]] || { failed=1; echo "claims: live bytes of two streams: $jq_live, $bash_live"; }
over_claim MY-10 $((jq_live > bash_live ? jq_live : bash_live)) 'stream-jq, stream-bash' largest >"$mine/MY-10.yaml"
over_claim MY-11 $((jq_live < bash_live ? jq_live : bash_live)) 'stream-jq, stream-bash' smallest >"$mine/MY-11.yaml"
over_claim MY-12 "$(awk "BEGIN { printf \"%.1f\", ($jq_live + $bash_live) / 2 }")" 'stream-jq, stream-bash' mean >"$mine/MY-12.yaml"
rm "$work"/verdicts/MY-1[012].json
expect 0 '^3 claims: 3 REPRODUCED' run run MY-10 MY-11 MY-12 -o "$work/run18"
over_claim MY-12 1 'stream-jq, stream-bash' >"$mine/MY-12.yaml"
expect 2 'several workloads need over' run list
over_claim MY-12 1 stream-jq mean >"$mine/MY-12.yaml"
expect 2 'over takes one of the figures of several workloads' run list
over_claim MY-12 1 'stream-jq, stream-bash' mean | sed 's/^class: D/class: N/' >"$mine/MY-12.yaml"
expect 2 'over is for class D' run list
rm "$mine"/MY-1[012].yaml

# Over a knob: a small heap's cycles go with GOGC to the power of -1, and with the world stopped do so each time.
cat >"$mine/MY-05.yaml" <<'END'
id: MY-05
title: twice the room, half the cycles
statement: They are.
source: this test
provenance: P1
kind: claim
class: D
published: -1
unit: power of GOGC
rule: equals
tolerance: 0.1
judge:
  workloads: [tree-churn]
  subject: greentea-tiny-sizeclass|deterministic=1,preset=faithful
  params: depth=8,churn=64
  figure: gc_collections
  combine: slope
  sweep:
    knob: GOGC
    values: [100, 200, 400]
expected: REP
END
expect 0 'MY-05 .* -1\.0[0-9]*  *REPRODUCED' run run MY-05 --record -o "$work/run11"
expect 0 'preset=faithful, GOGC' run show MY-05
sed -i 's/200, 400/200, 200/' "$mine/MY-05.yaml"
expect 2 'three or more different values above 0' run list
sed -i '/combine: slope/d' "$mine/MY-05.yaml"
expect 2 'slope and sweep go together' run list
rm "$mine/MY-05.yaml" "$work/verdicts/MY-05.json"

# A test of what we coded ourselves is no claim.
cat >"$mine/MY-04.yaml" <<'END'
id: MY-04
title: workers are a quarter
statement: They are.
source: this test
provenance: P1
kind: conformance
class: D
published: 1
unit: test
rule: equals
judge:
  check:
    program: test_pacer
    tests: workers_*
  figure: passed
expected: REP
END
expect 0 'MY-04 .* 1  CONFORMANCE' run run MY-04
sed -i 's/tests: workers_/tests: nobody_/' "$mine/MY-04.yaml"
expect 0 'MY-04 .* 0  NO CONFORMANCE' run run MY-04
sed -i 's/program: test_pacer/program: test_nothing/' "$mine/MY-04.yaml"
expect 0 'n/a: test_nothing is not built' run run MY-04
sed -i 's/kind: conformance/kind: claim/' "$mine/MY-04.yaml"
expect 2 'kind: conformance only' run list
rm "$mine/MY-04.yaml"

# What is wrong with a file is said with its name, and where.
wrong() {
    local edit=$1 pattern=$2
    cp "$mine/MY-01.yaml" "$work/kept"
    sed -i "$edit" "$mine/MY-01.yaml"
    expect 2 "$pattern" run list
    cp "$work/kept" "$mine/MY-01.yaml"
}
wrong '/^unit/d' 'MY-01.yaml is not a claim: .*Missing required mapping field: unit'
wrong 's/^rule: equals/rule: about/' 'MY-01.yaml is not a claim: .*line: 10'
wrong 's/^unit/units/' 'MY-01.yaml is not a claim: .*units'
wrong 's/^id: .*/id: MY-02/' "the file's name must be its id"
wrong 's/^  figure/  combine: ratio\n  figure/' 'combine and against go together'
wrong 's/^expected: REP/expected: QUAL/' 'must say which'
wrong '0,/^  subject/s/^  subject: .*/  program: numbers-page_cost fill direct/' 'it goes with count, without workloads'
wrong '0,/^  subject/{/^  subject/d}' 'a measure needs workloads and subject, or program, or check'
wrong 's/^class: D/class: N/; s/^  figure: .*/  figure: instructions\n  count:\n    per: operations\n    from: 1\n    to: 2/' 'class N is for what is measured'
wrong 's/^expected: REP/expected: DIR/' 'rule: sign'
wrong 's/^published: .*/published: much/' 'MY-01.yaml is not a claim: .*line: 8'
sed -i 's/probe-tiny/probe-tinny/' "$mine/MY-01.yaml"
expect 2 "did you mean 'probe-tiny'" run run -o "$work/run8"
exit $failed
