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
shopt -s nullglob
for verdict in results/verdicts/*.json; do
    id=$(basename "$verdict" .json)
    first=$(git log --format=%H --diff-filter=A -- "$verdict" | tail -n 1)
    [[ -n $first ]] || continue # not committed yet
    fixed=$(git log --format=%H -n 1 -G '^(published|rule|tolerance|neutral):' -- "results/claims/$id.yaml")
    judged=$((judged + 1))
    [[ -n $fixed && $fixed != "$first" ]] && git merge-base --is-ancestor "$fixed" "$first" && continue
    failed=1
    echo "claims: the figure, rule or tolerance of $id is of ${fixed:-no commit}, which does not come before its first verdict, $first"
done
echo "$judged verdicts come after their claims"
exit $failed
