#!/bin/sh
# SPDX-License-Identifier: MIT
# For comparison: no trap. SIGTERM ends the shell at once, wherever it is, and its sleep is left behind.
# shellcheck source=/dev/null
. "./$1"
systemd-notify --ready --status="release $RELEASE"
while :; do
    date >last-round
    sleep "$ROUND"
done
