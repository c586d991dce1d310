#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# quick.sh STINT-HANDOFF: the benchmark runs, and makes its table, with nothing installed. Not a word about times.
set -eu
table=$(mktemp)
trap 'rm -f "$table"' EXIT
fail() {
    echo "FAILED: $*"
    cat "$table"
    exit 1
}
row() { grep -q "^| $1 | .*| [0-9][0-9]* / [1-9][0-9]* | 2 |" "$table" || fail "no measured row of $1"; }

# A peer that is not there is named, and not measured.
PATH=/nonexistent "$1" --quick --only stint,limit-c,unicorn >"$table" || fail "exit status $?"
row stint
row limit-c
grep -q 'showed no new generation' "$table" && fail "a reload came to nothing"
grep -q '^| unicorn | USR2, then QUIT | not measured: not installed (unicorn) |' "$table" ||
    fail "unicorn is left out"
"$1" --quick --only stint,nobody >"$table" 2>&1 && fail "a server that nobody knows was accepted"
grep -q "'nobody' is not the name of a server" "$table" || fail "it does not say what is wrong"
"$1" --list >"$table" || fail "--list"
[ "$(wc -l <"$table")" -ge 26 ] || fail "--list leaves somebody out"
