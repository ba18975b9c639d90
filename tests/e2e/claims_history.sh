#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# No claim's figure, rule or tolerance was fixed, or changed, by the commit that has its first verdict or after it. Needs
# the history: skipped in a checkout without it.
set -euo pipefail
cd "$SPANLAB_SOURCE"
git rev-parse --git-dir >/dev/null 2>&1 || { echo "claims: no history here"; exit 77; }
[[ $(git rev-parse --is-shallow-repository) == false ]] || { echo "claims: a shallow checkout"; exit 77; }
failed=0 judged=0

# Newest first, of each commit: the claims whose figure, rule or tolerance it changes, and the verdicts that it adds.
history() {
    git log --no-renames --format='commit %H' -p -U0 -- results/claims results/verdicts | awk '
        /^commit / { commit = $2 }
        /^diff --git / { path = $4; sub("^b/results/", "", path); id = path; gsub(".*/|[.](yaml|json)$", "", id) }
        /^new file / && path ~ "^verdicts/.*[.]json$" { print "first", id, commit }
        /^[-+](published|rule|tolerance|neutral):/ && path ~ "^claims/.*[.]yaml$" { print "fixed", id, commit }'
}

# comes_before A B: A is another commit than B, and B has it in its history; few pairs are asked for often
declare -A before=()
comes_before() {
    if [[ -z ${before[$1 $2]-} ]]; then
        if [[ $1 != "$2" ]] && git merge-base --is-ancestor "$1" "$2"; then before[$1 $2]=yes; else before[$1 $2]=no; fi
    fi
    [[ ${before[$1 $2]} == yes ]]
}

declare -A first=() fixed=()
while read -r what id commit; do
    case $what in
    first) first[$id]=$commit ;;                        # the oldest is the last
    fixed) [[ ${fixed[$id]-} ]] || fixed[$id]=$commit ;; # the newest
    esac
done < <(history)

shopt -s nullglob
for verdict in results/verdicts/*.json; do
    id=$(basename "$verdict" .json)
    [[ ${first[$id]-} ]] || continue # not committed yet
    judged=$((judged + 1))
    [[ ${fixed[$id]-} ]] && comes_before "${fixed[$id]}" "${first[$id]}" && continue
    failed=1
    echo "claims: the figure, rule or tolerance of $id is of ${fixed[$id]:-no commit}, which does not come before its" \
        "first verdict, ${first[$id]}"
done
echo "$judged verdicts come after their claims"
exit $failed
