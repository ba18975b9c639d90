#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A peak below 1 MiB is a bound and no value: in the table, the page and every export, and in no ratio, interval, mean or
# claim. The peaks are put into the records, so that the figures are known.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Peaks of a subject's memory processes, one after the other.
mkdir peaks programs
cat >programs/bench-manual <<S
#!/usr/bin/env bash
'$SPANLAB_BUILD/bin/bench-manual' "\$@" || exit
for word; do case \$word in --spanlab-result=*) record=\${word#*=} ;; --spanlab-expect=*) subject=\${word#*=} ;; esac; done
[[ \${record-} && -s $work/peaks/\$subject && "\$*" == *--spanlab-mode=memory* ]] || exit 0
read -r peak <$work/peaks/\$subject
sed -i 1d $work/peaks/\$subject
sed -i "s/\"peak_rss_bytes\":-*[0-9]*/\"peak_rss_bytes\":\$peak/; s/\"peak_live_bytes\":[0-9]*/\"peak_live_bytes\":524288/" "\$record"
S
chmod +x programs/bench-manual
export SPANLAB_BENCH_DIR=$work/programs
make_forwarding low some most
pair_cells 'invocations: 6' 'memory: 6' 'iterations: 1' 'warmup: 0' >cells.yaml
mib=1048576
peaks() { printf '%d\n' "${@:2}" >"peaks/$1"; }
peaks glibc $((8 * mib)) $((8 * mib)) $((8 * mib)) $((8 * mib)) $((8 * mib)) $((8 * mib))
peaks low 500000 0 -4096 $((mib - 1)) 12 4096
peaks some 500000 $((4 * mib)) 4096 $((4 * mib)) $((4 * mib)) $((4 * mib))
peaks most 500000 $((4 * mib)) 4096 $((4 * mib)) 0 -1
peaks manual-tiny-sizeclass $mib $mib $mib $mib $mib $mib
users=low:$work/liblow.so,some:$work/libsome.so,most:$work/libmost.so
"$spanlab" run -m cells.yaml -s "glibc,$users,manual-tiny-sizeclass" -o run --seed 1 >out 2>err </dev/null ||
    fail "the run ends with $?: $(cat err)"

# csv SUBJECT CONDITION: lines of its peaks for which it holds, of the fields from the end: 0 status, 3 value, 5 bound
"$spanlab" export run --format=csv >csv
csv() {
    awk -F, -v s="$1" "\$4 == s && \$(NF - 4) == \"${3-peak_rss}\" && ($2)" csv | grep -c '' || true
}
floor='$NF == "floor" && $(NF - 5) == "<" && $(NF - 3) == 1048576'
exact='$NF == "ok" && $(NF - 5) == ""'
while read -r subject floors values; do
    got="$(csv $subject "$floor") $(csv $subject "$exact")"
    [[ $got == "$floors $values" ]] || fail "$subject: floors and values in the CSV: $got instead of $floors $values: $(grep ",$subject,.*,peak_rss," csv)"
    got="$(csv $subject '$NF == "floor" && $(NF - 5) == "<"' peak_rss_over_live) $(csv $subject "$exact" peak_rss_over_live)"
    [[ $got == "$floors $values" ]] || fail "$subject: floors and values over live bytes in the CSV: $got instead of $floors $values"
    got=$("$spanlab" export run --format=go | awk -v s="alloc=$subject/" 'index($0, s) && / 1048576 peak-RSS-below-bytes$|	1048576 peak-RSS-below-bytes$/' | grep -c '' || true)
    got="$got $("$spanlab" export run --format=go | awk -v s="alloc=$subject/" 'index($0, s) && /peak-RSS-bytes$/' | grep -c '' || true)"
    [[ $got == "$floors $values" ]] || fail "$subject: floors and values in Go's format: $got instead of $floors $values"
    got=$("$spanlab" export run --format=gbench | awk -v n="\"pair/$subject/threads:1\"" '$1 == "\"name\":" { own = index($0, n) } own && /"peak_rss_bound": "<"/' | grep -c '' || true)
    [[ $got == "$floors" ]] || fail "$subject: floors in gbench: $got instead of $floors"
done <<'END'
glibc 0 6
low 6 0
some 2 4
most 4 2
manual-tiny-sizeclass 0 6
END

# row: the cells of the table's row of peaks, one a line
row() { sed -n '/^PEAK RSS/,/^$/p' "$1" | awk '/^pair/ { sub(/^pair */, ""); gsub(/ +\+-/, "+-"); gsub(/ +/, "\n"); print }' | sed '/^$/d'; }
got=$(row out | sort | tr '\n' ' ')
# exact over exact has an interval; of "some" two processes are floors, so that it has none; of "low" and "most" all is a floor
[[ $got == '0.12+-0% 0.50+-? 8.0M+-0% <1M <1M ' ]] || fail "the row of peaks is '$got': $(cat out)"
if grep 'over the smallest peer' out; then fail "a mean is over a peer that is a floor"; fi
page=run/report/index.html
[[ $(grep -o '<b>&lt; 1.0 MiB</b>' $page | grep -c '') == 2 ]] || fail "the page does not show two floors: $(grep -o '<td[^>]*><b>[^/]*MiB' $page)"
grep -q '2 of 6 processes below, no interval' $page || fail "the page gives an interval to a median beside floors"

# ---- over a baseline that is a floor: at least so much
peaks glibc 1 2 3 4 5 6
peaks some $((4 * mib)) $((4 * mib)) $((4 * mib)) $((4 * mib)) $((4 * mib)) $((4 * mib))
"$spanlab" run -m cells.yaml -s "glibc,some:$work/libsome.so" -o over --seed 1 >out 2>err </dev/null || fail "the run over ends with $?: $(cat err)"
got=$(row out | tr '\n' ' ')
[[ $got == '<1M >4.00 ' ]] || fail "over a floor the row is '$got': $(cat out)"
grep -q '&gt; ×4.00' over/report/index.html || fail "the page does not say that the ratio is more than 4"

# ---- a claim about a floor has no figure
mkdir claims
cat >claims/MY-01.yaml <<'END'
id: MY-01
title: a pair needs a MiB
statement: It does.
source: this test
provenance: P1
kind: claim
class: D
published: 1048576
unit: bytes
rule: equals
judge:
  workloads: [pair]
  subject: glibc
  params: size=64,operations=1000
  figure: peak_rss
expected: REP
END
peaks glibc 1 2 3
"$spanlab" claims --claims claims --verdicts verdicts run -o claimed >out 2>err </dev/null || fail "the claim ends with $?: $(cat err)"
grep -q 'peak_rss of glibc on pair is below what is resolved' out || fail "a claim takes a floor for a figure: $(cat out)"
if grep -q 'REPRODUCED' out; then fail "a floor reproduces a claim: $(cat out)"; fi

# ---- gbench: no figure of a memory process is dropped, whether as many were timed or none
cat >untimed.yaml <<'END'
cells:
  - {workloads: [pair], smoke: true, invocations: 2, memory: 5, iterations: 1, warmup: 0}
  - {workloads: [larson-bench], smoke: true, threads: [1], invocations: 0, memory: 3}
END
peaks glibc $((5 * mib)) $((6 * mib)) $((7 * mib)) 4096 $((9 * mib)) $((10 * mib)) $((11 * mib)) 4096
"$spanlab" run -m untimed.yaml -s glibc -o untimed --seed 1 >out 2>err </dev/null || fail "the run untimed ends with $?: $(cat err)"
"$spanlab" export untimed --format=csv >csv
"$spanlab" export untimed --format=gbench >gbench
# lines SQL: of the tables `entries` (gbench) and `csv`
lines() {
    sqlite3 -cmd '.import --csv csv csv' -cmd "CREATE TABLE entries AS SELECT e.value entry, json_extract(e.value, '$.name') name
        FROM json_each(CAST(readfile('gbench') AS TEXT), '$.benchmarks') e" -separator ' ' :memory: "$1"
}
ours="SELECT workload, metric, CAST(value AS REAL) value, bound FROM csv WHERE value <> '' AND metric NOT IN ('time', 'cpu')"
theirs="SELECT substr(name, 1, instr(name, '/') - 1) workload, m.key metric, m.value value, coalesce(json_extract(entry, '$.' || m.key || '_bound'), '') bound
    FROM entries, json_each(entry) m WHERE m.key IN (SELECT metric FROM csv)"
count() { echo "SELECT *, count(*) FROM ($1) GROUP BY 1, 2, 3, 4"; }
got=$(lines "SELECT * FROM ($(count "$ours")) EXCEPT SELECT * FROM ($(count "$theirs"))")
[[ -z $got ]] || fail "gbench lacks figures that are in the CSV (workload, metric, value, bound, how often): $got"
got=$(lines "SELECT * FROM ($(count "$theirs")) EXCEPT SELECT * FROM ($(count "$ours"))")
[[ -z $got ]] || fail "gbench has figures that are not in the CSV: $got"
got=$(lines "SELECT count(*) FROM csv WHERE metric = 'peak_rss' AND value <> ''")
[[ $got == 8 ]] || fail "expected 8 peaks in the CSV, there were $got"
# What is not timed is no repetition, and every entry has what a reader asks each for.
got=$(lines "SELECT name, json_extract(entry, '$.run_type'), min(json_extract(entry, '$.real_time') > 0), count(*) FROM entries GROUP BY 1, 2 ORDER BY 1")
[[ $got == 'larson-bench/glibc/threads:1_memory aggregate 0 3
pair/glibc/threads:1 iteration 1 2
pair/glibc/threads:1_memory aggregate 0 3' ]] || fail "entries of gbench by name, kind, time and number: $got"
got=$(lines "SELECT count(*) FROM entries WHERE json_extract(entry, '$.cpu_time') IS NULL OR json_extract(entry, '$.real_time') IS NULL OR
    json_extract(entry, '$.time_unit') <> 'ns' OR json_extract(entry, '$.iterations') IS NULL OR json_extract(entry, '$.run_name') IS NULL")
[[ $got == 0 ]] || fail "$got entries of gbench lack a field"
exit $failed
