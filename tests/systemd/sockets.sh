#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# sockets.sh BUILD CMAKE: a socket unit, a listener that a worker shut down, two instances, the hardened drop-in.
BUILD=$1 CMAKE=$2
# shellcheck source=tests/systemd/machine.sh
. "$(dirname "$0")/machine.sh"

another_master() { [ -n "$(master_pid)" ] && [ "$(master_pid)" != "$1" ]; }

machine_up
share=/usr/share/stint/systemd

# ---- a socket unit
in_machine cp $share/stint-web.socket /etc/systemd/system/
in_machine sed -i 's/0\.0\.0\.0:80$/127.0.0.1:8080/' /etc/systemd/system/stint-web.socket
in_machine install -D -m 644 $share/stint-web.conf /etc/systemd/system/stint.service.d/web.conf
in_machine systemctl daemon-reload
web_conf hello
stint_yaml ''
in_machine systemctl start stint-web.socket
listening() { awk '$2 ~ /:1F90$/ && $4 == "0A" { print $10 }' "/proc/$machine_pid/net/tcp"; }
inode=$(listening)
property_is ActiveState inactive || fail "stint runs before anybody came"
in_machine timeout 20 /opt/t/stint-load --address 127.0.0.1:8080 --rate 0 --single 10 --duration 100ms --timeout 10s >/dev/null ||
    fail "the first clients were not served"
property_is ActiveState active || fail "the clients did not start stint"
[ "$(listening)" = "$inode" ] || fail "stint listens on a socket of its own"
in_machine journalctl -u stint -o cat | grep 'systemd opened it' >/dev/null || fail "the log does not say where the socket is from"
ok "a client starts stint, which serves on systemd's socket"
in_machine systemctl restart stint || fail "restart fails"
answer hello || fail "no answer after a restart"
[ "$(listening)" = "$inode" ] || fail "after a restart it is another socket"
! in_machine journalctl -u stint -o cat | grep -E 'socket not taken|not kept|socket_not_taken|not_kept' || fail "complaints about sockets that come twice"
ok "after a restart it is the same socket, without a complaint"
in_machine systemctl stop stint stint-web.socket
in_machine rm -r /etc/systemd/system/stint.service.d /etc/systemd/system/stint-web.socket
in_machine systemctl daemon-reload

# ---- a worker that shuts the listener down for all: systemd would drop such a socket
stint_yaml '' '  rude:
    command: [/opt/t/scenario_actor, shutdown, ready]
    ready: notify
    watch: {binary: false}
    listen: {http: tcp://127.0.0.1:8081}'
in_machine systemctl start stint || fail "it does not start"
refuses() { ! in_machine /opt/t/stint-load --address 127.0.0.1:8081 --rate 0 --single 20 --duration 100ms --timeout 1s >/dev/null 2>&1; }
master=$(master_pid)
in_machine kill -STOP "$master" # long enough for systemd to see it, too
in_machine kill -TERM "$(pids_named scenario_actor)"
wait_for 5 "the listener to be shut down" refuses
in_machine systemctl show stint >/dev/null # systemd has had a turn since
in_machine kill -CONT "$master"
wait_for 5 "the log to tell" in_machine sh -c 'journalctl -u stint -o cat | grep "shutdown()" >/dev/null'
[ "$(property NFileDescriptorStore)" = 3 ] || fail "the store has $(property NFileDescriptorStore) descriptors, not 3"
ok "a listener that a worker shut down stays in the store"
in_machine systemctl stop stint

# ---- instances
port=8082
for name in a b; do
    port=$((port + 1))
    machine_file /etc/stint/$name.yaml <<YAML
version: 1
runtime_dir: /run/stint-$name
state_dir: /var/lib/stint-$name
services:
  one: {command: [/opt/t/scenario_actor, ready], ready: notify, listen: {http: "tcp://127.0.0.1:$port"}}
YAML
done
in_machine systemctl start stint@a stint@b || fail "two instances do not start"
in_machine systemctl reload stint@a stint@b || fail "instances do not reload"
in_machine systemctl stop stint@a || fail "an instance does not stop"
[ "$(property ActiveState stint@b)" = active ] || fail "stopping one instance stopped the other"
in_machine stint status -c /etc/stint/b.yaml >/dev/null || fail "the other one is not to be found"
in_machine systemctl stop stint@b
ok "two instances"

# ---- hardened
in_machine systemd-sysusers stint.conf
in_machine systemd-tmpfiles --create stint.conf
[ "$(in_machine stat -c '%U:%G %a' /etc/stint)" = 'root:stint 750' ] || fail "/etc/stint is $(in_machine stat -c '%U:%G %a' /etc/stint)"
in_machine install -D -m 644 $share/stint-hardened.conf /etc/systemd/system/stint.service.d/hardened.conf
in_machine chown -R stint: /var/lib/stint
# A program with sanitizers looks for leaks by ptrace, which the filter does not let it.
drop_in sanitizers <<'UNIT'
[Service]
Environment=ASAN_OPTIONS=detect_leaks=0
UNIT
in_machine systemctl daemon-reload
stint_yaml ''
in_machine systemctl start stint || fail "hardened, it does not start"
[ "$(in_machine stat -c %U "/proc/$(main_pid)")" = stint ] || fail "hardened, it is not user stint"
grep -q 'Seccomp:.2' <<<"$(in_machine cat "/proc/$(main_pid)/status")" || fail "hardened, and without a filter"
answer hello || fail "hardened, and no answer"
web_conf hi
in_machine chmod 644 /etc/stint/web.conf
in_machine systemctl reload stint || fail "hardened, it does not reload"
wait_for 5 "the new generation alone" answer hi
master=$(master_pid)
in_machine kill -KILL "$master"
wait_for 10 "another master" another_master "$master"
wait_for 10 "the new master to be ready" property_is SubState running
property_is NRestarts 0 || fail "hardened, killing the master restarts all"
in_machine systemctl restart stint || fail "hardened, it does not restart"
answer hi || fail "hardened, no answer after a restart"
in_machine systemctl stop stint
property_is Result success || fail "hardened, stop ends with $(property Result)"
ok "the hardened drop-in: start, reload, a killed master, restart, stop as user stint"
