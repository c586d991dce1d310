#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# exit_edges.sh STINT: `stint run --exit-when-failed`, and its master is killed at every edge on the way from
# the start to the exit, one after the other: the status is the service's each time, and there is an end.
set -eu
stage=$(mktemp -d "${TMPDIR:-/tmp}/stint-edges-XXXXXX")
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM

cat >"$stage/stint.yaml" <<CONFIG
version: 1
runtime_dir: $stage/run
state_dir: $stage/state
services:
  web:
    command: [sh, -c, "exit 42"]
    respawn: {backoff: {first: 10ms}}
CONFIG

# run_to_the_end [VARIABLE=VALUE...]: Return: what it exits with; 124 when it never does.
run_to_the_end() { env "$@" timeout 60 "$bin" run -c "$stage/stint.yaml" --exit-when-failed 2>"$stage/log" || return $?; }
fail() {
    echo "FAILED: $*"
    sed 's/^/  | /' "$stage/log"
    exit 1
}
bin=$1
status=0
run_to_the_end STINT_EDGE_TRACE="$stage/trace" || status=$?
[ "$status" -eq 42 ] || fail "status $status, with nobody killed"
[ -s "$stage/trace" ] || {
    echo "SKIPPED: exit_edges: this stint was built without STINT_EDGES"
    exit 77
}
n=0
while read -r edge; do
    : >"$stage/once.0"
    status=0
    run_to_the_end STINT_EDGE="$edge:kill" STINT_EDGE_ONCE="$stage/once" || status=$?
    [ ! -e "$stage/once.0" ] || fail "nobody came by $edge"
    [ "$status" -eq 42 ] || fail "status $status after the master was killed at $edge"
    n=$((n + 1))
done < <(grep -v '^!' "$stage/trace" | LC_ALL=C sort -u)
echo "$n edges, $n times status 42"
