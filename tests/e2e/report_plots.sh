#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The report of a run with many subjects: sawtooth and Robson are plotted for each, under names that tell all builds apart.
set -euo pipefail

command -v gnuplot >/dev/null || { echo "gnuplot is missing: scripts/setup.sh build installs it"; exit 1; }
spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

fail() {
    failed=1
    printf 'report_plots: %s\n' "$*"
}

subjects=(manual-{tiny,notiny}-{sizeclass,list,linear} 'manual-tiny-list|fit='{first,next,best} 'manual-tiny-linear|holes=on'
    'manual-notiny-list|fit='{first,next,best} glibc)
list=$(printf '"%s", ' "${subjects[@]}")
cat >many.yaml <<EOT
cells:
  - workloads: [sawtooth]
    subjects: [${list%, }]
    params: peak=2097152,teeth=2
    invocations: 1
    memory: 1
    iterations: 1
  - workloads: [robson]
    subjects: [${list%, }]
    params: limit=512,largest=4
    invocations: 1
    memory: 1
    iterations: 1
EOT
"$spanlab" run -m many.yaml -o many --seed 1 >out 2>&1 || fail "the run ends with $?: $(tail -n 2 out)"
page=many/report/index.html
[[ -s $page ]] || { fail "no report was drawn"; exit 1; }

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
    [[ $shown == 1 ]] || fail "the legend of the timelines names $subject $shown times"
    shown=$(section pareto matrix | times "$subject")
    [[ $shown == 1 ]] || fail "the legend of time and memory names $subject $shown times"
done

# The figure beside a subject's point is the store's.
ratio=$(sqlite3 many/run.sqlite "SELECT printf('%.3f', json_extract(record,'\$.workload_counters.footprint_over_bound')) FROM invocation JOIN cell
    ON cell.id = cell_id WHERE workload = 'robson' AND mode = 'memory' AND subject = 'glibc'")
section policies fragmentation | grep -cF ">$ratio</" >/dev/null || fail "Robson's $ratio of glibc is not in the report"
peak=$(sqlite3 many/run.sqlite "SELECT printf('%.2f (%.1f MiB)', json_extract(record,'\$.memory.peak_rss_bytes') * 1.0 /
    json_extract(record,'\$.memory.peak_live_bytes'), json_extract(record,'\$.memory.peak_rss_bytes') / 1048576.0) FROM invocation
    JOIN cell ON cell.id = cell_id WHERE workload = 'sawtooth' AND mode = 'memory' AND subject = 'glibc'")
section policies fragmentation | grep -cF ">$peak</" >/dev/null || fail "sawtooth's $peak of glibc is not in the report"
exit $failed
