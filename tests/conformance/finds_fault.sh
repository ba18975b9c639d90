#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# finds_fault.sh FAULT PATTERN PROGRAM [ARGUMENT...]: passes if the program, run on the faulty allocator, fails and says
# why by a line that matches the extended regular expression. After died-or: in front of it, death by a signal will do as
# well. FAULT none: passes if the program passes.
set -uo pipefail
fault=$1 pattern=${2#died-or:} dies=$2
shift 2
if [[ $fault == none ]]; then
    exec "$@"
fi
output=$(FAULTY=$fault "$@" 2>&1)
status=$?
if ((status == 0)); then
    printf "the fault '%s' was not noticed: expected a failure, there was exit 0 and\n%s\n" "$fault" "${output:0:4000}"
    exit 1
fi
if [[ $dies == died-or:* ]] && ((status > 128 && status < 160)); then
    echo "the fault '$fault' was noticed: the program died by signal $((status - 128))"
    exit 0
fi
if ! grep -aE -m 3 -- "$pattern" <<<"$output"; then
    printf "the fault '%s' was noticed (status %d), but no line matches '%s':\n%s\n" "$fault" "$status" "$pattern" "$output"
    exit 1
fi
