#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# go-subjects.sh BUILD: builds the Go twins with every toolchain that variants/go/subjects names, into BUILD/go. Exit 3
# where there is no Go, 1 when a toolchain cannot be fetched or built with; what could be built stays.
set -euo pipefail
build=$(mkdir -p "$1/go" && cd "$1/go" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../variants/go"
command -v go >/dev/null || { echo "make go: there is no Go here: install any from 1.21 on (go.dev/dl, or your distribution's)" >&2; exit 3; }

failed=0
while read -r subject toolchain experiments; do
    [[ $subject == go-* ]] || continue
    if GOTOOLCHAIN=$toolchain GOEXPERIMENT=$experiments GOFLAGS=-mod=mod go build -o "$build/$subject.new" ./twins; then
        mv "$build/$subject.new" "$build/$subject"
        printf '%s: built with %s %s\n' "$subject" "$toolchain" "$experiments"
    else
        printf 'make go: %s: %s cannot be fetched, or does not build the twins\n' "$subject" "$toolchain" >&2
        failed=1
    fi
done <subjects
exit "$failed"
