#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tutorial.sh PAGE INCLUDE ARCHIVE CC...: every "```c FILE" of the page compiles without a warning,
# and prints what the "```text" behind it says.
set -euo pipefail
page=$1 include=$2 archive=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk -v work="$work" '
    /^```c / { file = work "/" $2; name = $2; next }
    /^```text/ { file = work "/" name ".expected"; next }
    /^```/ { if (file) close(file); file = ""; next }
    file { print > file }' "$page"
steps=0
for source in "$work"/*.c; do
    [ -e "$source" ] || break
    name=$(basename "$source")
    (cd "$work" && "$@" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I "$include" "$name" "$archive" -pthread -o "${name%.c}")
    [ -s "$source.expected" ] || { echo "$name: the page does not say what it prints" >&2; exit 1; }
    (cd "$work" && timeout 60 "./${name%.c}") >"$work/said" || { echo "$name failed" >&2; exit 1; }
    diff -u "$source.expected" "$work/said" || { echo "$name prints something else" >&2; exit 1; }
    steps=$((steps + 1))
done
[ "$steps" -ge 5 ] || { echo "only $steps steps were found in $page" >&2; exit 1; }
echo "$steps steps of the tutorial print what the page says"
