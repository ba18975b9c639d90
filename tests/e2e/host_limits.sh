#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a run may use of its machine: affinity, limits of control groups and of resources and strict overcommit are recorded and
# shown, cells of more threads than processors are marked in table, page and CSV; and what is left of a budget is never below
# zero.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
only_programs manual

# has FILE TEXT / lacks FILE TEXT
has() { grep -qF -- "$2" "$1" || fail "expected '$2' in $1, there was: $(head -c 1500 "$1")"; }
lacks() { if grep -F -- "$2" "$1" >there; then fail "expected no '$2' in $1, there was: $(head -c 500 there)"; fi; }

# ---- control groups, in a tree of our own: LINE of /proc/self/cgroup, FILE CONTENT..., expected line of doctor
machine() {
    local line=$1 expected=$2
    shift 2
    rm -rf root
    mkdir -p root/proc/self
    printf '%s\n' "$line" >root/proc/self/cgroup
    while (($# > 0)); do
        mkdir -p "root/sys/fs/cgroup/$(dirname "$1")"
        printf '%s\n' "$2" >"root/sys/fs/cgroup/$1"
        shift 2
    done
    SPANLAB_TEST_SYSTEM_ROOT=$work/root "$spanlab" doctor >doctor 2>&1 || [[ $? == 3 ]] || fail "doctor: exit $?"
    grep '^[a-z]* *processors ' doctor >line || fail "doctor has no line of processors: $(<doctor)"
    [[ $(<line) == *"$expected"* ]] || fail "$line, $*: expected '$expected', there was: $(<line)"
}
mkdir one
ln -s "$SPANLAB_BUILD"/bin/bench-nogc-tiny-sizeclass one/
SPANLAB_BENCH_DIR=$work/one
machine '0::/' 'CPU quota 0.50 processors' cpu.max '50000 100000'
has line 'take turns'
machine '0::/a/b' 'CPU quota 0.25 processors, memory limit 64 MiB' a/b/cpu.max 'max 100000' a/cpu.max '25000 100000' \
    a/b/memory.max 67108864 a/memory.max 134217728 cpu.max '200000 100000'
machine '0::/gone/in/a/container' 'CPU quota 1.50 processors, memory limit 512 MiB' cpu.max '150000 100000' memory.max 536870912
machine $'4:memory:/m\n2:cpu,cpuacct:/c\n0::/' 'CPU quota 0.75 processors, memory limit 256 MiB' \
    cpu,cpuacct/c/cpu.cfs_quota_us 75000 cpu,cpuacct/c/cpu.cfs_period_us 100000 cpu,cpuacct/cpu.cfs_quota_us -1 \
    memory/m/memory.limit_in_bytes 268435456 memory/memory.limit_in_bytes 9223372036854771712
machine '0::/' cores cpu.max 'max 100000' memory.max max
lacks line quota
lacks line 'memory limit'
machine '0::/' cores cpu.max nonsense memory.max ''
lacks line quota
machine 'nonsense' cores
machine '' cores

# ---- limits of resources, and strict overcommit

# under ULIMIT COMMAND...: ULIMIT is "-v 1000 -n 30", soft
under() {
    local -a limits
    read -ra limits <<<"$1"
    shift
    (
        for ((i = 0; i < ${#limits[@]}; i += 2)); do
            ulimit -S "${limits[i]}" "${limits[i + 1]}" || exit 99
        done
        exec "$@"
    )
}
# limited ULIMIT EXPECTED: the line of doctor
limited() {
    under "$1" env SPANLAB_TEST_SYSTEM_ROOT="$work/root" "$spanlab" doctor >doctor 2>&1 || [[ $? == 3 ]] || fail "doctor under $1: exit $?"
    grep '^[a-z]* *resource limits ' doctor >line || fail "doctor under $1 has no line of limits: $(<doctor)"
    [[ $(<line) == *"$2"* ]] || fail "ulimit $1: expected '$2', there was: $(<line)"
}
# Where nothing is limited before; a host may have limits that no test can lift.
plain='-v unlimited -d unlimited -t unlimited -s 8192'
lifted=1
under "$plain" true 2>/dev/null && (($(ulimit -n) >= 256)) && [[ $(ulimit -u) == unlimited || $(ulimit -u) -ge 2048 ]] || lifted=0
((lifted)) || plain=
limited '-v 4000000' 'address space limit 4000000 KiB'
has line warn
limited '-d 4194304' 'data limit 4096 MiB'
limited '-s 4096' 'stack limit 4 MiB'
limited '-s 1000' 'stack limit 1000 KiB'
limited '-t 600' 'processor time limit 600 s'
limited '-n 100' 'open file limit 100'
limited '-v 4000000 -t 600' 'address space limit 4000000 KiB, '
lacks line locked
if [[ $(ulimit -H -u) == unlimited || $(ulimit -H -u) -ge 2000 ]]; then limited '-u 2000' 'process limit 2000'; fi
if [[ $(ulimit -H -s) == unlimited ]]; then limited '-s unlimited' 'no stack limit'; fi
if ((lifted)); then
    limited "$plain" 'none that matters'
    has line ok
    limited "$plain -l 64" 'none that matters' # nothing locks memory
fi
overcommit() {
    rm -rf root
    mkdir -p root/proc/sys/vm
    while (($# > 1)); do
        printf '%s\n' "$2" >"root/proc/sys/vm/overcommit_$1"
        shift 2
    done
    limited "$plain" "$1"
}
overcommit memory 2 ratio 50 kbytes 0 'strict overcommit at 50 % of memory'
overcommit memory 2 ratio 0 kbytes 524288 'strict overcommit at 512 MiB'
overcommit memory 2 'strict overcommit'
if ((lifted)); then
    overcommit memory 0 ratio 50 kbytes 0 'none that matters'
    overcommit memory 1 ratio 50 kbytes 0 'none that matters'
    overcommit 'none that matters'
fi
SPANLAB_BENCH_DIR=$work/programs

bounds='-v 8000000 -s 4096 -t 6000'
rm -rf root
mkdir -p root/proc/sys/vm
echo 2 >root/proc/sys/vm/overcommit_memory
echo 80 >root/proc/sys/vm/overcommit_ratio
echo 0 >root/proc/sys/vm/overcommit_kbytes
small=("$spanlab" run -m smoke -w pair -s glibc --seed 1)
SPANLAB_TEST_SYSTEM_ROOT=$work/root under "$bounds" "${small[@]}" -o limited >limited.txt 2>err || fail "run under limits: exit $?: $(<err)"
told=('address space limit 8000000 KiB' 'stack limit 4 MiB' 'processor time limit 6000 s' 'strict overcommit at 80 % of memory')
for text in "${told[@]}"; do
    has limited.txt "$text"
    has limited/report/index.html "$text"
done
"$spanlab" export limited --format=gbench >limited.json
for fact in '"address_space_limit_bytes": 8192000000' '"stack_limit_bytes": 4194304' '"processor_time_limit_seconds": 6000' \
    '"overcommit": "2"' '"overcommit_ratio": 80' '"overcommit_kbytes": 0'; do
    has limited/manifest.json "$fact"
    has limited.json "$fact"
done
# refused TEXT LIMITS RUN: resume ends with 2 and TEXT
refused() {
    local got=0 said
    said=$(under "$2" "$spanlab" resume "$3" 2>&1) || got=$?
    [[ $got == 2 && $said == *"other limits"*"$1"* ]] || fail "resume $3 under '$2': expected a refusal with '$1', there was exit $got, $said"
}
SPANLAB_TEST_SYSTEM_ROOT=$work/root under "$bounds" "$spanlab" resume limited >said 2>&1 || fail "resume under the same limits: exit $?: $(<said)"
refused 'strict overcommit' "$bounds" limited
export SPANLAB_TEST_SYSTEM_ROOT=$work/root
refused 'stack limit 4 MiB' '-v 8000000 -s 4095 -t 6000' limited
refused 'address space limit 8000000 KiB' '-v 8000004 -s 4096 -t 6000' limited
echo 0 >root/proc/sys/vm/overcommit_memory
if ((lifted)); then
    under "$plain" "${small[@]}" -o unlimited >unlimited.txt 2>err || fail "run: exit $?: $(<err)"
    grep '^Machine' unlimited.txt >line || fail "no line of the machine: $(<unlimited.txt)"
    lacks line ' limit '
    has unlimited/manifest.json '"address_space_limit_bytes": null'
    refused 'data limit 8000000 KiB' '-d 8000000' unlimited
fi
unset SPANLAB_TEST_SYSTEM_ROOT
# A run that was recorded before all this is shown without it.
sqlite3 limited/run.sqlite "UPDATE meta SET value = json_remove(value, '\$.address_space_limit_bytes', '\$.data_limit_bytes',
    '\$.stack_limit_bytes', '\$.processor_time_limit_seconds', '\$.process_limit', '\$.open_file_limit',
    '\$.locked_memory_limit_bytes', '\$.overcommit_ratio', '\$.overcommit_kbytes') WHERE key = 'host'"
"$spanlab" report limited >said 2>&1 || fail "report of a run without recorded limits: exit $?: $(<said)"
has limited/report/index.html 'strict overcommit</td>'
lacks limited/report/index.html ' limit '
"$spanlab" export limited --format=gbench >limited.json || fail "export of a run without recorded limits: exit $?"
lacks limited.json stack_limit

# ---- affinity
allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*\([0-9]*\).*/\1/p' /proc/self/status)
run=("$spanlab" run -m smoke -w larson-bench -s glibc --seed 1)
taskset -c "$allowed" "${run[@]}" -o bound >bound.txt 2>err || fail "run on processor $allowed: exit $?: $(<err)"
has bound/manifest.json '"processors": 1'
has bound/manifest.json "\"processor_list\": \"$allowed\""
has bound.txt 'larson-bench×2! '
has bound.txt 'SHARED  larson-bench×2!: more threads than processors (1)'
has bound/report/index.html 'larson-bench×2!'
has bound/report/index.html 'threads take turns'
"$spanlab" export bound --format=csv >bound.csv
[[ $(grep -c ',2,manual,.*,time,.*,shared$' bound.csv) == 1 ]] || fail "expected one time marked as shared: $(<bound.csv)"
grep ',1,manual,' bound.csv >alone.csv
lacks alone.csv ',shared'
"$spanlab" export bound --format=gbench >bound.json
has bound.json '"processors": 1'
if (($(nproc) > 1)); then
    has bound.txt "Machine: 1 of $(getconf _NPROCESSORS_ONLN) cores ($allowed)"
    "${run[@]}" -o free >free.txt 2>err || fail "run: exit $?: $(<err)"
    lacks free.txt 'SHARED'
    lacks free.txt '×2!'
    lacks free/report/index.html 'threads take turns'
    got=0
    said=$("$spanlab" resume bound 2>&1) || got=$?
    [[ $got == 2 && $said == *"another part of one"* ]] || fail "resume with more processors: exit $got, $said"
fi
# A quota is recorded, too.
mkdir -p root/proc/self root/sys/fs/cgroup
echo '0::/' >root/proc/self/cgroup
echo '100000 100000' >root/sys/fs/cgroup/cpu.max
SPANLAB_TEST_SYSTEM_ROOT=$work/root "${run[@]}" -o quota >quota.txt 2>err || fail "run with a quota: exit $?: $(<err)"
has quota.txt 'CPU quota 1.00 processors'
has quota.txt 'SHARED  larson-bench×2!'

# ---- a budget larger than the plan: processes are added, and what is left falls to zero
"$spanlab" run -m smoke -w pair,larson-bench -s glibc -n 2 -b 2s -o budget >budget.txt 2>err || fail "run -b: exit $?: $(<err)"
grep ' ETA ' err >etas || fail "a run without a terminal tells no time left: $(<err)"
lacks etas 'ETA -'
# [done/planned]: never more done than planned
awk -F'[][/]' '$2 + 0 > $3 + 0 { print; bad = 1 } END { exit bad }' etas || fail "more processes are done than planned"
exit $failed
