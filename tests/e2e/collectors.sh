#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Collectors, from record to page: what each traced subject tells of its own is sane, the tables say no-GC where too little
# was collected, marking is the difference of the two cells it is made of, and the page shows every subject.
set -euo pipefail

command -v gnuplot >/dev/null || { echo "gnuplot is missing: scripts/setup.sh build installs it"; exit 1; }
spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failed=0

fail() {
    failed=1
    printf 'collectors: %s\n' "$*"
}

# rows RUN SQL
rows() {
    sqlite3 -separator ' ' "$1/run.sqlite" "$2"
}

# ---- which traced subjects are here
traced=() collecting=()
for program in "$SPANLAB_BUILD"/bin/bench-*; do
    catalog=$("$program" --spanlab-catalog)
    [[ $(sqlite3 :memory: "SELECT json_extract('${catalog//\'/\'\'}', '\$.flavour') = 'traced' AND
        json_extract('${catalog//\'/\'\'}', '\$.subjects[0].present')") == 1 ]] || continue
    traced+=("${program##*/bench-}")
    [[ $program == */bench-nogc-* ]] || collecting+=("${program##*/bench-}")
done
((${#collecting[@]} >= 2)) || { fail "only ${#collecting[@]} subjects with a collector are here"; exit 1; }
list=$(printf '%s, ' "${traced[@]}")

# ---- a run in which the small trees are too few collections, and what dies beside another enough
cat >small.yaml <<EOT
cells:
  - workloads: [binary-trees]
    subjects: [${list%, }, glibc]
    params: depth=8
    invocations: 1
    memory: 1
    iterations: 2
    warmup: 1
  - workloads: [tree-churn]
    subjects: [${list%, }]
    params: depth=12,churn=256
    invocations: 1
    iterations: 1
    warmup: 0
EOT
"$spanlab" run -m small.yaml -o small --seed 1 >small.out 2>small.err || fail "the run ends with $?: $(tail -n 3 small.out small.err)"

# A record of every traced subject has sane fields: each sum is of its parts, and nothing is larger than what holds it.
good="SELECT subject FROM invocation JOIN cell ON cell.id = cell_id WHERE workload = 'tree-churn'
    AND mode = 'throughput' AND status = 'ok' AND"
gc="json_extract(record, '\$.gc."
expect_all() {
    local what=$1 condition=$2 pattern=${3:-.} subject got
    got=$(rows small "$good $condition")
    for subject in "${collecting[@]}"; do
        [[ ! $subject =~ $pattern ]] || grep -qxF "$subject" <<<"$got" ||
            fail "$subject: not so: $what: $(rows small "SELECT json_remove(json_extract(record, '\$.gc'), '\$.pauses.lengths_ns')
                FROM invocation JOIN cell ON cell.id = cell_id WHERE subject = '$subject' AND params LIKE 'depth=12%' LIMIT 1")"
    done
}
ours='^(classic|greentea)-'
expect_all "one section, with 20 collections or more" "${gc}sections') = 1 AND ${gc}cycles') >= 20 AND ${gc}least_cycles') = ${gc}cycles')"
expect_all "collections stand with their iteration" "${gc}cycles') = json_extract(record, '\$.samples[0].collections')"
expect_all "the timed part is read around the sample's" "${gc}timed_ns') >= json_extract(record, '\$.samples[0].wall_ns') AND
    ${gc}process_cpu_ns') >= json_extract(record, '\$.samples[0].cpu_ns')"
expect_all "percentiles ascend" "${gc}pauses.p50_ns') > 0 AND ${gc}pauses.p50_ns') <= ${gc}pauses.p99_ns') AND
    ${gc}pauses.p99_ns') <= ${gc}pauses.max_ns')"
expect_all "every pause is there" "json_array_length(record, '\$.gc.pauses.lengths_ns') = ${gc}pauses.count') AND ${gc}pauses.lost') = 0"
expect_all "at least one pause a collection" "${gc}pauses.count') >= ${gc}cycles')"
expect_all "pauses are exact but for Go's" "${gc}pauses.exact') = (subject NOT LIKE 'go-%')"
expect_all "pauses add up" "${gc}pauses.total_ns') = (SELECT sum(value) FROM json_each(record, '\$.gc.pauses.lengths_ns'))" "$ours|bdwgc"
expect_all "wider windows lose less" "${gc}mmu.1ms') BETWEEN 0 AND 1 AND ${gc}mmu.10ms') <= 1 AND ${gc}mmu.1ms') <= ${gc}mmu.10ms') + 0.05" "$ours|bdwgc"
expect_all "CPU of all kinds lies within the process's" "${gc}cpu.mark_ns') > 0 AND ${gc}cpu.stop_ns') > 0 AND
    ${gc}cpu.sweep_ns') + ${gc}cpu.sweep_allocating_ns') > 0 AND ${gc}cpu.mark_ns') + ${gc}cpu.assist_ns') + ${gc}cpu.sweep_ns') +
    ${gc}cpu.sweep_allocating_ns') + ${gc}cpu.stop_ns') < ${gc}process_cpu_ns')" "$ours"
expect_all "no CPU by kind where it is not measured" "${gc}cpu.mark_ns') IS NULL" '^(go-|bdwgc)'
expect_all "Go's estimate has a name of its own" "${gc}cpu_estimate.total_ns') > 0" '^go-'
expect_all "others have no estimate" "${gc}cpu_estimate') IS NULL" "$ours|bdwgc"
expect_all "bdwgc tells the time of full collections" "${gc}full_wall_ns') > 0" '^bdwgc'
expect_all "nobody forced a collection" "${gc}forced_cycles') = 0" "$ours|^go-"
expect_all "the heap comes near its goal" "${gc}heap.cycles') > 0 AND ${gc}heap.peak_over_goal') BETWEEN 0.5 AND 1.5 AND
    ${gc}heap.peak_over_goal_max') >= ${gc}heap.peak_over_goal') AND ${gc}heap.goal_bytes') >= 4194304" "$ours"
expect_all "what is scanned is marked" "${gc}marker.scanned_bytes') > 0 AND ${gc}marker.marked_bytes') > 0 AND
    ${gc}marker.queued_objects') + ${gc}marker.span_objects') > 0" "$ours"
expect_all "visits find objects" "${gc}marker.span_visits') > 0 AND ${gc}marker.span_objects') >= ${gc}marker.span_visits') AND
    ${gc}marker.single_visits') <= ${gc}marker.span_visits')" '^greentea-'
expect_all "classic visits no page" "${gc}marker.span_visits') = 0" '^classic-'
[[ -z $(rows small "SELECT subject FROM invocation JOIN cell ON cell.id = cell_id WHERE json_type(record, '\$.gc') = 'object' AND
    (subject = 'glibc' OR subject LIKE 'nogc-%')") ]] || fail "who has no collector tells of one"
[[ -z $(rows small "SELECT subject FROM invocation JOIN cell ON cell.id = cell_id WHERE mode = 'throughput' AND params LIKE
    'depth=8%' AND json_type(record, '\$.gc') = 'object' AND ${gc}sections') <> 2") ]] || fail "warm-up counts as a section"

# ---- no-GC: in the table and in the CSV, for exactly the cells with fewer than 20 collections
one=${collecting[0]}
grep -q "collections in a timed section; share of CPU (lower is better)" small.out || fail "the table of costs is missing, or has no direction"
grep -q "MMU, mutator utilisation (higher is better)" small.out || fail "the table of pauses is missing, or has no direction"
"$spanlab" export small --format=csv >small.csv
while read -r subject params least; do
    [[ $least -lt 20 ]] && wanted=no-GC || wanted=ok
    got=$(awk -F, -v subject="$subject" -v params="${params%%,*}" \
        '$4 == subject && $6 ~ params && $10 == "" {next} $4 == subject && index($0, params) && /,gc_collections,/ {print $NF}' small.csv)
    [[ $got == "$wanted" ]] || fail "$subject $params: $least collections, and the CSV says '$got'"
done < <(rows small "SELECT subject, params, ${gc}least_cycles') FROM invocation JOIN cell ON cell.id = cell_id WHERE
    mode = 'throughput' AND status = 'ok' AND json_type(record, '\$.gc') = 'object'")
grep -q 'no-GC' small.csv || fail "no row says no-GC, though trees of depth 8 are collected less than 20 times"
grep -q ',gc_mmu_10ms,[0-9.e-]*,ratio,higher,' small.csv || fail "the CSV does not say which direction of MMU is better"
grep -Eq "^ +[0-9]+ no-GC |^  $one +[0-9]+ no-GC " small.out || fail "the table of $one does not say no-GC"

# ---- marking: the difference of two cells, in milliseconds
marking=()
for subject in "${collecting[@]}"; do
    case $subject in
    bdwgc) marking+=("bdwgc|markers=1") ;;
    *-tiny-sizeclass | go-*) marking+=("$subject|GOMAXPROCS=1,gcstoptheworld=1") ;;
    esac
done
list=$(printf '"%s", ' "${marking[@]}")
cat >marking.yaml <<EOT
cells:
  - workloads: [mark-empty]
    subjects: [${list%, }]
    params: collections=20
    invocations: 6
    iterations: 1
    warmup: 0
  - workloads: [mark-perfect-tree]
    subjects: [${list%, }]
    params: collections=20,nodes=40
    invocations: 6
    iterations: 1
    warmup: 0
EOT
"$spanlab" run -m marking.yaml -o marking --seed 1 >marking.out 2>marking.err || fail "marking ends with $?: $(tail -n 3 marking.out)"
grep -q "^MARKING, ms of CPU per forced collection beyond an empty heap's, lower is better" marking.out || fail "no table of marking"
# median WORKLOAD SUBJECT: of six processes, the mean of the two in the middle
median() {
    rows marking "SELECT avg(cpu) FROM (SELECT cpu_ns * 1.0 / ops AS cpu FROM sample JOIN invocation i ON i.id = invocation_id
        JOIN cell ON cell.id = cell_id WHERE workload = '$1' AND subject = '${2%%|*}' AND status = 'ok' AND
        i.attempt = (SELECT attempt FROM invocation k WHERE k.position = i.position AND k.status = 'ok' ORDER BY disturbed,
        attempt LIMIT 1) ORDER BY cpu LIMIT 2 OFFSET 2)"
}
for subject in "${marking[@]}"; do
    wanted=$(awk -v full="$(median mark-perfect-tree "$subject")" -v empty="$(median mark-empty "$subject")" \
        'BEGIN {printf "%.2f", (full - empty) / 1e6}')
    shown=$(awk -v subject="$subject" '$1 == subject && NF == 4 {print $2}' <(sed -n '/^MARKING/,/^$/p' marking.out))
    [[ $shown == "$wanted" ]] || fail "$subject: marking is shown as '$shown' ms, and the store gives $wanted"
done
# With the world stopped there is one stop for each collection of ours, and every collection was asked for.
[[ -z $(rows marking "SELECT subject FROM invocation JOIN cell ON cell.id = cell_id WHERE (subject LIKE 'classic-%' OR subject LIKE
    'greentea-%') AND (${gc}cycles') <> 20 OR ${gc}forced_cycles') <> 20 OR ${gc}pauses.count') <> 20)") ]] ||
    fail "20 forced collections with the world stopped are not 20 stops"
# mark-empty has no nodes, and says so.
[[ $("$spanlab" plan -m marking -w mark-empty 2>&1) == *"mark-empty"*"collections=20"* ]] || fail "the matrix marking plans no mark-empty"
sed -i 's/params: collections=20$/params: collections=20,nodes=4/' marking.yaml
[[ $("$spanlab" plan -m marking.yaml 2>&1) == *"mark-empty has no parameter 'nodes'"* ]] || fail "an empty heap of 4,000 nodes is planned"

# ---- the sweep of a knob: curves of cost over footprint, between two bounds
swept=()
for subject in "${collecting[@]}"; do
    case $subject in
    bdwgc) swept+=("bdwgc|divisor=1" "bdwgc|divisor=16" "bdwgc|markers=2") ;;
    *-tiny-sizeclass) swept+=("$subject|GOGC=30" "$subject|GOGC=400") ;;
    esac
done
list=$(printf '"%s", ' "${swept[@]}")
cat >sweep.yaml <<EOT
cells:
  - workloads: [binary-trees]
    subjects: [${list%, }, nogc-tiny-sizeclass, manual-tiny-sizeclass]
    params: depth=15
    invocations: 1
    memory: 1
    iterations: 1
    warmup: 0
EOT
"$spanlab" run -m sweep.yaml -o sweep --seed 1 >sweep.out 2>sweep.err || fail "the sweep ends with $?: $(tail -n 3 sweep.out)"
sed -n '/^TIME AND SPACE/,/^$/p' sweep.out >curves
for subject in "${swept[@]%%|*}"; do
    grep -q "^  $subject .* to [0-9.]*$" curves || fail "no curve of $subject in: $(cat curves)"
done
ratio=$(rows sweep "SELECT printf('%.2f', (SELECT json_extract(record, '\$.memory.peak_rss_bytes') FROM invocation JOIN cell ON cell.id =
    cell_id WHERE mode = 'memory' AND subject LIKE 'nogc-%') * 1.0 / json_extract(record, '\$.memory.peak_live_bytes')) FROM invocation
    JOIN cell ON cell.id = cell_id WHERE mode = 'memory' AND subject LIKE 'manual-%'")
grep -q "explicit free (manual-tiny-sizeclass) 1 at .*; never freed (nogc-tiny-sizeclass) .* at $ratio$" curves ||
    fail "the bounds are not those of the store, $ratio times live: $(cat curves)"
sed -n '/<h2 id="timespace">/,/<h2 id="collectors">/p' sweep/report/index.html >section.html
for text in 'never freed' 'explicit free' 'LBO (lower is better)' "${swept[0]%%|*}"; do
    grep -qF -- "$text" section.html || fail "the page's curves do not show '$text'"
done

# ---- the page
page=small/report/index.html
sed -n '/<h2 id="collectors">/,/<h2 id="policies">/p' "$page" >section.html
for subject in "${collecting[@]}"; do
    # beside the bars of both rows
    shown=$(grep -oF ">$subject</text>" section.html | wc -l)
    [[ $shown == 2 ]] || fail "the page names $subject beside $shown figures, not 2"
done
for text in 'lower is better' 'higher is better' 'no-GC' '>mark</text>' '>assist</text>' '>sweep</text>' '>stop</text>' '>100 ms</text>'; do
    grep -qF -- "$text" section.html || fail "the page's collectors do not show '$text'"
done
sed -n '/<h2 id="collectors">/,/<h2 id="policies">/p' marking/report/index.html >section.html
grep -q '<h3>Marking</h3>' section.html || fail "the page shows no marking"
exit $failed
