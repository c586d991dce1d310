#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# bare.sh STINT ACTOR: the hardened container: an ordinary user, a read-only image, no capabilities, no new
# privileges, no cgroup, no state_dir; one tmpfs for runtime_dir. All works, and what is lost is named.
# shellcheck source=tests/container/lib.sh
# shellcheck disable=SC2119
. "${0%/*}/lib.sh"
make_root "$1" "$2"

user=65534
read_only=1
state_dir=
configure 'stop_budget: 8s' <<'SERVICES'
  web:
    command: [/bin/actor, ready, deaf]
    listen: {main: "tcp://127.0.0.1:8080"}
    drain_timeout: 200ms
    leak_grace: 200ms
SERVICES
start
await 10 serves
exec_in /bin/sh -c '! true >/etc/x' 2>/dev/null || fail "the image can be written"

# Sentence by sentence.
as_user() { nsenter -t "$init" -m -p -n -r -w -S "$user" -G "$user" -- "$@"; }
as_user /bin/stint status >"$stage/status"
lost() { grep -q "^not to be had here: $1" "$stage/status" || fail "not named: $1; status says: $(cat "$stage/status")"; }
lost "state_dir '/var/lib/stint' cannot be written (.*): generation numbers begin anew after a restart"
lost "no_new_privs is set: set-user-ID programs"
lost "cgroups: none: no cgroup v2 is mounted here; a process that leaves its worker's session"
expected=3
if [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" -gt 0 ]; then
    lost "kernel.yama.ptrace_scope is"
    expected=4
fi
found=$(grep -c '^not to be had here' "$stage/status")
[ "$found" -eq "$expected" ] || fail "$found things are said to be lost, $expected are: $(cat "$stage/status")"
logged 'event=no_state_dir' || fail "the log does not say that numbers begin anew"

# A reload, of which the old worker does not want to hear; then a takeover; then a reload.
as_user /bin/stint reload web --force --wait gone --timeout 20s >"$stage/said" || fail "no reload: $(cat "$stage/said")"
logged 'event=worker_leak .*gen=1' || fail "no evidence: who did not leave was not named"
before=$(ask)
kill_master
[ "$(ask)" = "$before" ] || fail "another worker answers after the master was killed"
as_user /bin/stint reload web --force --timeout 20s | grep -q 'generation 3 serves' || fail "no reload after a takeover"
as_user /bin/stint status | grep -c '^not to be had here' | grep -qx "$expected" || fail "the next master finds something else"
await 5 no_zombies
kill -TERM "$init"
ended_with 0 10
