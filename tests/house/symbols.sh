#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# symbols.sh NM ARCHIVE...: no function or object is defined in two rooms. Archives that do are linked
# without a word: the first one found wins, in both rooms' calls.
set -eu
nm=$1
shift
found=$(for archive in "$@"; do
    "$nm" -g --defined-only "$archive" | awk -v room="$(basename "$archive")" 'NF == 3 { print $3, room }'
done | LC_ALL=C sort)
[ -n "$found" ] || {
    echo "no symbols at all: is '$nm' the right tool for these archives?" >&2
    exit 1
}
# Sanitizers and LTO mark each object file with names of their own.
twice=$(printf '%s\n' "$found" | awk '$1 !~ /^(__|_ZTI)/ { if ($1 == last) print $1 ": " room ", " $2; last = $1; room = $2 }')
[ -z "$twice" ] || {
    echo "defined twice:"
    echo "$twice"
    exit 1
}
echo "$(printf '%s\n' "$found" | wc -l) names in $# archives, each defined once"
