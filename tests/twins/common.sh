# SPDX-License-Identifier: MIT
#
# common.sh: builds the twins as $twins and runs one cell. Exit 77 (skipped) where Go 1.25.3 is not to be had.
go_module=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../variants/go" && pwd)
export GOTOOLCHAIN=go1.25.3 GOFLAGS=-mod=mod GOEXPERIMENT=
command -v go >/dev/null && go version >/dev/null 2>&1 || { echo "twins: no Go 1.25.3 here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The two tests may begin at once: the first builds, and the other finds it done.
twins=${SPANLAB_BUILD:-$work}/twins-test
exec 9>"$twins.lock"
flock 9
(cd "$go_module" && go build -o "$twins" ./twins)
flock -u 9

# record_of PROGRAM WORKLOAD PARAMS [FLAG...]: the record of one iteration.
record_of() {
    local program=$1 workload=$2 params=$3
    shift 3
    "$program" --spanlab-workload="$workload" --spanlab-params="$params" --spanlab-iterations=1 "$@" 2>"$work/said" ||
        { echo "twins: $program $workload $params ends with $?: $(tail -n 3 "$work/said")" >&2; return 1; }
}
