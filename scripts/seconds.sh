# SPDX-License-Identifier: MIT
#
# seconds.sh, for other scripts to source: what the parts of a run took, beside the committed figures of seconds.txt.
#
# The figures are those of one machine. Another one is faster or slower as a whole, which its time for building tells:
# each figure is scaled by what the release build took here over what it took there. Without that build in the run, or where
# a compiler cache has shortened it, the scale says nothing, and no part is judged.

declare -A seconds_of=()
seconds_parts=()
seconds_built=

# seconds_scale SECONDS: what the release build took here
seconds_scale() {
    seconds_built=$1
}

# seconds_took PART SECONDS
seconds_took() {
    seconds_parts+=("$1")
    seconds_of[$1]=$2
}

# Prints a line for each part; names those that took 1.5 times their figure, by no less than 10 seconds.
seconds_report() {
    local part
    printf '== seconds by part\n'
    for part in "${seconds_parts[@]}"; do
        printf '%s %s\n' "$part" "${seconds_of[$part]}"
    done | awk -v built="$seconds_built" -v list="$(dirname "${BASH_SOURCE[0]}")/seconds.txt" '
        BEGIN { while ((getline line < list) > 0) if (line !~ /^#/ && split(line, f, " ") == 2) figure[f[1]] = f[2] }
        { part[NR] = $1; took[NR] = $2 }
        END {
            if (figure["release.build"] > 0)
                scale = built / figure["release.build"]
            for (i = 1; i <= NR; i++) {
                expected = figure[part[i]] * scale
                note = ""
                if (scale >= 0.6 && expected > 0 && took[i] > 1.5 * expected && took[i] - expected >= 10)
                    note = sprintf("  SLOW: %.1f times its figure of %d s on this machine", took[i] / expected, expected)
                printf "%8d s  %s%s\n", took[i], part[i], note
            }
        }'
}
