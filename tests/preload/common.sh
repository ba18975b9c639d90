# SPDX-License-Identifier: MIT
#
# common.sh: sourced by the scripts of this folder, each called with one argument, the library to preload. A script runs a
# real program on libc's allocator and on the library: exit code, output and files must be the same, and the program must
# have used the library.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ulimit -c 0
export LC_ALL=C
unset LD_PRELOAD

# Skips the test when a program is missing (its package: group "test" of scripts/packages.txt).
needed=(/bin/bash)
need() {
    [[ -x $1 ]] || command -v "$1" >/dev/null || { echo "skipped: $1 is not installed"; exit 77; }
    needed+=("$(command -v "$1")")
}

# What differs from run to run is removed from the output by the script's own definition of this.
normalise() {
    cat
}

# run PLACE PRELOAD COMMAND...: runs in an empty folder of one name (it may enter the output), then moves what is there to
# PLACE/files; leaves output.txt and status.txt beside, and what was printed as PLACE.raw.
run() {
    local place=$work/$1 preload=$2 status=0
    shift 2
    rm -rf "$place"
    mkdir -p "$place" "$work/run"
    (cd "$work/run" && LD_PRELOAD=$preload exec "$@") >"$place.raw" 2>&1 </dev/null || status=$?
    mv "$work/run" "$place/files"
    normalise <"$place.raw" >"$place/output.txt"
    echo "$status" >"$place/status.txt"
}

# key_of WORD...: names what the words do on libc's allocator. It is another when a program, a script or a word is.
key_of() {
    { printf '%s\n' "${@//"$work"/}"; cat "$here"/*; stat -L -c '%n %s %Y' "${needed[@]}"; } | sha256sum | cut -c 1-24
}

# keep FROM TO: moves a finished record to where all tests of a build look for it. Of two made at once, one is kept.
keep() {
    mkdir -p "$(dirname "$2")"
    mv -T "$1" "$2.$$"
    mv -T "$2.$$" "$2" 2>/dev/null || rm -rf "$2.$$"
}

# plain_record COMMAND...: sets `plain` to the folder with what the command does without the library. SPANLAB_PLAIN is
# where the records are kept, since each of them serves every build of the library.
plain_record() {
    plain=${SPANLAB_PLAIN:-$work}/$(key_of "$@")
    [[ ! -d $plain ]] || return 0
    run plain "" "$@"
    [[ $(<"$work/plain/status.txt") == 0 ]] || {
        tail -40 "$work/plain.raw"
        echo "FAILED: '$*' fails by itself: expected exit 0, there was $(<"$work/plain/status.txt")"
        exit 1
    }
    keep "$work/plain" "$plain"
}

# same COMMAND...: with and without the library; every file that the command leaves is compared as well.
same() {
    local seconds=$SECONDS plain
    plain_record "$@"
    run preloaded "$library" "$@"
    if ! diff -ru "$plain" "$work/preloaded" | awk "NR <= 40"; then
        echo "with $(basename "$library") it ended with:"
        tail -40 "$work/preloaded.raw"
        echo "FAILED: with $(basename "$library") the result of '$*' differs (- expected, as on libc; + preloaded)"
        exit 1
    fi
    echo "same: $(wc -c <"$plain/output.txt") bytes of output, $(ls "$plain/files" | wc -l) files," \
        "$((SECONDS - seconds)) s"
}

# uses_library COMMAND...: the loader's own account, for this process and its children: whoever binds malloc binds ours. A
# program that is linked to a fixed address binds others to itself, to a jump that in turn must be bound to ours.
uses_library() {
    mkdir -p "$work/bindings" "$work/proof"
    (cd "$work/proof" && LD_PRELOAD=$library LD_DEBUG=bindings LD_DEBUG_OUTPUT=$work/bindings/of exec "$@") \
        >/dev/null 2>&1 </dev/null || { echo "FAILED: '$*' does not run under LD_DEBUG"; exit 1; }
    awk -v library="$library" '
        !/symbol `(malloc|calloc|realloc|free)\047/ { next }
        {
            match($0, /symbol `[a-z]+/)
            symbol = substr($0, RSTART + 8, RLENGTH - 8)
            line = $0
            sub(/^.*binding file /, "", line)
            split(line, part, / \[0\](: | to )/)
            from = part[1]
            to = part[2]
            if (to == library) {
                bound++
                good[FILENAME, from, symbol]
                processes[FILENAME]
            } else
                doubtful[FILENAME, to, symbol] = $0
        }
        END {
            for (key in doubtful)
                if (!(key in good)) {
                    print doubtful[key]
                    bad = 1
                }
            for (p in processes)
                n++
            if (bad || n == 0)
                exit 1
            printf "proved: %d bindings of malloc, calloc, realloc and free in %d processes go to the library\n", bound, n
        }' "$work"/bindings/of.* || { echo "FAILED: '$*' does not take malloc from $library"; exit 1; }
}
