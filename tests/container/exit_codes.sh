#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# exit_codes.sh STINT ACTOR: `stint run --exit-when-failed` as PID 1: when a container ends, and with what.
# shellcheck source=tests/container/lib.sh
. "${0%/*}/lib.sh"
make_root "$1" "$2"

printf '#!/bin/no-such-interpreter\n' >"$root/bin/orphaned"
printf 'not a program\n' >"$root/bin/nonsense"
chmod 755 "$root/bin/orphaned" "$root/bin/nonsense"

quick='respawn: {backoff: {first: 10ms}}'
# ends_with STATUS COMMAND [KEY: VALUE]: a container with one service.
ends_with() {
    configure 'stop_budget: 2s' <<SERVICES
  web:
    command: $2
    ${3:-$quick}
SERVICES
    say "$2 ${3:-}"
    start --exit-when-failed
    ended_with "$1" 20
    logged "event=exit_when_failed .*status $1: web failed for good" || fail "it is not said why"
    logged 'event=stopped' || fail "not everything was stopped in order"
}
ends_with 42 '[sh, -c, "exit 42"]'
ends_with 1 '[sh, -c, "exit 0"]'
ends_with 143 "[sh, -c, \"kill -TERM \$\$\"]"
ends_with 137 '[/bin/actor, die=9]'
ends_with 127 '[/bin/orphaned]'
ends_with 126 '[/bin/nonsense]'
ends_with 1 '[/bin/actor, ready]' 'check: [sh, -c, "exit 7"]'
ends_with 1 '[/bin/actor, never]' 'start_timeout: 200ms'
ends_with 134 '[sh, -c, "(sleep 0.3; kill -ABRT $$) & exec /bin/actor ready"]' \
    'respawn: {limit: {count: 3, within: 20s}, give_up: true}'

# A oneshot: its own end counts, and when all of them have completed there is nothing left to run.
configure 'stop_budget: 2s' <<'SERVICES'
  first:
    type: oneshot
    command: [sh, -c, "exit 0"]
  second:
    type: oneshot
    command: [sh, -c, "exit 0"]
    depends_on: {first: completed}
SERVICES
say "two oneshots"
start --exit-when-failed
ended_with 0 20
logged 'event=verdict service=second .*outcome=completed' || fail "the second one did not run"
ends_with 42 '[sh, -c, "exit 42"]' 'type: oneshot'
ends_with 137 '[sh, -c, "kill -KILL $$"]' 'type: oneshot'

# As long as something serves nothing has failed: not a crash, not a version that is rejected.
good() {
    configure 'stop_budget: 8s' <<SERVICES
  web:
    command: [/bin/actor, $1, ready]
    listen: {main: "tcp://127.0.0.1:8080"}
    respawn: {backoff: {first: 10ms}}
SERVICES
}
good word=a
start --exit-when-failed
await 10 serves
pid=$(ask | cut -d' ' -f3)
exec_in /bin/sh -c "kill -SEGV $pid"
await 10 logged 'event=worker_ready' 2
good exit=3
await 10 logged 'event=verdict .*outcome=rejected'
serves || fail "a rejected version has stopped a good one"
kill_master # … nor for the next master
serves || fail "the next master does not know what serves"
stint status | grep -q rejected || fail "nobody knows any more that it was rejected"
say "a crash and a rejected version: goes on"

# Stopped by hand, the last one: there is nothing left that could fail.
stint stop web --timeout 20s >/dev/null || fail "no stop"
ended_with 0 10

# The master is killed between the failure and the end; who has to leave takes his time.
configure 'stop_budget: 4s' <<'SERVICES'
  web:
    command: [/bin/actor, ready, deaf]
    listen: {main: "tcp://127.0.0.1:8080"}
  bad:
    command: [sh, -c, "exit 42"]
    depends_on: [web]
    respawn: {backoff: {first: 10ms}}
SERVICES
start --exit-when-failed
await 10 logged 'event=exit_when_failed .*status 42: bad failed for good'
kill_master
ended_with 42 10
[ "$(grep -c 'event=exit_when_failed' "$log")" -eq 1 ] || fail "decided twice"
