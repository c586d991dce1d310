#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pid1.sh STINT ACTOR: stint as the only program of a container's image, as its PID 1.
# shellcheck source=tests/container/lib.sh
. "${0%/*}/lib.sh"
make_root "$1" "$2"

configure 'stop_budget: 8s' <<'SERVICES'
  web:
    command: [/bin/actor, ready, deaf]
    listen: {main: "tcp://127.0.0.1:8080"}
SERVICES
start
await 10 serves
stint status | grep -q '^stint [^ ]*, pid 1 (master' || fail "PID 1 is somebody else"
! logged 'docker stop' || fail "8 s are fine, and yet it warns"

# Orphans of everybody come to PID 1, and none stays a zombie.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    exec_in /bin/sh -c '(setsid sh -c "exit 3" &) ; (sleep 0.05 &) ; exit 0'
done
await 5 gone sleep
await 5 no_zombies
say "orphans: $(states | sort | uniq -c | tr -s ' \n' ' ')"

# The master is killed: nobody notices, and the next one buries, too.
before=$(ask)
kill_master
[ "$(ask)" = "$before" ] || fail "another worker answers after the master was killed"
exec_in /bin/sh -c '(setsid sh -c "exit 3" &) ; exit 0'
await 5 no_zombies
stint reload web --force --timeout 20s | grep -q 'generation 2 serves' || fail "no reload"

# Signals that mean something, from outside and from inside (where PID 1 is spared what it does not handle).
kill -HUP "$init"
await 5 logged 'event=reload .*msg=SIGHUP'
exec_in /bin/sh -c 'kill -HUP 1'
await 5 logged 'event=reload .*msg=SIGHUP' 2
exec_in /bin/sh -c 'kill -KILL 1; kill -STOP 1; kill -QUIT 1; kill -ALRM 1; kill -USR1 1'
await 5 logged 'signal_ignored.*SIGUSR1'
serves || fail "PID 1 did not survive what is thrown at it"

# `docker stop`: SIGTERM, and SIGKILL 10 s later. The worker does not listen.
began=$(date +%s%N)
kill -TERM "$init"
ended_with 0 10
took=$((($(date +%s%N) - began) / 1000000))
say "stopped in $took ms"
[ "$took" -lt 10000 ] || fail "docker stop would have killed it: $took ms"
logged 'event=worker_leak' || fail "who did not leave was not named"
logged 'event=worker_kill' || fail "who did not leave was not killed"
logged 'event=stopped' || fail "the end was not said"

# The default is for hosts; in a container it is said that it does not fit. And from inside it stops, too.
configure <<'SERVICES'
  web:
    command: [/bin/actor, ready]
    listen: {main: "tcp://127.0.0.1:8080"}
SERVICES
start
await 10 serves
logged 'stop_budget is 1m.*docker stop' || fail "60 s do not fit in docker stop, and nobody says so"
exec_in /bin/sh -c 'kill -TERM 1'
ended_with 0 10
