#!/bin/sh
# SPDX-License-Identifier: MIT
# job.sh FILE - a shell script as a service: works now and then, says when it is ready, and leaves between two rounds.
# The sleep is a child; `wait` for it, and not the sleep itself, is what a trap can interrupt.
set -eu
leaving='' nap=''
trap 'leaving=yes; [ -z "$nap" ] || kill "$nap" 2>/dev/null || :' TERM

# shellcheck source=/dev/null
. "./$1" # RELEASE, ROUND
systemd-notify --ready --status="release $RELEASE"

while [ -z "$leaving" ]; do
    date >last-round # the work
    sleep "$ROUND" &
    nap=$!
    [ -z "$leaving" ] || kill "$nap" # told so just before there was a nap to interrupt
    wait "$nap" || wait "$nap" || :  # a trap ends a wait; the next one buries the child
    nap=''
done
