#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Real programs under `ulimit -v` of 256 MiB, with either preset; a second argument is bench-manual. sort and python ask for
# more than there is: both must be told so, by a NULL that they survive, and get again what they gave back.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
bench=${2:-}
limit_kib=262144
need perl
need sort
python=/usr/bin/python3
need $python
export PERL_HASH_SEED=0 PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

# limited SCRIPT: bash itself, preloaded, sets the limit for itself and for what it starts.
limited() {
    same bash -euo pipefail -c "ulimit -v $limit_kib; $1" bash "${@:2}"
}

# A pipe has no size, so sort asks for what it was told to, and halves until it is granted. Its lines, 120 MB, exceed
# what it then gets: it sorts in pieces and merges files. Given more in advance than the limit, it would not need to ask
# again. One thread, since the stacks of one per processor may take what the limit leaves.
sort_lines() {
    limited 'ulimit -v 131072
        awk "BEGIN {
            pad = sprintf(\"%150s\", \"\")
            for (i = 0; i < 700000; i++) { n = (n * 69069 + 12345) % 4294967296; print n, i pad }
        }" | sort --parallel=1 -S 3G -T . | cksum'
}

# Until MemoryError, three times, for pieces of several kinds: what was freed must be granted again. 300 MiB never are:
# the C interface then says ENOMEM. (Pieces that leave room for small objects: python needs some to handle the exception.
# Small pieces are what tests/conformance/limit.c takes.)
cat >"$work/exhaust.py" <<'E2'
import ctypes, errno, resource
limit = resource.getrlimit(resource.RLIMIT_AS)[0]
libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in (("malloc", (limit + (44 << 20),)), ("calloc", (300, 1 << 20)), ("aligned_alloc", (4096, limit))):
    call = getattr(libc, name)
    call.restype, call.argtypes = ctypes.c_void_p, [ctypes.c_size_t] * len(arguments)
    ctypes.set_errno(0)
    got = call(*arguments)
    print(name, got, errno.errorcode[ctypes.get_errno()])
def take_all(size):
    pieces = []
    try:
        while True:
            pieces.append(bytearray(size))
    except MemoryError:
        return len(pieces)
for size in (40 << 20, 1 << 20, 100000):
    counts = [take_all(size) for _ in range(3)]
    enough = min(counts) * size >= limit // 4
    again = min(counts[1:]) >= counts[0] * 9 // 10
    print(size, "enough" if enough else counts, "again" if again else counts)
print(sum(len(str(i)) for i in range(200000)))
E2

checksum() {
    sed -n 's/.*"checksum":"\([0-9a-f]\{16\}\)".*/\1/p' <<<"$1"
}

# workload NAME [FLAG...]: one iteration at smoke size.
workload() {
    exec "$bench" --spanlab-workload="$1" --spanlab-smoke --spanlab-warmup=0 --spanlab-iterations=1 "${@:2}"
}

# "NAME CHECKSUM" of every workload on libc's allocator without a limit, as `checksums`.
plain_checksums() {
    local name
    needed+=("$bench")
    checksums=${SPANLAB_PLAIN:-$work}/checksums-$(key_of workloads)
    [[ ! -f $checksums ]] || return 0
    for name in $("$bench" --spanlab-catalog | sed -n '/^ "workloads"/,$s/^   "name": "\(.*\)".*/\1/p'); do
        echo "$name $(checksum "$(workload "$name")")"
    done >"$work/checksums"
    keep "$work/checksums" "$checksums"
}

# Every workload of bench-manual: the record is ok, and the checksum that of libc without a limit.
run_workloads() {
    local count=0 name expected record status subject=${library##*/libgoalloc-}
    subject=${subject%.so}
    while read -r name expected; do
        status=0
        record=$(ulimit -v $limit_kib && LD_PRELOAD=$library workload "$name" --spanlab-expect="$subject" \
            --spanlab-library="$library" 2>&1) || status=$?
        [[ $status == 0 && $record == *'"status":"ok"'* && -n $expected &&
            $(checksum "$record") == "$expected" ]] || {
            echo "FAILED: workload $name under the limit: expected exit 0, status ok, checksum $expected;" \
                "there was exit $status, checksum $(checksum "$record"): ${record:0:2000}"
            exit 1
        }
        count=$((count + 1))
    done <"$checksums"
    ((count >= 5)) || { echo "FAILED: expected 5 workloads at least in the catalog, there were $count"; exit 1; }
    echo "$GOALLOC_PRESET: $count workloads"
}

uses_library bash -c "ulimit -v $limit_kib; perl -e 'print join q(,), map { q(x) x \$_ } 1 .. 100'"
sort_lines
[[ -z $bench ]] || plain_checksums
export GOALLOC_PRESET
for GOALLOC_PRESET in tuned faithful; do
    limited 'perl "$1"' "$here/program.pl"
    limited "$python \"\$1\"" "$work/exhaust.py"
    cat "$work/preloaded/output.txt"
    [[ -z $bench ]] || run_workloads
done
