#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What a run may use of its machine: affinity and limits of control groups are recorded and shown, cells of more threads than
# processors are marked in table, page and CSV; and what is left of a budget is never below zero.
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
lacks line limit
machine '0::/' cores cpu.max nonsense memory.max ''
lacks line quota
machine 'nonsense' cores
machine '' cores
SPANLAB_BENCH_DIR=$work/programs

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
