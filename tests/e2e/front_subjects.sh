#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A user's library, and a program that gives no catalog: one line before anything runs, or n/a where nothing needs it.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
only_programs manual nogc-tiny-sizeclass

# ends CODE TEXT WORD...: spanlab WORD... ends so, with TEXT in what it says; a refusal is one line.
ends() {
    local code=$1 text=$2 got=0
    shift 2
    "$spanlab" "$@" >out 2>err </dev/null || got=$?
    [[ $got == "$code" ]] || fail "$*: expected exit $code, there was $got: $(head -c 600 out err)"
    [[ $(<out)$(<err) == *"$text"* ]] || fail "$*: expected '$text', there was: $(<out)$(<err)"
    [[ $code == 0 || $(grep -c . err) == 1 ]] || fail "$*: expected one line, there was: $(<err)"
    [[ ! -e results ]] || fail "$*: a run was begun"
}

cat >allocator.c <<'C'
#include <stddef.h>
void *__libc_malloc(size_t);
void __libc_free(void *);
#ifdef NEEDS
int not_to_be_found(void);
__attribute__((constructor)) static void call(void) { not_to_be_found(); }
#endif
void *malloc(size_t n) { return __libc_malloc(n); }
void free(void *p) { __libc_free(p); }
C
cc -shared -fPIC -O1 allocator.c -o a.so
cp a.so b.so
mkdir other folder 'with space'
cp a.so other/a.so
cp a.so 'with space/a.so'
cp a.so with:colon.so
cp a.so with,comma.so
ln -s "$work/a.so" link.so
ln -s nowhere.so broken.so
ln -s loop.so loop.so
ln -s "$work/with space/a.so" hidden-space.so
echo 'int main(void) { return 0; }' >main.c
cc main.c -o program
cc -no-pie main.c -o fixed-program
cc -c -fPIC allocator.c -o object.o
cc -shared -fPIC -O1 allocator.c -o needs-library.so -L. -Wl,--no-as-needed -l:b.so
rm b.so
cp a.so b.so
patch_soname() { sed 's/b\.so/q.so/' needs-library.so >"$1"; }
patch_soname needs.so
cc -shared -fPIC -O1 -DNEEDS -Wl,-z,now allocator.c -o needs-symbol.so
: >empty.so
echo 'not a library, but long enough to have a header, were it one: 0123456789 0123456789' >text.so
head -c 100 a.so >short.so
{ head -c 4 a.so; printf '\1'; tail -c +6 a.so; } >narrow.so
{ head -c 18 a.so; printf '\363\0'; tail -c +21 a.so; } >foreign.so
mkfifo fifo.so

run=(plan -m smoke -w pair)
# ---- what is fine
ends 0 "x  " "${run[@]}" -s x:a.so
ends 0 "x  " "${run[@]}" -s "x:$work/a.so"
ends 0 "x  " "${run[@]}" -s x:link.so
ends 0 "x  " "${run[@]}" -s x:./other/../a.so
ends 0 "x  " "${run[@]}" -s x:a.so,x:link.so # the same one twice
[[ $(grep -c '^x ' out) == 1 ]] || fail "one library twice must be one cell: $(<out)"
ends 0 "y  " "${run[@]}" -s x:a.so,y:other/a.so
[[ $(grep -c '^[xy] ' out) == 2 ]] || fail "two libraries of one base name must be two cells: $(<out)"

# ---- what is not: before anything runs, in one line
for command in plan run; do
    run=($command -m smoke -w pair)
    ends 2 "'x' names two libraries, $work/a.so and $work/b.so" "${run[@]}" -s x:a.so,x:b.so
    ends 2 "'x' names two libraries" "${run[@]}" -s glibc,x:a.so,glibc,x:other/a.so
    ends 2 "'glibc' is the name of a known subject" "${run[@]}" -s glibc:a.so
    ends 2 "invalid ELF header" "${run[@]}" -s x:text.so
    ends 2 "file too short" "${run[@]}" -s x:empty.so
    ends 2 "cannot be preloaded" "${run[@]}" -s x:short.so
    ends 2 "wrong ELF class" "${run[@]}" -s x:narrow.so
done
ends 2 "another processor" "${run[@]}" -s x:foreign.so
ends 2 "it is a folder" "${run[@]}" -s x:folder
ends 2 "it is no file" "${run[@]}" -s x:fifo.so
ends 2 "it is no file" "${run[@]}" -s x:/dev/null
ends 2 "cannot dynamically load" "${run[@]}" -s x:program
ends 2 "cannot dynamically load" "${run[@]}" -s x:fixed-program
ends 2 "only ET_DYN and ET_EXEC" "${run[@]}" -s x:object.o
ends 2 "q.so" "${run[@]}" -s x:needs.so
ends 2 "not_to_be_found" "${run[@]}" -s x:needs-symbol.so
ends 2 "No such file" "${run[@]}" -s x:nowhere.so
ends 2 "No such file" "${run[@]}" -s x:broken.so
ends 2 "Too many levels" "${run[@]}" -s x:loop.so
ends 2 "Not a directory" "${run[@]}" -s x:a.so/b.so
ends 2 "No such file" "${run[@]}" -s x:
ends 2 "is no subject" "${run[@]}" -s :a.so
ends 2 "is no subject" "${run[@]}" -s 'x y:a.so'
ends 2 "is no subject" "${run[@]}" -s -x:a.so
ends 2 "spaces and colons" "${run[@]}" -s 'x:with space/a.so'
ends 2 "spaces and colons" "${run[@]}" -s x:hidden-space.so
ends 2 "spaces and colons" "${run[@]}" -s x:with:colon.so
ends 2 "without space, colon and comma" "${run[@]}" -s x:with,comma.so
printf 'cells:\n  - workloads: [pair]\n    subjects: ["x:%s/with,comma.so"]\n' "$work" >comma.yaml
ends 2 "a comma separates subjects" plan -m comma.yaml
printf 'cells:\n  - workloads: [pair]\n    subjects: ["x:%s/text.so"]\n' "$work" >text.yaml
ends 2 "invalid ELF header" plan -m text.yaml
ends 125 "invalid ELF header" exec x:text.so -- true
if [[ $(id -u) != 0 ]]; then
    chmod 0 b.so
    ends 2 "Permission denied" "${run[@]}" -s x:b.so
fi

# ---- a program that gives no catalog stops what needs it, and nothing else
broken() { printf '#!/bin/sh\n%s\n' "$1" >programs/bench-broken; chmod +x programs/bench-broken; }
run=(plan -m smoke -w pair)
for body in 'echo no memory here >&2; exit 3' 'echo "{"' 'echo "{}"' 'kill -9 $$' ':'; do
    broken "$body"
    ends 0 "glibc" "${run[@]}" -s glibc
    [[ ! -s err ]] || fail "a program that is not used complains: $(<err)"
    ends 0 "broken" list
done
broken 'echo no memory here >&2; exit 3'
ends 0 "n/a   broken: its program gives no catalog: exit code 3: no memory here" "${run[@]}" -s glibc,broken
got=0
"$spanlab" run -m smoke -w pair -s broken >out 2>err || got=$?
[[ $got == 3 && $(<err) == *"n/a   broken: "*"no memory here"* ]] || fail "only a broken subject: exit $got: $(<err)"
ends 1 "no memory here" "${run[@]}" -s no-such-subject
rm programs/bench-manual programs/bench-nogc-tiny-sizeclass
ends 1 "no memory here" "${run[@]}" -s glibc
rm programs/bench-broken
ends 1 "make build" "${run[@]}" -s glibc
exit $failed
