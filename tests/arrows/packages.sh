#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# packages.sh ROOT: scripts/packages.txt is the only list of packages. Front door, CI and READMEs name none; what a peer
# says about itself agrees with the list.
set -euo pipefail
cd "${1:-.}"
failed=0

names=$(awk '!/^#/ && NF { print $2 }' scripts/packages.txt)
if repeated=$(sort <<<"$names" | uniq -d) && [[ -n $repeated ]]; then
    printf 'scripts/packages.txt names twice: %s\n' "$repeated"
    failed=1
fi

# gcc, git or perl are also programs; what only a package can be called has a hyphen, a digit or starts with lib.
packages=$(grep -E -- '-|[0-9]|^lib' <<<"$names" | grep -vx 'clang-format\|pkg-config\|sqlite3\|python3')
mapfile -t places < <(find Makefile README.md .ci .github scripts harness workloads variants docs results \
    \( -name Makefile -o -name README.md -o -name '*.sh' -o -path '.ci/*' -o -path '.github/*' \) -type f 2>/dev/null)
if grep -nwF -f <(echo "$packages") "${places[@]}"; then
    echo 'the lines above name packages; only scripts/packages.txt may (and a peer, its own)'
    failed=1
fi
if grep -nE 'apt(-get)? +(-[^ ]+ +)*install +[a-z]' "${places[@]}" | grep -v '^scripts/setup.sh:'; then
    echo 'the lines above install packages; scripts/setup.sh does that'
    failed=1
fi

while IFS= read -r package; do
    if ! grep -qE "^peer +$package\$" scripts/packages.txt; then
        echo "variants/peers asks for $package, which is not in group peer of scripts/packages.txt"
        failed=1
    fi
done < <(grep -hoE '\.package = "[^"]+"' variants/peers/*.c 2>/dev/null | cut -d'"' -f2)
exit $failed
