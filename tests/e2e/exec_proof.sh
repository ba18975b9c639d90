#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# spanlab exec: every process of the tree proves itself from inside, or the run ends with 125 and says which did not and why;
# what the program reads, writes and ends with passes through.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
ulimit -c 0

# Each start of spanlab asks every program what it has: here the one whose subjects are used.
only_programs manual classic-tiny-sizeclass

# ends CODE TEXT WORD...: spanlab exec WORD... ends so; TEXT, where it is not empty, is on standard error.
ends() {
    local code=$1 text=$2 got=0
    shift 2
    "$spanlab" exec "$@" >out 2>err </dev/null || got=$?
    [[ $got == "$code" ]] || fail "exec $*: expected exit $code, there was $got: $(head -c 600 err)"
    [[ -z $text || $(<err) == *"$text"* ]] || fail "exec $*: expected '$text' on standard error, there was: $(<err)"
    [[ $code == 125 || -n $text || ! -s err ]] || fail "exec $*: expected no word on standard error, there was: $(<err)"
}

# ---- programs to run
cat >plain.c <<'C'
#include <stdio.h>
#include <stdlib.h>
int main(void) { char *p = malloc(100); printf("ran%s\n", p == NULL ? " without memory" : ""); free(p); return 0; }
C
cat >starts.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
/* starts HOW KEEP|EMPTY PROGRAM */
int main(int argc, char **argv) {
    char *none[] = {NULL}, **environment = strcmp(argv[2], "EMPTY") == 0 ? none : environ, *path = argv[3];
    char *arguments[] = {path, NULL};
    const char *how = argv[1];
    pid_t pid = -1;
    (void)argc;
    if (environment == none && (strcmp(how, "execv") == 0 || strcmp(how, "system") == 0 || strcmp(how, "popen") == 0))
        clearenv();
    if (strcmp(how, "system") == 0)
        return WEXITSTATUS(system(path));
    if (strcmp(how, "popen") == 0)
        return WEXITSTATUS(pclose(popen(path, "w")));
    if (strcmp(how, "posix_spawn") == 0 && posix_spawn(&pid, path, NULL, NULL, arguments, environment) != 0)
        return 99;
    if (strcmp(how, "posix_spawnp") == 0 && posix_spawnp(&pid, path, NULL, NULL, arguments, environment) != 0)
        return 99;
    if (pid < 0 && (pid = strcmp(how, "vfork") == 0 ? vfork() : fork()) == 0) {
        if (strcmp(how, "execv") == 0)
            execv(path, arguments);
        else if (strcmp(how, "execle") == 0)
            execle(path, path, (char *)NULL, environment);
        else if (strcmp(how, "fexecve") == 0)
            fexecve(open(path, O_RDONLY | O_CLOEXEC), arguments, environment);
        else if (strcmp(how, "syscall") == 0)
            syscall(SYS_execve, path, arguments, environment);
        else if (strcmp(how, "execveat") == 0)
            execveat(AT_FDCWD, path, arguments, environment, 0);
        else
            execve(path, arguments, environment);
        _exit(99);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}
C
cc -O1 plain.c -o plain
cc -O1 -static plain.c -o static
cc -O1 -static-pie plain.c -o static-pie
cc -O1 starts.c -o starts
cp plain 'plain with space'
# The header of a 32-bit program, of one for another processor, and one whose loader is another.
{ printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0'; head -c 200 /dev/zero; } >narrow
{ printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\363\0'; head -c 200 /dev/zero; } >foreign
cc -O1 plain.c -Wl,--dynamic-linker="$work/loader" -o other-loader
loader=$(readelf -l plain | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
cp "$loader" loader
chmod +x narrow foreign
printf '#!/bin/sh\necho ran\n' >script
printf '#!%s\n' "$work/static" >static-script
printf '#!/usr/bin/env -S -u LD_PRELOAD %s\n' "$work/plain" >unset-script
printf '#!/no/such/interpreter\n' >lost-script
chmod +x ./*script
: >not-executable

# ---- what is proved passes through
on=mimalloc
ends 0 "" $on -- ./plain
[[ $(<out) == ran ]] || fail "plain wrote '$(<out)'"
ends 0 "" glibc -- ./plain
ends 0 "" manual-tiny-sizeclass -- ./plain
ends 0 "" 'manual-tiny-sizeclass|preset=faithful' -- ./plain
ends 0 "" $on ./plain
ends 0 "" $on -- './plain with space'
ends 0 "" $on -- ./script
ends 7 "" $on -- sh -c 'exit 7'
ends 125 "" $on -- sh -c 'exit 125' # its own
ends 0 "" $on -- sh -c './plain | ./plain; (./plain); x=$(./plain); /bin/sh ./script'
ends 0 "" $on -- bash -c 'for i in 1 2 3 4 5; do ./plain & done; wait; exec ./plain'
ends 0 "" $on -- env A=1 ./plain
for how in execve execv execle vfork fexecve execveat syscall posix_spawn posix_spawnp system popen; do
    ends 0 "" $on -- ./starts $how KEEP ./plain
done
echo through | "$spanlab" exec $on -- cat >out 2>err || fail "cat under exec: exit $?"
[[ $(<out) == through && ! -s err ]] || fail "what goes in must come out of cat: '$(<out)' '$(<err)'"
"$spanlab" exec $on -- sh -c 'yes; exit 0' 2>err | { read -r _; }
[[ ! -s err ]] || fail "SIGPIPE is not as it was: $(<err)"
for number in 9 15 11; do
    got=0
    { "$spanlab" exec $on -- sh -c "kill -$number \$\$" >out 2>err || got=$?; } 2>/dev/null
    [[ $got == $((128 + number)) ]] || fail "killed by signal $number: exit $got"
done
# A signal to spanlab is one to the program.
"$spanlab" exec $on -- bash -c 'trap "exit 33" TERM; echo ready >&3; while :; do read -t 1 -u 4 || :; done' \
    3> >(read -r _; kill -TERM "$(<pid)") 4<> <(:) &
echo $! >pid
got=0
wait $! || got=$?
[[ $got == 33 ]] || fail "SIGTERM was not passed on: exit $got"
# What goes on in the background has proved itself, and is not waited for.
ends 0 "" $on -- sh -c 'sleep 100 <&- >&- 2>&- & echo $! >background'
kill "$(<background)" 2>/dev/null || fail "the program in the background was not left alone"

# The loader may be named, and the program be its argument.
ends 0 "" $on -- "$loader" ./plain
# A child with the rights of another user cannot write to the record: it is not run, and says so.
if [[ $(id -u) == 0 ]] && command -v setpriv >/dev/null; then
    ends 125 "" $on -- setpriv --reuid 65534 --clear-groups "$(command -v true)"
fi

# ---- what cannot be run
ends 127 "cannot run ./nowhere" $on -- ./nowhere
ends 127 "cannot run no-such-program" $on -- no-such-program
ends 127 "cannot run" $on -- ./lost-script
ends 126 "cannot run ./not-executable" $on -- ./not-executable
ends 126 "cannot run ./programs" $on -- ./programs

# ---- what cannot be proved, as the program itself: nothing is run
ends 125 "linked statically" $on -- ./static
[[ ! -s out ]] || fail "static was run"
ends 125 "linked statically" $on -- ./static-pie
ends 125 "linked statically" $on -- "$work/static"
ends 125 "linked statically" $on -- ./static-script
ends 125 "32-bit" $on -- ./narrow
ends 125 "another processor" $on -- ./foreign
ends 125 "another loader" $on -- ./other-loader
PATH=$work:$PATH ends 125 "linked statically" $on -- static
if [[ $(id -u) == 0 ]]; then
    cp plain setuid
    chown nobody setuid
    chmod 4755 setuid
    ends 125 "setuid" $on -- ./setuid
    ends 125 "setuid" $on -- sh -c './setuid; true'
    cp plain setgid
    chgrp nogroup setgid
    chmod 2755 setgid
    ends 125 "setuid, setgid" $on -- ./setgid
fi
if command -v go >/dev/null; then
    mkdir go
    printf 'package main\nfunc main() { println("ran") }\n' >go/main.go
    if (cd go && GOFLAGS=-mod=mod GOTOOLCHAIN=local GOCACHE=$work/go-cache go build -o ../go-program main.go) >go.log 2>&1; then
        ends 125 "Go program" $on -- ./go-program
        ends 125 "Go program" $on -- sh -c './go-program; exit 0'
    fi
fi

# ---- and as a process of the tree: the others run, and the end is 125
for program in static static-pie static-script; do
    ends 125 "$program (process" $on -- sh -c "./$program; exit 0"
    [[ $(<err) == *"linked statically"* ]] || fail "$program in a tree: the reason is missing: $(<err)"
done
[[ $(grep -c . err) == 1 ]] || fail "one process, one line: $(<err)"
ends 125 "without LD_PRELOAD" $on -- env -u LD_PRELOAD ./plain
ends 125 "without LD_PRELOAD" $on -- env -i ./plain
ends 125 "another LD_PRELOAD" $on -- env LD_PRELOAD=libm.so.6 ./plain
ends 125 "without the SPANLAB_PROVE" $on -- env -u SPANLAB_PROVE_RECORD ./plain
ends 125 "without the SPANLAB_PROVE" $on -- env -u SPANLAB_PROVE_LIBRARY ./plain
ends 125 "without LD_PRELOAD" $on -- sh -c 'unset LD_PRELOAD; ./plain; exit 0'
ends 125 "without LD_PRELOAD" $on -- bash -c 'unset LD_PRELOAD; exec ./plain'
ends 125 "another LD_PRELOAD" $on -- bash -c 'LD_PRELOAD=x env ./plain | cat'
ends 125 "without LD_PRELOAD" $on -- ./unset-script
for how in execve execv execle vfork fexecve execveat syscall posix_spawn posix_spawnp system popen; do
    ends 125 "without LD_PRELOAD" $on -- ./starts $how EMPTY ./plain
    ends 125 "linked statically" $on -- ./starts $how KEEP ./static
done
ends 125 "without LD_PRELOAD" glibc -- env -i ./plain
# Deep in the tree, behind others that are proved, and in the background.
ends 125 "linked statically" $on -- sh -c 'sh -c "sh -c \"./plain; ./static; ./plain\""; ./plain'
ends 125 "linked statically" $on -- sh -c 'setsid ./static >/dev/null & wait; exit 0'
make_own own
ends 125 "brings its own allocator" $on -- ./own
ends 125 "brings its own allocator" $on -- sh -c './own; exit 0'
ends 125 "and 5 more" $on -- sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do ./static; done; exit 0'

# ---- the subject and its knobs
ends 125 "has no knob 'foo'" 'manual-tiny-sizeclass|foo=1' -- ./plain
ends 125 "has no knob 'foo'" 'mimalloc|foo=1' -- ./plain
ends 125 "preset" 'manual-tiny-sizeclass|preset=fast' -- ./plain
ends 125 "write manual-tiny-sizeclass|name=value" 'manual-tiny-sizeclass|preset' -- ./plain
ends 125 "write manual-tiny-sizeclass|name=value" 'manual-tiny-sizeclass|preset=tuned,preset=faithful' -- ./plain
GOALLOC_FOO=1 ends 125 "has no such knob" manual-tiny-sizeclass -- ./plain
GOALLOC_PRESET=faithful ends 125 "manual-tiny-sizeclass|preset=faithful" manual-tiny-sizeclass -- ./plain
GOALLOC_PRESET=faithful ends 0 "" mimalloc -- ./plain
ends 125 "traced build" classic-tiny-sizeclass -- ./plain
ends 125 "did you mean 'mimalloc'" mimaloc -- ./plain
ends 125 "no library at" x:/nowhere/lib.so -- ./plain
ends 2 "usage:" $on
ends 2 "usage:" $on --
ends 2 "usage:" -k $on -- ./plain
exit $failed
