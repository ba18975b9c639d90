#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# python: its own tests of lists, dictionaries, the collector and threads, with malloc instead of its pools.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=/usr/bin/python3 # the distribution's: its test suite is a package
need $python
$python -c 'import test.test_list' 2>/dev/null || { echo "skipped: $python has no test suite"; exit 77; }
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

# The clock, the load and how long it took.
normalise() {
    sed -E -e 's/^[0-9]+:[0-9]{2}:[0-9]{2} (load avg: [0-9.]+ )?//' -e 's/[0-9.]+ (ms|sec|min|s)\b/T/g' \
        -e '/^Total duration/d'
}
uses_library $python -c 'print([str(i) for i in range(1000)][-1])'
same $python -m test test_list test_dict test_gc test_threading
