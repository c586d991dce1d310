#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# no_edges.sh BINARY none|all: what is installed has nothing of supervisor/io/edge.h in it, so nothing
# can be asked for by its environment; a build for tests has every word of it that is looked for.
set -eu
[ -s "$1" ]
found=0
for word in STINT_EDGE takeover-restored commit-written; do
    ! grep -q "$word" "$1" || found=$((found + 1))
done
echo "$1 has $found of 3 words of its edges, expected $2"
case $2 in
none) [ "$found" -eq 0 ] ;;
all) [ "$found" -eq 3 ] ;;
*) exit 64 ;;
esac
