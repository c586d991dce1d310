#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cgroups.sh STINT ACTOR: a container whose cgroup namespace is its own and writable, and a host where a
# cgroup was delegated: one leaf for each generation, whoever runs away is in it, and nothing is left.
# shellcheck source=tests/container/lib.sh
. "${0%/*}/lib.sh"

# Where none is mounted, one is, for this test alone.
if [ -z "$(findmnt -t cgroup2 -n -o TARGET)" ] && [ "$(id -u)" -eq 0 ] && [ -z "${STINT_MOUNTED:-}" ] &&
    grep -qw cgroup2 /proc/filesystems; then
    rm -rf "$stage"
    # shellcheck disable=SC2016
    STINT_MOUNTED=1 exec unshare --mount sh -c '
        mount -t tmpfs tmpfs /mnt && mkdir /mnt/cgroup2 && mount -t cgroup2 cgroup2 /mnt/cgroup2 && exec "$@"' sh "$0" "$@"
fi
make_root "$1" "$2"

# Our cgroup of version 2, wherever it is mounted, and one of the test's own in it.
mounted=$(findmnt -t cgroup2 -n -o TARGET | head -n 1)
[ -n "$mounted" ] || skip "no cgroup v2 is mounted here"
home=$mounted$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir "$home/stint-container-$$" 2>/dev/null || skip "no cgroup can be made in $home"
cgroup=$home/stint-container-$$

# leaves: of the cgroup, in order, on one line.
leaves() { find "$cgroup" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort | tr '\n' ' '; }
leaves_are() { [ "$(leaves)" = "$1" ]; }
empty() { leaves_are '' && [ -z "$(cat "$cgroup/cgroup.procs")" ] && grep -qx 'populated 0' "$cgroup/cgroup.events"; }
# runaway: the pid of who forked twice and left session and group, in the leaf of generation $1.
runaway() {
    local pid

    while read -r pid; do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != sleep ] || echo "$pid"
    done <"$cgroup/web.$1/cgroup.procs"
}
ran_away() { [ -n "$(runaway "$1")" ]; }
dead() { ! kill -0 "$1" 2>/dev/null; }

service() { # the worker leaves somebody behind each time
    cat <<'SERVICES'
  web:
    command: [sh, -c, "(setsid sleep 1000 >/dev/null 2>&1 &); exec /bin/actor ready"]
    listen: {main: "tcp://127.0.0.1:8080"}
SERVICES
}

# story: of whoever runs in $cgroup, with stint() to ask him, until all but the end is told.
story() {
    local first second inode

    await 10 leaves_are 'stint web.1 '
    await 10 ran_away 1
    stint status | grep -q "^cgroup: [^n]" || fail "status does not say where the leaves are"
    ! stint status | grep -q '^not to be had here: cgroups' || fail "cgroups are had here: $(stint status)"
    first=$(runaway 1)

    # The next master finds the same leaf, and who is in it.
    inode=$(stat -c %i "$cgroup/web.1")
    kill_master
    leaves_are 'stint web.1 ' || fail "after a takeover there are: $(leaves)"
    [ "$(stat -c %i "$cgroup/web.1") $(runaway 1)" = "$inode $first" ] || fail "not the same leaf"

    # With its generation the runaway ends, and with him the leaf.
    stint reload web --force --wait gone --timeout 30s >/dev/null || fail "no reload"
    await 10 dead "$first"
    await 10 leaves_are 'stint web.2 '
    logged 'event=escapee' || say "the runaway was not named"
    await 10 ran_away 2
    second=$(runaway 2)
    kill -TERM "$init"
    ended_with 0 10
    dead "$second" || fail "who ran away has survived the end"
    await 5 empty
    say "leaves came and went"
}

# A container: the root of its cgroup namespace is what it has, and it may write there.
own_cgroups=1
service | configure 'stop_budget: 8s'
start
await 10 serves
story

# Handed over by a signal, they stay in the leaf they are in, and whoever follows them goes there.
configure 'stop_budget: 8s' <<'SERVICES'
  web:
    command: [sh, -c, "trap : HUP; while :; do sleep 1; done"]
    ready: {assume_after: 50ms}
    handoff: signal
    reload_assume_after: 50ms
SERVICES
start
await 10 leaves_are 'stint web.1 '
await 10 logged 'event=verdict .*outcome=serving'
main=$(head -n 1 "$cgroup/web.1/cgroup.procs")
stint reload web --force --timeout 30s | grep -q 'generation 2 serves' || fail "no reload by signal"
kill_master
leaves_are 'stint web.1 ' || fail "after a signal and a takeover there are: $(leaves)"
grep -qx "$main" "$cgroup/web.1/cgroup.procs" || fail "the next master did not leave who was handed over alone"
kill -KILL "$main"
await 10 logged 'event=worker_ready .*gen=2'
leaves_are 'stint web.1 ' || fail "who follows is in another leaf: $(leaves)"
kill -TERM "$init"
ended_with 0 10
await 5 empty

# Somebody is put into the cgroup of a generation who is nobody's: its certificate does not say that it is empty, and
# he is named before he is killed with it.
service | configure 'stop_budget: 8s'
start
await 10 serves
exec_in /bin/sh -c 'echo $$ >/sys/fs/cgroup/web.1/cgroup.procs; exec /bin/sleep 1002' &
strange() { [ "$(runaway 1 | wc -l)" -ge 2 ]; }
await 10 strange
stint reload web --force --wait gone --timeout 30s >/dev/null || fail "no reload"
stint leaks web --certificates | grep -q 'generation 1 1 process is left.*processes NOT gone (seen), cgroup NOT empty (seen)' ||
    fail "what its certificate says: $(stint leaks web --certificates)"
logged 'event=process_retained .*gen=1 .*SIGKILL, its generation is gone: ./bin/sleep 1002.' || fail "the stranger was not named"
await 10 leaves_are 'stint web.2 '
stint reload web --force --wait gone --timeout 30s >/dev/null || fail "no second reload"
stint leaks web --certificates | grep -q 'generation 2 1 escaped.*processes gone (seen), cgroup empty (seen), descriptors returned (seen)' ||
    fail "what the second certificate says: $(stint leaks web --certificates)"
kill -TERM "$init"
ended_with 0 10
await 5 empty

# The same, and nothing of it is wanted.
service | configure 'stop_budget: 8s' 'cgroup: off'
start
await 10 serves
await 10 gone sh
leaves_are '' || fail "nothing was to be made, but there are: $(leaves)"
stint status | grep -q "^cgroup: none: switched off" || fail "status does not say that they are off"
kill -TERM "$init"
ended_with 0 10
await 5 empty

# Who has no environment, no pipe of ours, a session of its own, and is deaf, like its child: only the cgroup has
# them. Both are named before the cgroup is killed, and are in the book afterwards.
install "$(command -v env)"
configure 'stop_budget: 8s' <<'SERVICES'
  web:
    command: [sh, -c, "(exec env -i /bin/setsid /bin/sh -c 'exec >/dev/null 2>&1; trap \"\" TERM; /bin/sleep 1000 & wait' &); exec /bin/actor ready"]
    listen: {main: "tcp://127.0.0.1:8080"}
    leak_grace: 300ms
SERVICES
start
await 10 serves
await 10 ran_away 1
child=$(runaway 1)
stint reload web --force --wait gone --timeout 30s >/dev/null || fail "no reload"
await 10 dead "$child"
logged 'event=escapee .*gen=1 .*in the cgroup of its generation' || fail "who has nothing but its cgroup was not found"
logged 'event=worker_leak .*gen=1 .*process-retained: 1 process of it is left: [0-9]+ .sleep 1000|event=worker_leak .*gen=1 .*process-retained: 1 process of it is left: [0-9]+ ./bin/sleep 1000' ||
    fail "its child was not named"
logged 'event=process_retained .*service=web gen=1 .*SIGKILL, with its worker: ./bin/sleep 1000' ||
    fail "who was killed with the cgroup was not named"
stint leaks web | grep -q 'process-retained, killed  generation 1 .*/bin/sleep 1000' ||
    fail "the book does not have it: $(stint leaks web)"
await 10 leaves_are 'stint web.2 '
kill -TERM "$init"
ended_with 0 20
await 5 empty

own_cgroups=

# A host: no namespaces; the cgroup is marked as systemd marks what it delegates.
delegate() {
    setfattr -n user.delegate -v 1 "$cgroup" 2>/dev/null ||
        python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.delegate", b"1")' "$cgroup" 2>/dev/null
}
told=
delegate || told='cgroup: on' # no extended attribute can be set on one here
bin=$1
{
    printf 'version: 1\nruntime_dir: %s/run\nstate_dir: %s/state\nstop_budget: 8s\n%s\nservices:\n' "$stage" "$stage" "$told"
    service | sed "s|/bin/actor|$2|; /listen:/d"
} >"$stage/host.yaml"
: >"$log"
(
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec "$bin" run -c "$stage/host.yaml"
) 2>>"$log" >>"$log" &
runtime=$!
init=$runtime
stint() { "$bin" "$@" -c "$stage/host.yaml"; }
await 10 logged 'event=verdict .*outcome=serving'
story
