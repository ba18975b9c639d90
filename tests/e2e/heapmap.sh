#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spanlab heapmap: what its captions say is what its runs add up to and what the record counted; bad input gets one line.
set -euo pipefail

spanlab=$SPANLAB_BUILD/bin/spanlab
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Each start of spanlab asks every program what it has: here those that are drawn.
mkdir programs
ln -s "$SPANLAB_BUILD"/bin/bench-{manual,nogc-tiny-sizeclass} programs/
export SPANLAB_BENCH_DIR=$work/programs

fail() {
    printf 'heapmap: %s\n' "$*" >&2
    exit 1
}

# expect CODE TEXT COMMAND...: the exit code, and a piece of what is printed, which for an error is one line.
expect() {
    local code=$1 text=$2 got=0 out
    shift 2
    out=$("$@" 2>&1 </dev/null) || got=$?
    [[ $got == "$code" ]] || fail "exit $got instead of $code: $* : $out"
    [[ $out == *"$text"* ]] || fail "'$text' is not in what $* printed: $out"
    [[ $code == 0 || $(wc -l <<<"$out") == 1 ]] || fail "more than one line: $out"
}

# caption FILE MOMENT PART: the exact bytes that a panel's table shows.
caption() {
    sed -n "/<g id=\"moment-$2\">/,/<g id=\"moment-$(($2 + 1))\">/p" "$1" |
        sed -n "s/.*data-part=\"$3\">\([0-9,]*\) B<.*/\1/p" | tr -d ,
}

# draws FILE TEXT WHAT: the text stands in the drawing
draws() {
    grep -q -- "$2" "$1" || fail "$1: $3: no '$2' in: $(grep -o '>[^<>]*</text>' "$1" | awk 'NR <= 60' | tr '\n' ' ')"
}

# runs FILE MOMENT CONDITION WHAT: WHAT summed over the runs that meet the condition. Columns: docs/record.md.
runs() {
    sqlite3 :memory: "WITH r AS (SELECT json_extract(value,'\$[0]') kind, json_extract(value,'\$[2]')*8192 bytes,
        json_extract(value,'\$[5]') released, json_extract(value,'\$[9]') used
        FROM json_each(CAST(readfile('$1') AS TEXT),'\$.map.moments[$2].runs'))
        SELECT coalesce(sum($4),0) FROM r WHERE $3"
}

field() {
    sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT),'$2')"
}

same() {
    [[ -n $2 && $2 == "$3" ]] || fail "$1: '$2' in the drawing, but '$3'"
}

# Every tag is closed, in order, and names no attribute twice.
well_formed() {
    awk 'BEGIN { RS = "<" } NR > 1 {
        tag = $0; sub(/>.*/, "", tag)
        if (tag ~ /^[?!]/) next
        name = tag; sub(/[ \/].*/, "", name)
        if (tag ~ /^\//) { name = substr(tag, 2); if (stack[depth--] != name) { print "closes " name; exit 1 } next }
        split("", seen)
        for (rest = tag; match(rest, /[a-zA-Z-]+="[^"]*"/); rest = substr(rest, RSTART + RLENGTH)) {
            attribute = substr(rest, RSTART, RLENGTH); sub(/=.*/, "", attribute)
            if (seen[attribute]++) { print name " has two " attribute; exit 1 }
        }
        if (tag !~ /\/$/) stack[++depth] = name
    } END { if (depth != 0) { print "left open: " stack[depth]; exit 1 } }' "$1" || fail "$1 is no well-formed SVG"
}

# ---- a manual build: every caption is the sum of the runs, and at the two ends it is what the subject counted itself
expect 0 "3 moments of sawtooth on manual-tiny-sizeclass" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass -m smoke \
    -o saw.svg --raw saw.json
well_formed saw.svg
for moment in 0 1 2; do
    same occupied "$(caption saw.svg $moment occupied)" "$(runs saw.json $moment true used)"
    same "free in span" "$(caption saw.svg $moment free_in_span)" "$(runs saw.json $moment 'used>0' bytes-used)"
    same "empty spans" "$(caption saw.svg $moment empty_spans)" "$(runs saw.json $moment "kind='span' AND used=0" bytes)"
    same "free pages" "$(caption saw.svg $moment free_pages)" "$(runs saw.json $moment "kind='free'" bytes)"
    same cached "$(caption saw.svg $moment cached)" "$(runs saw.json $moment "kind='cached' AND NOT released" bytes)"
    same released "$(caption saw.svg $moment released)" \
        "$(runs saw.json $moment "kind='released' OR (kind='cached' AND released)" bytes)"
    same requested "$(caption saw.svg $moment requested)" "$(field saw.json "\$.map.moments[$moment].live_bytes")"
done
for pair in "1 end" "2 drained"; do
    read -r moment when <<<"$pair"
    same "occupied at $when" "$(caption saw.svg "$moment" occupied)" "$(field saw.json "\$.record.counters.$when.allocated_bytes")"
    same "free in span at $when" "$(caption saw.svg "$moment" free_in_span)" \
        "$(($(field saw.json "\$.record.counters.$when.free_in_span_bytes") + $(field saw.json "\$.record.counters.$when.dead_bytes")))"
    same "held at $when" "$(caption saw.svg "$moment" held)" "$(field saw.json "\$.record.counters.$when.committed_bytes")"
    same "metadata at $when" "$(caption saw.svg "$moment" metadata)" "$(field saw.json "\$.record.counters.$when.metadata_bytes")"
done
unaccounted=$(field saw.json '$.record.fragmentation.unaccounted_bytes')
[[ $unaccounted == 0 ]] || fail "the parts are not all that is committed: unaccounted for are '$unaccounted' bytes"
same "requested at the end" "$(caption saw.svg 1 requested)" "$(field saw.json '$.record.fragmentation.requested_bytes')"
full=$(caption saw.svg 1 occupied) drained=$(caption saw.svg 2 occupied)
((10#$full > 10#$drained)) || fail "draining freed nothing: occupied were $full bytes before and $drained after"
draws saw.svg "Occupied includes .* that the harness itself holds" "the harness's own objects are not told apart"
draws saw.svg "released pages" "the free end of the heap is not folded"
draws saw.svg 'class="address">0x' "the arena has no address"

# ---- chosen moments, a knob, a second thread; and a traced build, whose spans hold pointers
expect 0 "4 moments" "$spanlab" heapmap -w sawtooth -s 'manual-tiny-sizeclass|preset=faithful' -m smoke -t 2 --at 0,0.25,0.75 -o at.svg
well_formed at.svg
draws at.svg "At 0 % of the operations" "the first moment is not at 0 %"
draws at.svg "2 threads" "the drawing does not say how many threads"
draws at.svg "preset = faithful" "the drawing does not say which knob was in force"
expect 0 "3 moments of binary-trees" "$spanlab" heapmap -w binary-trees -s nogc-tiny-sizeclass -m smoke -o traced.svg
well_formed traced.svg
draws traced.svg "objects with pointers" "pointers are not marked"

# ---- a heap too large for a page per cell says so
expect 0 "moments" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass -o large.svg --at 1
well_formed large.svg
draws large.svg "One cell is 2 pages" "the drawing does not say how many pages a cell is"

# ---- bad input
expect 2 "heap maps need a goalloc subject: glibc" "$spanlab" heapmap -w sawtooth -s glibc -m smoke
expect 2 "did you mean 'sawtooth'" "$spanlab" heapmap -w sawtoth -s manual-tiny-sizeclass
expect 2 "did you mean 'manual-tiny-sizeclass'" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclas
expect 2 "ascending shares of the operations" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass -m smoke --at 0.5,0.2
expect 2 "ascending shares of the operations" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass -m smoke --at half
expect 2 "which workload?" "$spanlab" heapmap -s manual-tiny-sizeclass
expect 2 "which subject?" "$spanlab" heapmap -w sawtooth
expect 2 "one subject with one thread count" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass,manual-notiny-sizeclass -m smoke
expect 4 "cannot write" "$spanlab" heapmap -w sawtooth -s manual-tiny-sizeclass -m smoke -o nowhere/map.svg
