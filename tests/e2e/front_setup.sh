#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# setup.sh on machines that are not ours, played by programs in front of PATH: no root, sudo, no dpkg, packages that the
# release lacks, peers that cannot be had.
set -euo pipefail
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fake=$root/path setup=$root/setup.sh
mkdir "$fake"
cp "$SPANLAB_SOURCE/scripts/setup.sh" "$setup"
cat >"$root/packages.txt" <<'EOT'
# a list of our own: the real one may change
build  tool
build  lib-dev
peer   allocator
peer   other
test   checker
EOT
failed=0
unset STRICT SPANLAB_SETUP

# program NAME <<< BODY: a shell program in front of PATH
program() { { printf '#!/bin/sh\n'; cat; } >"$fake/$1"; chmod +x "$fake/$1"; }

# machine USER-ID MISSING...: dpkg knows everything but MISSING until apt-get has been called with it
machine() {
    local id=$1
    shift
    rm -f "$fake"/*
    program id <<<"echo $id"
    printf '%s\n' "$@" >"$fake/missing"
    : >"$fake/apt.log"
    program dpkg-query <<EOT
shift 2
status=0
for name; do if grep -qx -- "\$name" "$fake/missing"; then status=1; else echo "installed \$name"; fi; done
exit \$status
EOT
    program apt-get <<EOT
echo "\$*" >>"$fake/apt.log"
for name; do
    grep -qx -- "\$name" "$fake/refused" 2>/dev/null && exit 100
done
case "\$*" in *" install "*) for name; do sed -i "/^\$name\$/d" "$fake/missing"; done ;; esac
exit 0
EOT
    program apt-cache <<EOT
for name; do last=\$name; done
grep -qx -- "\$last" "$fake/unknown" 2>/dev/null || echo "Package: \$last"
EOT
    program sudo <<<'exit 1'
}

# run EXIT GROUP...: runs setup.sh, keeps what it said in $said
run() {
    local expected=$1 status=0
    shift
    said=$(PATH=$fake:$PATH "$setup" "$@" 2>&1) || status=$?
    [[ $status == "$expected" ]] || complain "exit $status instead of $expected"
}
complain() { failed=1; printf '%s: %s; setup.sh said:\n%s\n' "$case" "$1" "$said"; }
says() { [[ $said == *"$1"* ]] || complain "expected '$1'"; }
calls() {
    [[ $(grep -c "$1" "$fake/apt.log") == "$2" ]] ||
        complain "apt-get: expected '$1' $2 time(s), called was: $(tr '\n' ';' <"$fake/apt.log")"
}

case='nothing missing'
machine 1000
run 0 build peer test
[[ -z $said ]] || complain 'expected silence'
calls . 0

case='no root, no sudo'
machine 1000 tool lib-dev
run 1 build
says 'sudo apt-get update && sudo apt-get install --no-install-recommends tool lib-dev'
[[ $(grep -c 'apt-get' <<<"$said") == 1 ]] || complain 'expected exactly one command'
calls . 0

case='no root, a peer missing'
machine 1000 allocator
run 0 build peer
says 'n/a in the tables: allocator'
STRICT=1 run 3 build peer
STRICT=0 run 0 build peer

case='passwordless sudo'
machine 1000 tool allocator
program sudo <<<'shift; exec "$@"'
run 0 build peer
calls update 1
calls 'install -y --no-install-recommends tool allocator' 1

case='nothing there at all'
machine 0 tool lib-dev
run 0 build
calls 'install -y --no-install-recommends tool lib-dev' 1

case='root'
machine 0 tool
run 0 build
calls update 1
calls 'install -y --no-install-recommends tool' 1

case='the release lacks a peer'
machine 0 tool allocator
echo allocator >"$fake/unknown"
run 0 build peer
says 'this release has no allocator'
says 'n/a in the tables: allocator'
calls 'install -y --no-install-recommends tool$' 1

case='the release lacks a package'
machine 0 checker
echo checker >"$fake/unknown"
run 0 test
says 'going on without checker: CMake will say'

case='one peer cannot be installed'
machine 0 tool other allocator
echo other >"$fake/refused"
run 0 build peer
says 'n/a in the tables: other'
others=$(grep -v other "$fake/missing" || true)
[[ -z $others ]] || complain "the others should have been installed, and missing are: $others"

case='a needed package cannot be installed'
machine 0 tool
echo tool >"$fake/refused"
run 1 build
says 'tool is still missing'

case='skipped'
machine 1000 tool
SPANLAB_SETUP=skip run 0 build

case='unknown group'
run 2 nonsense
says 'usage: scripts/setup.sh GROUP'

case='no dpkg'
machine 1000
for name in bash env awk sort tr dirname sed; do ln -s "$(command -v $name)" "$fake/$name"; done
rm "$fake/dpkg-query"
status=0
said=$(PATH=$fake "$setup" build 2>&1) || status=$?
[[ $status == 0 ]] || complain "exit $status instead of 0"
says 'no dpkg here. Needed is what Debian calls: tool lib-dev'

exit $failed
