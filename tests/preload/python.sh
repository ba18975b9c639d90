#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# python: its own tests of lists, dictionaries and the collector, and a program with threads, with malloc instead of its
# pools. Its own tests of threads have time limits of their own, which a busy machine exceeds.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=/usr/bin/python3 # the distribution's: its test suite is a package
need $python
$python -c 'import test.test_list' 2>/dev/null || { echo "skipped: $python has no test suite"; exit 77; }
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

uses_library $python -c 'print([str(i) for i in range(1000)][-1])'
same $python "$here/program.py"

# How many tests ran and how they ended, without the seconds and what a test may say beside.
normalise() {
    sed -nE -e 's/^(Ran [0-9]+ tests) in .*/\1/p' -e '/^(OK|FAILED)/p'
}
same $python -m unittest test.test_list test.test_dict test.test_gc
outcome=$(tr '\n' ' ' <"$work/preloaded/output.txt")
[[ $outcome =~ ^Ran\ [0-9]{3,}\ tests\ OK ]] ||
    { echo "FAILED: expected 'Ran N tests', N of 100 at least, and 'OK'; there was '$outcome'"; exit 1; }
echo "$outcome"
