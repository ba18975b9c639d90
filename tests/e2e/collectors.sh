#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Collectors, from record to page: what each traced subject tells of its own is sane, the tables say no-GC where too
# little was collected, marking is the difference of the two cells it is made of, and the page shows every subject.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_gnuplot

# rows RUN SQL: with the view `chosen`
rows() {
    sqlite3 -tabs -cmd ".read $SPANLAB_SOURCE/tests/e2e/chosen.sql" "$1/run.sqlite" "$2"
}

# measure RUN PROGRAM...: runs RUN.yaml. Each start of spanlab asks every program what it has: here the PROGRAMs only.
measure() {
    local run=$1 program
    shift
    mkdir "$run.bench"
    [[ ! -d $SPANLAB_BUILD/go ]] || ln -sfn "$SPANLAB_BUILD/go" go # where real Go's programs look for their twins
    for program; do ln -s "$SPANLAB_BUILD/bin/bench-$program" "$run.bench/"; done
    SPANLAB_BENCH_DIR=$work/$run.bench "$spanlab" run -m "$run.yaml" -o "$run" --seed 1 >"$run.out" 2>"$run.err" ||
        fail "the run $run ends with $?: $(tail -n 3 "$run.out" "$run.err")"
}

# ---- which traced subjects are here
traced=() collecting=() exact=()
for program in "$SPANLAB_BUILD"/bin/bench-*; do
    catalog=$("$program" --spanlab-catalog)
    [[ $(sqlite3 :memory: "SELECT json_extract('${catalog//\'/\'\'}', '\$.flavour') = 'traced' AND
        json_extract('${catalog//\'/\'\'}', '\$.subjects[0].present')") == 1 ]] || continue
    subject=${program##*/bench-}
    traced+=("$subject")
    case $subject in
    nogc-*) continue ;;
    bdwgc) exact+=("$subject|markers=1") ;;
    go-*) exact+=("$subject|GOMAXPROCS=1,gcstoptheworld=1") ;;
    *) exact+=("$subject|deterministic=1,preset=faithful") ;;
    esac
    collecting+=("$subject")
done
((${#collecting[@]} >= 2)) ||
    { fail "only ${#collecting[@]} subjects with a collector are here: ${collecting[*]}"; exit 1; }
list=$(printf '%s, ' "${traced[@]}")

# ---- a run in which the small trees are too few collections, and what dies beside another enough: as subjects are
# usually run, where much depends on the scheduler (the plain cell), and by one thread and bytes alone (the exact one)
cat >small.yaml <<EOT
cells:
  - workloads: [binary-trees]
    subjects: [${list%, }, glibc]
    params: depth=8
    invocations: 1
    iterations: 2
    warmup: 1
  - workloads: [tree-churn]
    subjects: [${list%, }]
    params: depth=12,churn=48
    invocations: 1
    iterations: 1
    warmup: 0
  - workloads: [tree-churn]
    subjects: [$(printf '"%s", ' "${exact[@]}")]
    params: depth=12,churn=88
    invocations: 1
    iterations: 1
    warmup: 0
EOT
measure small manual "${traced[@]}"

# expect_all CELL WHAT CONDITION [SUBJECTS]: the condition holds of the row that each subject has of tree-churn. One
# query judges and shows.
expect_all() {
    local cell=$1 what=$2 condition=$3 pattern=${4:-.} subject status holds shown
    local -A seen=()
    while IFS=$'\t' read -r subject status holds shown; do
        seen[$subject]=1
        [[ $subject =~ $pattern && $holds != 1 ]] || continue
        fail "$subject, $cell cell: not so: $what; expected: ok, and $condition; there was: $status, $shown"
    done < <(rows small "SELECT subject, status, status = 'ok' AND coalesce(($condition), 0),
        'attempt ' || attempt || ', ' || coalesce(json_remove(gc, '\$.pauses.lengths_ns'), 'no gc; ' || message)
        FROM chosen WHERE workload = 'tree-churn' AND mode = 'throughput' AND subject NOT LIKE 'nogc-%' AND
        (knobs = '') = ('$cell' = 'plain')")
    for subject in "${collecting[@]}"; do
        [[ ! $subject =~ $pattern || -n ${seen[$subject]:-} ]] || fail "$subject, $cell cell: no row for: $what"
    done
}
ours='^(classic|greentea)-' tick_ns=10000000
for cell in plain exact; do
    expect_all $cell "one section" "gc->>'$.sections' = 1 AND gc->>'$.least_cycles' = gc->>'$.cycles'"
    expect_all $cell "collections stand with their iteration" "gc->>'$.cycles' = record->>'$.samples[0].collections'"
    expect_all $cell "the timed part is read around the sample's" "
        gc->>'$.timed_ns' >= record->>'$.samples[0].wall_ns' AND
        gc->>'$.process_cpu_ns' >= record->>'$.samples[0].cpu_ns'"
    expect_all $cell "percentiles ascend" "gc->>'$.pauses.p50_ns' > 0 AND
        gc->>'$.pauses.p50_ns' <= gc->>'$.pauses.p99_ns' AND gc->>'$.pauses.p99_ns' <= gc->>'$.pauses.max_ns'"
    expect_all $cell "every pause is there" "json_array_length(gc, '$.pauses.lengths_ns') = gc->>'$.pauses.count' AND
        gc->>'$.pauses.lost' = 0"
    expect_all $cell "at least one pause a collection" "gc->>'$.pauses.count' >= gc->>'$.cycles'"
    expect_all $cell "pauses are exact, except for Go's" "gc->>'$.pauses.exact' = (subject NOT LIKE 'go-%')"
    expect_all $cell "pauses add up" \
        "gc->>'$.pauses.total_ns' = (SELECT sum(value) FROM json_each(gc, '$.pauses.lengths_ns'))" "$ours|bdwgc"
    # Ten windows of 1 ms make one of 10 ms. A window that is longer than the section has no utilisation.
    expect_all $cell "wider windows lose less" "
        gc->>'$.mmu.1ms' BETWEEN 0 AND 1 AND coalesce(gc->>'$.mmu.10ms', 1) <= 1 AND
        gc->>'$.mmu.1ms' <= coalesce(gc->>'$.mmu.10ms', 1) + 1e-9 AND
        (gc->>'$.mmu.10ms' IS NULL) = (gc->>'$.timed_ns' < 10000000) AND
        (gc->>'$.mmu.100ms' IS NULL) = (gc->>'$.timed_ns' < 100000000)" "$ours|bdwgc"
    expect_all $cell "no CPU by kind where it is not measured" "gc->>'$.cpu.mark_ns' IS NULL" '^(go-|bdwgc)'
    expect_all $cell "Go's estimate has a name of its own" "gc->>'$.cpu_estimate.total_ns' > 0" '^go-'
    expect_all $cell "others have no estimate" "gc->>'$.cpu_estimate' IS NULL" "$ours|bdwgc"
    expect_all $cell "bdwgc tells the time of full collections" "gc->>'$.full_wall_ns' IS NOT NULL" '^bdwgc'
    expect_all $cell "no collection was forced" "gc->>'$.forced_cycles' = 0" "$ours|^go-"
    expect_all $cell "what is scanned is marked" "
        gc->>'$.marker.scanned_bytes' > 0 AND gc->>'$.marker.marked_bytes' > 0 AND
        gc->>'$.marker.queued_objects' + gc->>'$.marker.span_objects' > 0" "$ours"
    expect_all $cell "visits find objects" "gc->>'$.marker.span_visits' > 0 AND gc->>'$.marker.span_objects' > 0 AND
        gc->>'$.marker.single_visits' <= gc->>'$.marker.span_visits'" '^greentea-'
    expect_all $cell "classic visits no page" "gc->>'$.marker.span_visits' = 0" '^classic-'
done
# As the subjects are usually run. 48 MiB do not fit below goals of 4 MiB; how many cycles they are, and who marks,
# depends on how long the collector's threads wait for a processor. Slices that are sampled are estimates, and no part
# of a bound; the kernel has the CPU time of threads that run elsewhere as of their last tick.
expect_all plain "a collection or more" "gc->>'$.cycles' >= 1"
expect_all plain "marking, stops and sweeping take CPU" "gc->>'$.cpu.mark_ns' + gc->>'$.cpu.assist_ns' > 0 AND
    gc->>'$.cpu.stop_ns' > 0 AND gc->>'$.cpu.sweep_ns' + gc->>'$.cpu.sweep_allocating_ns' > 0" "$ours"
expect_all plain "the CPU that is clocked lies within the process's" "gc->>'$.cpu.mark_ns' + gc->>'$.cpu.sweep_ns' +
    gc->>'$.cpu.stop_ns' <= gc->>'$.process_cpu_ns' + $(nproc) * $tick_ns" "$ours"
# No cycle begins before its trigger, 29/64 of the way from what lives to the goal (gc/pacer.c) or further; how far
# beyond it the heap grows until marking has ended is a measurement.
expect_all plain "the heap reaches its trigger" "gc->>'$.heap.cycles' > 0 AND gc->>'$.heap.peak_over_goal' >= 0.452 AND
    gc->>'$.heap.peak_over_goal_max' >= gc->>'$.heap.peak_over_goal' AND gc->>'$.heap.goal_bytes' >= 4194304" "$ours"
# By one thread and bytes alone.
expect_all exact "20 collections or more" "gc->>'$.cycles' >= 20"
expect_all exact "one stop a collection" "gc->>'$.pauses.count' = gc->>'$.cycles'" "$ours"
expect_all exact "no thread assists" "gc->>'$.cpu.assist_ns' = 0" "$ours"
expect_all exact "marking, stops and sweeping take CPU" "gc->>'$.cpu.mark_ns' > 0 AND gc->>'$.cpu.stop_ns' > 0 AND
    gc->>'$.cpu.sweep_ns' + gc->>'$.cpu.sweep_allocating_ns' > 0" "$ours"
expect_all exact "the CPU that is clocked lies within the process's" "gc->>'$.cpu.mark_ns' + gc->>'$.cpu.sweep_ns' +
    gc->>'$.cpu.stop_ns' <= gc->>'$.process_cpu_ns'" "$ours"
expect_all exact "the heap comes near its goal" "gc->>'$.heap.cycles' = gc->>'$.cycles' AND
    gc->>'$.heap.peak_over_goal' BETWEEN 0.95 AND 1.05 AND gc->>'$.heap.peak_over_goal_max' BETWEEN 0.95 AND 1.05 AND
    gc->>'$.heap.goal_bytes' >= 4194304" "$ours"
expect_all exact "a visit finds an object or more" \
    "gc->>'$.marker.span_objects' >= gc->>'$.marker.span_visits'" '^greentea-'

# none WHAT CONDITION [RUN]: no row meets it; those that do are shown.
none() {
    local got
    got=$(rows "${3:-small}" "SELECT subject, knobs, workload, mode, status, 'attempt ' || attempt,
        coalesce(json_remove(gc, '\$.pauses.lengths_ns'), 'no gc') FROM chosen WHERE $2")
    [[ -z $got ]] || fail "$1: expected no row where $2; there was: $got"
}
none "a subject without a collector tells of one" "gc IS NOT NULL AND (subject = 'glibc' OR subject LIKE 'nogc-%')"
none "warm-up counts as a section" "mode = 'throughput' AND workload = 'binary-trees' AND gc->>'$.sections' <> 2"

# ---- no-GC: in the table and in the CSV, for exactly the cells with fewer than 20 collections
one=${collecting[0]}
for text in "collections in a timed section; share of CPU (lower is better)" \
    "MMU, mutator utilisation (higher is better)"; do
    grep -qF "$text" small.out || fail "no table says '$text': $(cat small.out)"
done
"$spanlab" export small --format=csv >small.csv
while IFS=$'\t' read -r cell subject params least; do
    [[ $least -lt 20 ]] && wanted=no-GC || wanted=ok
    got=$(awk -F, -v cell="$cell" '$2 == cell && /,gc_collections,/ {print $NF}' small.csv)
    [[ $got == "$wanted" ]] || fail "$subject $params: $least collections, and the CSV says '$got', not $wanted"
done < <(rows small "SELECT cell_id, subject || '|' || knobs, params, gc->>'$.least_cycles' FROM chosen WHERE
    mode = 'throughput' AND status = 'ok' AND gc IS NOT NULL")
grep -q 'no-GC' small.csv ||
    fail "no row says no-GC, though trees of depth 8 are collected less than 20 times: $(grep gc_collections small.csv)"
grep -q ',gc_mmu_10ms,[0-9.e-]*,ratio,higher,' small.csv ||
    fail "the CSV does not say that a higher MMU is better: $(grep -m 3 ',gc_mmu_10ms,' small.csv)"
grep -Eq "^ +[0-9]+ no-GC |^  $one +[0-9]+ no-GC " small.out ||
    fail "the table of $one does not say no-GC: $(grep -A 1 "^  $one" small.out)"

# ---- a run of marking and of a knob that is swept
marking=() swept=()
for subject in "${collecting[@]}"; do
    case $subject in
    bdwgc) marking+=("bdwgc|markers=1") swept+=("bdwgc|divisor=1" "bdwgc|divisor=4" "bdwgc|markers=2") ;;
    *-tiny-sizeclass) swept+=("$subject|GOGC=30" "$subject|GOGC=400") ;;&
    *-tiny-sizeclass | go-*) marking+=("$subject|GOMAXPROCS=1,gcstoptheworld=1") ;;
    esac
done
# mark INVOCATIONS SUBJECT...: an empty heap and one with 40,000 nodes
mark() {
    local invocations=$1 workload
    shift
    for workload in mark-empty mark-perfect-tree; do
        printf '  - workloads: [%s]\n    subjects: [%s]\n' $workload "$(printf '"%s", ' "$@")"
        printf '    params: collections=20\n    invocations: %s\n    iterations: 1\n    warmup: 0\n' "$invocations"
    done | sed '/perfect/,$s/params: .*/&,nodes=40/'
}
{
    echo cells:
    mark 6 "${marking[0]}" # an interval takes six processes; for the difference alone three are as good
    mark 3 "${marking[@]:1}"
    cat <<EOT
  - workloads: [binary-trees]
    subjects: [$(printf '"%s", ' "${swept[@]}")nogc-tiny-sizeclass, manual-tiny-sizeclass]
    params: depth=14
    invocations: 1
    memory: 1
    iterations: 1
    warmup: 0
EOT
} >knobs.yaml
mapfile -t programs < <(printf '%s\n' manual nogc-tiny-sizeclass "${marking[@]%%|*}" "${swept[@]%%|*}" | sort -u)
measure knobs "${programs[@]}"

# ---- marking: the difference of two cells, in milliseconds
sed -n '/^MARKING/,/^$/p' knobs.out >marked
grep -q "^MARKING, ms of CPU per forced collection beyond an empty heap's, lower is better" marked ||
    fail "no table of marking: $(cat knobs.out)"
# median WORKLOAD SUBJECT: of a cell's processes, the one or the mean of the two in the middle
median() {
    rows knobs "WITH figure AS (SELECT cpu_ns * 1.0 / ops AS cpu FROM sample JOIN chosen ON chosen.id = invocation_id
        WHERE workload = '$1' AND subject = '${2%%|*}' AND status = 'ok')
        SELECT avg(cpu) FROM (SELECT cpu FROM figure ORDER BY cpu LIMIT 2 - (SELECT count(*) FROM figure) % 2
        OFFSET (SELECT (count(*) - 1) / 2 FROM figure))"
}
for subject in "${marking[@]}"; do
    wanted=$(awk -v full="$(median mark-perfect-tree "$subject")" -v empty="$(median mark-empty "$subject")" \
        'BEGIN {printf "%.2f", (full - empty) / 1e6}')
    shown=$(awk -v subject="$subject" '$1 == subject {print $2}' marked)
    [[ $shown == "$wanted" ]] ||
        fail "$subject: marking is shown as '$shown' ms, and the store gives $wanted: $(cat marked)"
done
awk -v subject="${marking[0]}" '$1 == subject && NF == 4 {found = 1} END {exit !found}' marked ||
    fail "six processes of ${marking[0]} have no interval beside the figure: $(cat marked)"
# With the world stopped there is one stop for each collection of ours, and every collection was asked for.
none "20 forced collections with the world stopped are not 20 stops" "workload LIKE 'mark-%' AND
    (subject LIKE 'classic-%' OR subject LIKE 'greentea-%') AND (gc->>'$.cycles' IS NOT 20 OR
    gc->>'$.forced_cycles' IS NOT 20 OR gc->>'$.pauses.count' IS NOT 20)" knobs
# mark-empty has no nodes, and says so.
planned=$("$spanlab" plan -m marking -w mark-empty 2>&1 || true)
[[ $planned == *"mark-empty"*"collections=20"* ]] || fail "the matrix marking plans no mark-empty: $planned"
sed -i 's/params: collections=20$/params: collections=20,nodes=4/' knobs.yaml
planned=$(SPANLAB_BENCH_DIR=$work/knobs.bench "$spanlab" plan -m knobs.yaml 2>&1 || true)
[[ $planned == *"mark-empty has no parameter 'nodes'"* ]] || fail "an empty heap of 4,000 nodes is planned: $planned"

# ---- the sweep of a knob: curves of cost over footprint, between two bounds
sed -n '/^TIME AND SPACE/,/^$/p' knobs.out >curves
for subject in "${swept[@]%%|*}"; do
    grep -q "^  $subject .* to [0-9.]*$" curves || fail "no curve of $subject in: $(cat curves)"
done
ratio=$(rows knobs "SELECT printf('%.2f', (SELECT record->>'$.memory.peak_rss_bytes' FROM chosen WHERE
    mode = 'memory' AND subject LIKE 'nogc-%') * 1.0 / (record->>'$.memory.peak_live_bytes')) FROM chosen WHERE mode = 'memory' AND
    subject LIKE 'manual-%'")
grep -q "explicit free (manual-tiny-sizeclass) 1 at .*; never freed (nogc-tiny-sizeclass) .* at $ratio$" curves ||
    fail "the bounds are not those of the store, $ratio times live: $(cat curves)"

# section RUN FROM TO: the run's page between two anchors, in section.html
section() {
    sed -n "/<h2 id=\"$2\">/,/<h2 id=\"$3\">/p" "$1/report/index.html" >section.html
    [[ -s section.html ]] || fail "the page of $1 has no part $2"
}
# shows TEXT...: each stands in section.html
shows() {
    local text texts
    texts=$(grep -o '>[^<>]*</text>' section.html | sort -u | tr '\n' ' ')
    for text; do
        grep -qF -- "$text" section.html || fail "the page does not show '$text'; its texts: $texts"
    done
}
section knobs timespace collectors
shows 'never freed' 'explicit free' 'LBO (lower is better)' "${swept[0]%%|*}"

# ---- the page
section small collectors policies
for subject in "${collecting[@]}"; do
    # beside the bars of both rows
    shown=$(grep -oF ">$subject</text>" section.html | wc -l)
    [[ $shown == 2 ]] || fail "the page names $subject beside $shown figures, not 2"
done
shows 'lower is better' 'higher is better' 'no-GC' '>mark</text>' '>assist</text>' '>sweep</text>' '>stop</text>' \
    '>100 ms</text>'
section knobs collectors policies
shows '<h3>Marking</h3>'
exit $failed
