#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kills.sh BUILD CMAKE: SIGKILL and SIGSTOP to the master and to the keeper, with clients at the door.
BUILD=$1 CMAKE=$2
# shellcheck source=tests/systemd/machine.sh
. "$(dirname "$0")/machine.sh"

machine_up
web_conf hello
stint_yaml ''
drop_in watchdog <<'UNIT'
[Service]
WatchdogSec=3
ExecStart=
ExecStart=/usr/bin/stint run --watchdog 3s -c /etc/stint/stint.yaml
UNIT
in_machine systemctl daemon-reload
in_machine systemctl start stint || fail "it does not start"
keeper=$(main_pid) workers=$(worker_pids)
[ "$(wc -w <<<"$workers")" = 3 ] || fail "there are not 3 workers: $workers"

takeovers=0
taken_over() { [ "$(in_machine journalctl -u stint -o cat | grep -c 'took over from the master before')" = $takeovers ]; }
another_master() { [ -n "$(master_pid)" ] && [ "$(master_pid)" != "$1" ]; }
another_keeper() { property_is ActiveState active && [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ]; }
same_service() { # WHAT: nothing has changed, as seen by systemd and by the clients
    takeovers=$((takeovers + 1))
    wait_for 10 "the takeover $1" taken_over
    # It is announced as a reload, which ends with the usual status.
    wait_for 10 "the status of the new master $1" property_is StatusText "2 services, 2 running"
    wait_for 10 "an active unit $1" property_is ActiveState active
    property_is NRestarts 0 || fail "$1: systemd restarted it"
    [ "$(main_pid)" = "$keeper" ] || fail "$1: the main pid has changed"
    [ "$(worker_pids)" = "$workers" ] || fail "$1: the workers are others: $(worker_pids), not $workers"
}
nobody_left() { # PIDS WHAT: none of them lives on in the unit's cgroup
    local pid
    for pid in $1; do
        ! grep -qx "$pid" <<<"$(unit_pids)" || fail "$2: process $pid is left in the cgroup"
    done
}

# ---- the master
load_begin
for i in 1 2 3; do
    master=$(master_pid)
    in_machine kill -KILL "$master"
    wait_for 10 "another master" another_master "$master"
    same_service "after kill -9 of the master ($i)"
done
load_more 100
load_end
[ "$(load_failed any)" = 0 ] || fail "$(load_failed any) of $(load_requests) requests failed: $(grep failed_by "$machine_dir/t/load.json")"
ok "kill -9 of the master, 3 times: same main pid, same workers, NRestarts=0, 0 of $(load_requests) requests failed"
web_conf hi
in_machine systemctl reload stint || fail "the new master does not reload"
serves 2 hi
wait_for 10 "the old generation to leave" in_machine stint wait web --for gone
workers=$(worker_pids)

load_begin
master=$(master_pid)
stopped=${EPOCHREALTIME/./}
in_machine kill -STOP "$master"
wait_for 20 "the keeper to replace a master that says nothing" another_master "$master"
took=$(((${EPOCHREALTIME/./} - stopped) / 1000))
same_service "after SIGSTOP of the master"
load_more 100
load_end
[ "$(load_failed any)" = 0 ] || fail "$(load_failed any) of $(load_requests) requests failed: $(grep failed_by "$machine_dir/t/load.json")"
ok "SIGSTOP of the master: replaced after $took ms, same main pid, NRestarts=0, 0 of $(load_requests) requests failed"

# ---- the keeper
load_begin
before=$(unit_pids)
in_machine kill -KILL "$keeper"
wait_for 10 "systemd to restart it" another_keeper "$keeper"
load_more 100
load_end
[ "$(load_failed refused)" = 0 ] || fail "$(load_failed refused) connections refused: $(grep failed_by "$machine_dir/t/load.json")"
nobody_left "$before" "after kill -9 of the keeper"
property_is NRestarts 1 || fail "NRestarts is $(property NRestarts)"
ok "kill -9 of the keeper: restarted, nobody left, 0 of $(load_requests) connections refused ($(load_failed any) requests cut off)"

keeper=$(main_pid) before=$(unit_pids)
load_begin
stopped=${EPOCHREALTIME/./}
in_machine kill -STOP "$keeper"
wait_for 20 "systemd's watchdog" another_keeper "$keeper"
took=$(((${EPOCHREALTIME/./} - stopped) / 1000))
load_more 100
load_end
[ "$(load_failed refused)" = 0 ] || fail "$(load_failed refused) connections refused: $(grep failed_by "$machine_dir/t/load.json")"
nobody_left "$before" "after the watchdog"
in_machine journalctl -u stint | grep 'Watchdog timeout' >/dev/null || fail "that was not the watchdog"
property_is NRestarts 2 || fail "NRestarts is $(property NRestarts)"
ok "SIGSTOP of the keeper, WatchdogSec=3: restarted after $took ms, 0 of $(load_requests) connections refused ($(load_failed any) requests cut off)"
local_answers || fail "the unix socket does not answer"
ok "the unix socket is the same, too"
