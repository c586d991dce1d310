#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# needs-root.sh PROGRAM ARG...: run a test that needs root; as an ordinary user say so and exit 77,
# which ctest counts and names as "Skipped".
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: ${1##*/} needs root"
    exit 77
}
exec "$@"
