#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sqlite3: tables, indices, joins, window functions and a file, by the command-line program.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need sqlite3
uses_library sqlite3 :memory: 'select hex(zeroblob(100)), sqlite_version();'
same sqlite3 -batch people.db ".read $here/program.sql"
