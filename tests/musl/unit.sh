#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# unit.sh FOLDER: runs the unit tests that build.sh has made there.
set -u
failed=0
for test in $(find "$1/unit" -type f -perm -u=x | sort); do
    "$test" >"$1/said" 2>&1 && { tail -n 1 "$1/said"; continue; }
    failed=$((failed + 1))
    echo "$(basename "$test"):"
    cat "$1/said"
done
exit "$failed"
