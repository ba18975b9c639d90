#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# bash: arrays, subshells, pipes, substitutions, a long-running loop over words.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need bash
uses_library bash -c 'x=($(seq 100)); (echo "${x[@]}" | cat)'
same bash "$here/program.bash"
