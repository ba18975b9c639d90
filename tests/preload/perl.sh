#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# perl: hashes, regular expressions, sorting, string building, nested data, fork.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need perl
export PERL_HASH_SEED=0
uses_library perl -e 'my %h = map { $_ => "x" x $_ } 1 .. 100; print join ",", sort keys %h'
same perl "$here/program.pl"
