#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lifecycle.sh BUILD CMAKE: start, reload, restart and stop under a real systemd, as systemctl sees them.
BUILD=$1 CMAKE=$2
# shellcheck source=tests/systemd/machine.sh
. "$(dirname "$0")/machine.sh"

machine_up
ok "a machine with $(in_machine systemctl --version | head -n 1)"

# ---- start
web_conf hello
stint_yaml ''
in_machine systemctl start stint || fail "it does not start"
property_is ActiveState active || fail "it is $(property ActiveState)"
answer hello || fail "active, and does not answer"
property_is StatusText "2 services, 2 running" || fail "its status is '$(property StatusText)'"
[ "$(in_machine cat "/proc/$(main_pid)/comm")" = stint ] || fail "the main process is not the keeper"
ok "start returns when the service answers, status: $(property StatusText)"
! in_machine journalctl -u stint | grep -E 'event=(surroundings|.*_not_|notify_)' || fail "it complains about a unit of its own"

# ---- reload
pid=$(main_pid)
web_conf hi
in_machine systemctl reload stint || fail "a good reload fails"
serves 2 hi
ok "reload returns when the new generation answers"
web_conf $'hi\nnonsense = 1'
! in_machine systemctl reload stint 2>/dev/null || fail "a bad reload succeeds"
serves 2 hi
wait_for 5 "the status to tell" property_has StatusText "1 rejected: web: "
ok "a bad reload fails, the old generation answers, status: $(property StatusText | cut -c 1-80)"
web_conf hello
in_machine systemctl reload stint
stint_yaml 'nonsense: 1'
! in_machine systemctl reload stint 2>/dev/null || fail "a reload of an invalid configuration succeeds"
property_is ActiveState active || fail "it is $(property ActiveState)"
wait_for 5 "the status to tell" property_has StatusText "configuration rejected: "
stint_yaml ''
in_machine systemctl reload stint || fail "the configuration is good again, and the reload fails"
ok "a configuration that is not valid fails the reload"

# ---- SIGHUP, as notify-reload would send it
web_conf hup
in_machine kill -HUP "$pid"
wait_for 10 "SIGHUP to be followed" answer hup
wait_for 5 "READY=1 after SIGHUP" property_is ActiveState active
[ "$(main_pid)" = "$pid" ] || fail "the main pid has changed"
ok "SIGHUP reloads and ends in active"

# ---- what the journal knows
generation=$(in_machine journalctl -u stint -o json STINT_SERVICE=web | tail -n 1)
for field in STINT_SERVICE STINT_GENERATION; do
    [[ $generation == *"\"$field\":"* ]] || fail "no $field in $generation"
done
[ "$(in_machine journalctl -u stint -o json --output-fields=STINT_TRACE STINT_SERVICE=web | grep -c STINT_TRACE)" -gt 3 ] || fail "no STINT_TRACE in the journal"
trace=$(in_machine journalctl -u stint -o json STINT_SERVICE=web | sed -n 's/.*"STINT_TRACE":"\([0-9a-f]*\)".*/\1/p' | tail -n 1)
[ "$(in_machine journalctl -u stint -o cat "STINT_TRACE=$trace" | wc -l)" -ge 2 ] || fail "a reload is not found by its trace $trace"
ok "journal fields: STINT_SERVICE, STINT_GENERATION, STINT_TRACE"

# ---- restart: everything new, but the sockets
load_begin
in_machine systemctl restart stint || fail "restart fails"
[ "$(main_pid)" != "$pid" ] || fail "a restart without a new main process"
load_more 200
load_end
[ "$(load_failed refused)" = 0 ] || fail "$(load_failed refused) connections refused during a restart"
[ "$(load_failed any)" = 0 ] || fail "$(load_failed any) requests failed during a restart: $(grep failed_by "$machine_dir/t/load.json")"
ok "restart: 0 of $(load_requests) requests failed"
in_machine systemctl restart stint || fail "the second restart fails"
local_answers || fail "the unix socket is lost after two restarts"
[ "$(property NFileDescriptorStore)" = 2 ] || fail "the store has $(property NFileDescriptorStore) descriptors, not 2"
! in_machine journalctl -u stint | grep -E 'socket_not_taken|not_kept' || fail "sockets did not come back"
ok "two sockets are kept over two restarts"

# ---- time that is asked for: systemd is told to wait two seconds for a stop and for a start
drop_in timeouts <<'UNIT'
[Service]
TimeoutStartSec=2
TimeoutStopSec=2
UNIT
in_machine systemctl daemon-reload

# ---- stop, with a worker that does not want to
stint_yaml 'stop_budget: 4s' '  deaf: {command: [/opt/t/scenario_actor, deaf, ready, never], ready: notify, watch: {binary: false}}'
in_machine systemctl reload stint || fail "no second service"
stop=${EPOCHREALTIME/./}
in_machine systemctl stop stint
took=$(((${EPOCHREALTIME/./} - stop) / 1000))
property_is ActiveState inactive || fail "after stop it is $(property ActiveState), $(property Result)"
property_is Result success || fail "the result of stop is $(property Result)"
[ "$took" -lt 6000 ] || fail "stop took $took ms"
[ -z "$(unit_pids)" ] || fail "somebody is left: $(unit_pids)"
[ "$took" -gt 2500 ] || fail "stop took $took ms: the worker did not ignore SIGTERM, so nothing was tested"
ok "stop ends a worker that ignores SIGTERM: $took ms of a budget of 4 s, TimeoutStopSec=2"

stint_yaml
web_conf hello 3000
in_machine systemctl start stint || fail "a slow start fails: $(property Result)"
answer hello || fail "started slowly, and no answer"
in_machine systemctl stop stint
web_conf hello
ok "a service takes 3 s to be ready, TimeoutStartSec=2"

# ---- a oneshot: the start is over when it has completed
stint_yaml '' '  once: {type: oneshot, command: [sh, -c, "sleep 3"], watch: {binary: false}}'
in_machine systemctl start stint || fail "a start with a oneshot fails: $(property Result)"
property_is StatusText "3 services, 2 running, 1 completed" || fail "its status is '$(property StatusText)'"
ok "a oneshot takes 3 s, and start waits for it, status: $(property StatusText)"
stint_yaml '' '  once: {type: oneshot, command: [sh, -c, "exit 3"], watch: {binary: false}}'
! in_machine systemctl reload stint 2>/dev/null || fail "a reload with a oneshot that fails succeeds"
wait_for 5 "the status to tell" property_has StatusText "1 rejected: once: exited with status 3"
property_is ActiveState active || fail "it is $(property ActiveState)"
in_machine systemctl stop stint
ok "one that fails fails the reload, and nothing else"

# ---- a configuration that was never valid
stint_yaml 'nonsense: 1'
! in_machine systemctl start stint 2>/dev/null || fail "it starts with an invalid configuration"
property_is ExecMainStatus 78 || fail "the exit status is $(property ExecMainStatus), not 78"
property_has StatusText "is not valid" || fail "its status is '$(property StatusText)'"
property_is NRestarts 0 || fail "it was restarted $(property NRestarts) times, which cannot help"
ok "an invalid configuration fails the start, once"
