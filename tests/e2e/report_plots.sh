#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The report of a run with many subjects: sawtooth and Robson are plotted for each, under names that tell all builds apart.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_gnuplot

subjects=(manual-{tiny,notiny}-{sizeclass,list,linear} 'manual-tiny-list|fit='{first,next,best} 'manual-tiny-linear|holes=off'
    'manual-notiny-list|fit='{first,next,best} glibc)
list=$(printf '"%s", ' "${subjects[@]}")
cat >many.yaml <<EOT
cells:
  - workloads: [sawtooth]
    subjects: [${list%, }]
    params: peak=1310720,teeth=2
    invocations: 1
    memory: 1
    iterations: 1
    warmup: 0
  - workloads: [robson]
    subjects: [${list%, }]
    params: limit=512,largest=4
    invocations: 1
    memory: 1
    iterations: 1
    warmup: 0
EOT
# Each start of spanlab asks every program what it has: here the one of allocators with free.
mkdir programs
ln -s "$SPANLAB_BUILD/bin/bench-manual" programs/
SPANLAB_BENCH_DIR=$work/programs "$spanlab" run -m many.yaml -o many --seed 1 >out 2>&1 || fail "the run ends with $?: $(tail -n 2 out)"
page=many/report/index.html
[[ -s $page ]] || { fail "no report was drawn: $(cat out)"; exit 1; }

# section FROM TO: the page between two anchors
section() {
    sed -n "/<h2 id=\"$1\">/,/<h2 id=\"$2\">/p" "$page"
}

# times TEXT: how often standard input shows it as the whole of a text
times() {
    grep -oF ">$1</" | wc -l
}

for subject in "${subjects[@]}"; do
    # a line of each of the two figures, and a panel of its own
    shown=$(section policies fragmentation | times "$subject")
    [[ $shown == 3 ]] || fail "$subject is named $shown times, not 3, beside sawtooth's and Robson's figures"
    shown=$(section timelines policies | times "$subject")
    [[ $shown == 1 ]] || fail "the legend of the timelines names $subject $shown times, not once"
    shown=$(section pareto matrix | times "$subject")
    [[ $shown == 1 ]] || fail "the legend of time and memory names $subject $shown times, not once"
done

# figure WORKLOAD SQL: of glibc, from the store
figure() {
    sqlite3 -cmd ".read $SPANLAB_SOURCE/tests/e2e/chosen.sql" many/run.sqlite "SELECT $2 FROM chosen
        WHERE workload = '$1' AND mode = 'memory' AND subject = 'glibc'"
}
# shows WHAT FIGURE: the figure beside a subject's point is the store's
section policies fragmentation >policies.html
shows() {
    [[ -n $2 ]] && grep -qF ">$2</" policies.html ||
        fail "$1 of glibc is '$2' in the store; the report shows: $(grep -o '>[0-9][^<>]*</text>' policies.html | tr '\n' ' ')"
}
shows "Robson's footprint over the bound" \
    "$(figure robson "printf('%.3f', record->>'$.workload_counters.footprint_over_bound')")"
shows "sawtooth's peak" "$(figure sawtooth "printf('%.2f (%.1f MiB)', (record->>'$.memory.peak_rss_bytes') * 1.0 /
    (record->>'$.memory.peak_live_bytes'), (record->>'$.memory.peak_rss_bytes') / 1048576.0)")"
exit $failed
