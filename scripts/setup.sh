#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# setup.sh GROUP...: makes sure that the packages of these groups of packages.txt are there.
#
# With root or passwordless sudo it installs what is missing; otherwise it prints the one command to run and exits 1.
# Group "peer" holds the allocators measured beside ours: one that cannot be had becomes n/a in the tables, so it stops
# nothing unless STRICT=1 (exit 3). Where there is no dpkg, or the release lacks a package, it names what is needed and
# goes on: CMake decides. SPANLAB_SETUP=skip does nothing, for machines whose software did not come through dpkg.
set -euo pipefail

list=$(dirname "${BASH_SOURCE[0]}")/packages.txt
strict=${STRICT:-}
[[ $strict == 0 ]] && strict=

say() { printf 'setup: %s\n' "$*" >&2; }

# in_groups GROUP...: the packages of these groups, one per line
in_groups() {
    awk -v groups=" $* " '!/^#/ && NF && index(groups, " " $1 " ") { print $2 }' "$list"
}

# absent NAME...: those that dpkg does not know as installed, one per line
absent() {
    {
        dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true # 1: some are unknown to it
        printf 'wanted %s\n' "$@"
    } | awk '$1 == "installed" { here[$2] } $1 == "wanted" && !($2 in here) { print $2 }'
}

# split_missing NAME...: sets `required` and `peers`
split_missing() {
    required=() peers=()
    local name peer
    peer=" $(in_groups peer | tr '\n' ' ')"
    for name; do
        if [[ $peer == *" $name "* ]]; then peers+=("$name"); else required+=("$name"); fi
    done
}

# ends when peers are all that is missing
without_peers() {
    say "not installed, so n/a in the tables: ${peers[*]}"
    [[ -z $strict ]] || { say "STRICT=$strict asks for all of them"; exit 3; }
}

groups=$(awk '!/^#/ && NF { print $1 }' "$list" | sort -u | tr '\n' ' ')
for group in "${@:-}"; do
    [[ -n $group && " $groups" == *" $group "* ]] || { say "usage: scripts/setup.sh GROUP...  (of: $groups)"; exit 2; }
done
[[ ${SPANLAB_SETUP:-} == skip ]] && exit 0

mapfile -t wanted < <(in_groups "$@")
if ! command -v dpkg-query >/dev/null; then
    say "no dpkg here. Needed is what Debian calls: ${wanted[*]}"
    exit 0
fi
mapfile -t missing < <(absent "${wanted[@]}")
((${#missing[@]})) || exit 0
split_missing "${missing[@]}"

if (($(id -u) == 0)); then
    as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n env)
else
    say "missing packages; run this, then repeat your command:"
    printf 'sudo apt-get update && sudo apt-get install --no-install-recommends %s\n' "${missing[*]}" >&2
    ((${#required[@]})) && exit 1
    without_peers
    exit 0
fi

apt() {
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
        </dev/null >/dev/null
}

say "installing ${missing[*]}"
apt update || say "apt-get update failed; trying with the package lists at hand"
# What this release does not know would fail the whole command.
known=() unknown=()
for name in "${missing[@]}"; do
    if [[ -n $(apt-cache --no-all-versions show "$name" 2>/dev/null) ]]; then known+=("$name"); else unknown+=("$name"); fi
done
((${#unknown[@]})) && say "this release has no ${unknown[*]}"
if ((${#known[@]})) && ! apt install -y --no-install-recommends "${known[@]}"; then
    # One peer that cannot be installed must not take the others with it.
    split_missing "${known[@]}"
    ((${#required[@]} == 0)) || apt install -y --no-install-recommends "${required[@]}" || true
    for name in "${peers[@]}"; do
        apt install -y --no-install-recommends "$name" || true
    done
fi

mapfile -t missing < <(absent "${wanted[@]}")
split_missing "${missing[@]}"
((${#peers[@]})) && without_peers
for name in "${required[@]}"; do
    [[ " ${unknown[*]} " == *" $name "* ]] || { say "$name is still missing; see the errors of apt-get above"; exit 1; }
done
((${#required[@]})) && say "going on without ${required[*]}: CMake will say what it misses"
exit 0
