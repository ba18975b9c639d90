#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A wrong value at the front door costs the user one clear line, and no shell ever sees it as code.
set -euo pipefail
cd "$SPANLAB_SOURCE"
unset MAKEFLAGS MAKEOVERRIDES MFLAGS MAKELEVEL
spanlab=$SPANLAB_BUILD/bin/spanlab
failed=0

# complains ARGUMENT...: spanlab must exit 2 and say so on one line of standard error
complains() {
    local said status=0
    said=$("$spanlab" "$@" 2>&1 >/dev/null) || status=$?
    [[ $status == 2 && $(grep -c . <<<"$said") -le 2 ]] ||
        { failed=1; printf 'spanlab %s: exit %d, said:\n%s\n' "$*" "$status" "$said"; }
}
complains plan -m no-such-matrix
complains plan -m smoke -w no-such-workload
complains plan -m smoke -s no-such-subject

# What the recipes hand over, seen by a spanlab that prints its arguments.
fake=$(mktemp -d)
trap 'rm -rf "$fake"' EXIT
mkdir "$fake/bin" "$fake/path"
cat >"$fake/bin/spanlab" <<'EOT'
#!/bin/sh
for a; do printf '<%s>' "$a"; done
echo
EOT
printf '#!/bin/sh\nexit 0\n' >"$fake/path/cmake"
chmod +x "$fake/bin/spanlab" "$fake/path/cmake"

# hands_over EXPECTED MAKE-ARGUMENT...
hands_over() {
    local expected=$1 said
    shift
    said=$(SPANLAB_SETUP=skip PATH=$fake/path:$PATH make -s BUILD="$fake" "$@" | sed -n 1p)
    [[ $said == "$expected" ]] || { failed=1; printf 'make %s: expected %s, got %s\n' "$*" "$expected" "$said"; }
}
hands_over '<run><-m><quick><--runner><local>' bench
hands_over '<run><-m><full><--runner><local>' full
hands_over '<plan><-m><smoke><-s><glibc><-w><pair><-b><30m><--runner><local><--strict>' \
    plan MATRIX=smoke SUBJECTS=glibc WORKLOADS=pair BUDGET=30m STRICT=1
hands_over '<plan><-m><quick><--runner><local>' plan STRICT=0
hands_over "<plan><-m><my matrix.yaml><-s><a;b'c\"><--runner><local>" plan MATRIX='my matrix.yaml' SUBJECTS="a;b'c\""
# shellcheck disable=SC2016 # not to be expanded is the point
hands_over '<plan><-m><`id`><--runner><local>' plan MATRIX='`id`'
exit $failed
