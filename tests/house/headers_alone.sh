#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# headers_alone.sh ROOT LANGUAGE COMPILER FLAG... -- HEADER...
# Compile a file that includes nothing but HEADER, once for each, warnings being errors.
set -eu
root=$1 language=$2
shift 2
compiler=$1
command -v "$compiler" >/dev/null 2>&1 || {
    echo "no compiler '$compiler' for this test; on Debian: apt-get install g++" >&2
    exit 1
}
# The command runs up to "--"; what follows are the headers.
command=
while [ "$1" != -- ]; do
    command="$command $1"
    shift
done
shift
[ $# -gt 0 ] || {
    echo "no headers to check" >&2
    exit 1
}
failed=0
for header in "$@"; do
    # shellcheck disable=SC2086 # a command and its flags
    printf '#include "%s"\n' "$header" |
        $command -x "$language" -fsyntax-only -Wall -Wextra -Werror -I "$root" - || {
        echo "not alone: $header"
        failed=$((failed + 1))
    }
done
echo "$# headers, $failed that need another one before them"
[ "$failed" -eq 0 ]
