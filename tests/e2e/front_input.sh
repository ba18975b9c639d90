#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# YAML files and options: a value that is not of its field's type and range costs one line, which names the field, the value
# and what is allowed, and nothing runs.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
only_programs manual

# refuses TEXT... -- WORD...: spanlab WORD... exits 2 with one line on standard error that has each TEXT.
refuses() {
    local texts=() got=0
    while [[ $1 != -- ]]; do texts+=("$1"); shift; done
    shift
    "$spanlab" "$@" >out 2>err </dev/null || got=$?
    [[ $got == 2 ]] || fail "$*: expected exit 2, there was $got: $(head -c 400 out err)"
    [[ $(wc -l <err) == 1 && $(wc -c <err) -lt 5000 && ! -s out ]] ||
        fail "$*: expected one line, there was: $(head -c 400 out err)"
    for text in "${texts[@]}"; do
        [[ $(<err) == *"$text"* ]] || fail "$*: expected '$text', there was: $(head -c 400 err)"
    done
    [[ ! -e results ]] || fail "$*: a run was begun"
}

# yaml TEXT... -- FILE: the matrix of this text (of printf) is refused so; `plans FILE`: it is taken.
yaml() {
    local texts=()
    while [[ $1 != -- ]]; do texts+=("$1"); shift; done
    # shellcheck disable=SC2059 # the file is a format
    printf -- "$2" >bad.yaml
    refuses bad.yaml "${texts[@]}" -- plan -m bad.yaml -s glibc
}
plans() {
    # shellcheck disable=SC2059
    printf -- "$1" >good.yaml
    "$spanlab" plan -m good.yaml -s glibc >out 2>err || fail "expected a plan of '$1', there was: $(<err)"
    [[ -z ${2:-} || $(<out) == *"$2"* ]] || fail "expected '$2' in the plan of '$1', there was: $(<out)"
}
cell='cells:\n  - workloads: [pair]\n'

# ---- what is fine
plans "$cell" '5×(1+5)'
plans "$cell    warmup: 0\n    invocations: 2\n    iterations: 3\n" '2×(0+3)'
plans "$cell    # warmup is not said\n  - workloads: [batch]\n    warmup: 0\n" '5×(1+5)'
plans "$cell    memory: 2\n" ' - '
plans "$cell    smoke: Yes\n    threads: [1, 2]\n"
plans 'cells: [{workloads: ["null"], smoke: false}]'
plans "summary: ''\n$cell"
plans "--- # one document\n$cell...\n"
plans "cells:\n  - &one {workloads: [pair]}\n  - *one\n" '1 cells'
plans "$cell    params: size=100\n" 'size=100'

# ---- files
yaml "it is empty" -- ''
yaml "it is empty" -- '# a comment\n\n# and another\n'
yaml "it is empty" -- '---\n'
refuses "is a folder" -- plan -m "$work"
refuses "is a folder" -- plan -m .
mkdir a-folder
refuses "a-folder is a folder" -- run -m a-folder
refuses "there is no matrix 'nowhere.yaml'" -- plan -m nowhere.yaml
refuses "is larger than" -- plan -m /dev/zero
head -c 2000 /dev/urandom >junk.yaml
refuses "junk.yaml is not a matrix" -- plan -m junk.yaml
yaml "second document" "line: 4" -- "$cell---\n$cell"
yaml "second document" -- "$cell---\nnonsense\n"
yaml "is not a matrix" -- "$cell--- [\n"
yaml "must be a map" -- 'just a text\n'
yaml "must be a map" -- '- a\n- list\n'
yaml "line: 2" -- "cells:\n\t- workloads: [pair]\n"
yaml "line: 2" -- 'cells: [\n'
yaml "is not a matrix" -- 'cells: *nowhere\n'
yaml "is not a matrix" -- "cells:\n  - workloads: [pa\\000ir]\n"
yaml "is not a matrix" -- "cells:\n  - workloads: [\\377\\376]\n"
# Names of names of names: nothing is multiplied.
{
    echo 'a: &a [x, x, x, x, x, x, x, x, x]'
    previous=a
    for name in b c d e f g h i; do
        echo "$name: &$name [*$previous, *$previous, *$previous, *$previous, *$previous, *$previous, *$previous, *$previous]"
        previous=$name
    done
    echo 'cells: *i'
} >bomb.yaml
refuses "there is no field 'a'" -- plan -m bomb.yaml
printf 'cells: &a [*a]\n' >loop.yaml
refuses "loop.yaml is not a matrix" -- plan -m loop.yaml
printf '%.0s[' {1..3000} >deep.yaml
refuses "deep.yaml is not a matrix" -- plan -m deep.yaml

# ---- fields: each type, with what it is not
for value in 1.5 010 -1 1e3 0x10 3x "' 3'" "'3 '" 10001 99999999999999999999999 .nan .inf true ten '[1]' '{a: 1}' '' null '~' "''"; do
    yaml "cells[1].invocations" "a whole number from 0 to 10000" -- "$cell    invocations: $value\n"
done
yaml "'1.5'" -- "$cell    invocations: 1.5\n"
for field in iterations timeout; do yaml "cells[1].$field is '0'" "from 1 to" -- "$cell    $field: 0\n"; done
for field in memory warmup iterations timeout; do
    yaml "cells[1].$field is '4294967297'" -- "$cell    $field: 4294967297\n"
done
yaml "invocations and memory are both 0" -- "$cell    invocations: 0\n"
for value in maybe 1 0 truthy '[true]' '' null; do
    yaml "cells[1].smoke" "true or false" -- "$cell    smoke: $value\n"
done
for value in 0 1025 -1 1.5 two "''" "[1]"; do
    yaml "cells[1].threads[2]" "a whole number from 1 to 1024" -- "$cell    threads: [1, $value, 2]\n"
done
yaml "cells[1].threads" "a list" -- "$cell    threads: 2\n"
yaml "cells[1].threads" "a list of 0" -- "$cell    threads: []\n"
yaml "cells[1].threads is a map" -- "$cell    threads: {a: 1}\n"
yaml "cells[1].workloads" "a list" -- 'cells:\n  - workloads: pair\n'
yaml "cells[1].workloads" -- 'cells:\n  - workloads: []\n'
yaml "cells[1].workloads[1] is null" -- 'cells:\n  - workloads: [null]\n'
yaml "cells[1].workloads[1] is ''" -- "cells:\n  - workloads: ['']\n"
yaml "cells[1].workloads[2]" -- 'cells:\n  - workloads: [pair, [batch]]\n'
yaml "cells[1].subjects[1]" -- "$cell    subjects: [{a: b}]\n"
yaml "cells[1].params" -- "$cell    params: [size=1]\n"
for params in size size= =3 'size=1,size=2' ; do yaml "cells[1].params is '$params'" -- "$cell    params: '$params'\n"; done
for value in -1 1.5 010 0x10 9223372036854775808 ' 3' 3x; do
    printf "$cell    params: 'size=%s'\n" "$value" >bad.yaml
    refuses "parameter size of pair is '$value'" "a whole number from 0 to" -- plan -m bad.yaml -s glibc
done
printf "$cell    params: threads=2\n" >bad.yaml
refuses "given by the field threads" -- plan -m bad.yaml -s glibc
yaml "Missing required mapping field: cells[1].workloads" -- 'cells:\n  - threads: [1]\n'
yaml "Missing required mapping field: cells" -- 'summary: nothing\n'
yaml "cells is empty" -- 'cells:\n'
yaml "cells is a list of 0" -- 'cells: []\n'
yaml "cells[1].workloads is there twice" "line: 3" -- "$cell    workloads: [batch]\n"
yaml "cells is there twice" -- "$cell$cell"
yaml "there is no field 'thraeds'" "did you mean 'threads'?" "line: 3" -- "$cell    thraeds: [1]\n"
yaml "there is no field '<<'" -- "cells:\n  - <<: {workloads: [pair]}\n"
yaml "a field's name must be a text" -- "$cell    ? [a]\n    : 1\n"
long=$(printf '%.0sx' {1..3000})
yaml "cells[1].workloads[1]" "1 to 200 bytes" -- "cells:\n  - workloads: [$long]\n"
yaml "there is no field" -- "$cell    ${long:0:900}: 1\n"
printf '%s    threads: [%s]\n' "$(printf "$cell")
" "$(seq -s, 1 101)" >bad.yaml
refuses "a list of 101" "1 to 100" -- plan -m bad.yaml -s glibc
printf 'cells:\n  - workloads: [larson-bench]\n    invocations: 10000\n    memory: 1\n    threads: [%s]\n' \
    "$(seq -s, 1 100)" >many.yaml
refuses "1000100 processes would be run: at most 1000000" -- plan -m many.yaml -s glibc

# ---- options
for command in plan run; do
    base=("$command" -m smoke -w pair -s glibc)
    for value in 0 -1 1.5 010 10001 1e3 0x10 ' 3' 3x 99999999999999999999 nan ''; do
        refuses "--invocations is '$value'" "a whole number from 1 to 10000" -- "${base[@]}" -n "$value"
    done
    for value in 0 1.5 1, ,1 , 1,,2 1025 -1 010 x '1 2' ''; do
        refuses "--threads is '$value'" "whole numbers from 1 to 1024" -- "${base[@]}" -t "$value"
    done
done
for value in soon 0 -3m 1e3s inf nan 0x10m ' 3m' '3 m' 3d 3m5 1.2.3m 99999h ''; do
    refuses "--budget is '$value'" "write 90s, 30m or 2h" -- "${base[@]}" -b "$value"
    refuses "--budget is '$value'" -- resume -b "$value"
done
for value in -1 x 1.5 9223372036854775808 ''; do
    refuses "--seed is '$value'" "a whole number from 0 to" -- "${base[@]}" --seed "$value"
done
for value in , glibc, ,glibc glibc,,jemalloc ''; do
    refuses "--subjects is '$value'" "none of them empty" -- plan -m smoke -w pair -s "$value"
    refuses "--workloads is '$value'" "none of them empty" -- plan -m smoke -w "$value"
done
refuses "--output is ''" -- "${base[@]}" -o ''
refuses "--invocations is given twice" -- "${base[@]}" -n 1 -n 1
refuses "--subjects is given twice" -- "${base[@]}" -s jemalloc
refuses "--strict is given twice" -- "${base[@]}" --strict --strict
refuses "'more' is not an option" -- "${base[@]}" more
refuses "--frobnicate" -- "${base[@]}" --frobnicate
refuses "--invocations" -- "${base[@]}" --invocations
refuses "there is no workload '??" -- plan -m smoke -w $'\377\376'
refuses "there is no subject" -- plan -m smoke -w pair -s "$long"
refuses "there is no matrix" -- plan -m $'two\nlines'
refuses "runs locally only" -- "${base[@]}" --runner slurm
refuses "is given twice" -- export --format csv --format go
refuses "is not an option" -- export --format csv one two
refuses "is not an option" -- resume one two
for value in 1.5 nan 0x1 0.5, ,1 0.5,,1 ' 1' 1e0 -0.5; do
    refuses "at" "'$value'" "ascending shares" -- heapmap -w pair -s manual-tiny-sizeclass -m smoke --at "$value"
done
refuses "--threads is '1.5'" -- heapmap -w pair -s manual-tiny-sizeclass -t 1.5
refuses "--seed is 'x'" -- heapmap -w pair -s manual-tiny-sizeclass --seed x
for value in 0 -1 1.5 x ''; do refuses "--jobs is '$value'" "from 1 to 256" -- claims run --jobs "$value"; done
"$spanlab" plan -m '' --runner '' -w pair -s glibc >out 2>err || fail "what make hands over empty is not given: $(<err)"
exit $failed
