#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# machine.sh: a real systemd as PID 1, for tests; sourced, with BUILD and CMAKE set. It runs in
# namespaces of its own, on a throw-away overlay: stint as `cmake --install` puts it below /usr, on top
# of this machine's own root (or of machine_root). Nothing outside changes, and nothing is left.
#
# Two guards are here for the machine's sake. systemd takes the cgroup it is started in for its own and
# moves everybody out of it: so it is only started once we are in one of our own. And it writes
# sysctls, which are not in any namespace: so /proc/sys is read-only to it.
#
# Where it cannot be done, the test says why and exits 77: ctest counts it as Skipped.
set -euo pipefail

machine_root=${machine_root:-/}
machine_also=${machine_also:-} # removed in the end, too
machine_dir=
machine_cgroup=
machine_pid=
load_pid=

skip() {
    echo "skipped: $*"
    exit 77
}

machine_down() {
    trap - EXIT HUP INT TERM
    if [ -n "$machine_cgroup" ] && [ -d "$machine_cgroup" ]; then
        echo 1 >"$machine_cgroup/cgroup.kill"
        for ((i = 0; i < 500; i++)); do
            grep -q 'populated 0' "$machine_cgroup/cgroup.events" && break
            sleep 0.02
        done
        find "$machine_cgroup" -depth -type d -exec rmdir {} \;
    fi
    rm -rf "${machine_dir:-/nonexistent}" "${machine_also:-/nonexistent}"
}

machine_needs() {
    local tool mount
    [ "$(id -u)" -eq 0 ] || skip "needs root"
    for tool in unshare nsenter pivot_root ip mount pgrep; do
        command -v $tool >/dev/null || skip "needs $tool"
    done
    [ -x "$machine_root/lib/systemd/systemd" ] || skip "needs a systemd in $machine_root"
    grep -qw overlay /proc/filesystems || skip "needs overlayfs"
    mount=$(awk '{ for (i = 7; i < NF; i++) if ($i == "-" && $(i + 1) == "cgroup2") { print $5; exit } }' /proc/self/mountinfo)
    [ -n "$mount" ] || skip "needs a mounted cgroup2"
    mkdir "$mount/stint-test-$$" 2>/dev/null || skip "may not make a cgroup below $mount"
    machine_cgroup=$mount/stint-test-$$
    [ -w "$machine_cgroup/cgroup.kill" ] || skip "needs cgroup.kill (Linux 5.14)"
}

# What the machine's init does before it is one.
machine_inner() {
    cat <<INNER
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs $machine_dir/m
mkdir $machine_dir/m/up $machine_dir/m/work $machine_dir/m/root
R=$machine_dir/m/root
cp -a $machine_dir/stage $machine_dir/m/stage # layers may not overlap
mount -t overlay overlay -o lowerdir=$machine_dir/m/stage:$machine_root,upperdir=$machine_dir/m/up,workdir=$machine_dir/m/work \$R
mount -t proc proc \$R/proc
mount --bind \$R/proc/sys \$R/proc/sys
mount -o remount,bind,ro \$R/proc/sys
mount --bind \$R/proc/sys/net \$R/proc/sys/net
mount -o remount,bind,rw \$R/proc/sys/net
mount -t sysfs -o ro sysfs \$R/sys
mount -t tmpfs -o mode=755 tmpfs \$R/dev
for d in null zero full random urandom tty; do : >\$R/dev/\$d; mount --bind /dev/\$d \$R/dev/\$d; done
mkdir \$R/dev/pts \$R/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts \$R/dev/pts
mount -t tmpfs tmpfs \$R/dev/shm
ln -s pts/ptmx \$R/dev/ptmx
ln -s /proc/self/fd \$R/dev/fd
for i in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/\${i%:*} \$R/dev/\${i#*:}; done
mount -t tmpfs -o mode=755 tmpfs \$R/run
mount -t tmpfs tmpfs \$R/tmp
mount -t cgroup2 cgroup2 \$R/sys/fs/cgroup
ln -sf /dev/null \$R/etc/systemd/system/systemd-modules-load.service
mkdir -p \$R/opt/t \$R/etc/stint
mount --bind $machine_dir/t \$R/opt/t
ip link set lo up
cd \$R
mkdir -p .old
pivot_root . .old
umount -l /.old
exec env -i container=stint-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
    --log-target=journal-or-kmsg --show-status=no --unit=basic.target
INNER
}

# What is in it beside this machine's root.
machine_fill() {
    DESTDIR=$machine_dir/stage "$CMAKE" --install "$BUILD" --prefix /usr --component runtime >/dev/null
    cp "$BUILD/examples/web/web" "$BUILD/tests/scenario/scenario_actor" "$BUILD/bench/stint-load" "$machine_dir/t/"
}

# machine_up: returns when the machine runs. What lies in $machine_dir/t is its /opt/t.
machine_up() {
    trap machine_down EXIT
    trap 'exit 1' HUP INT TERM
    machine_needs
    machine_dir=$(mktemp -d)
    chmod 755 "$machine_dir" # a lower layer of /, seen by users of the machine
    mkdir "$machine_dir/m" "$machine_dir/t" "$machine_dir/stage"
    machine_fill
    machine_inner >"$machine_dir/inner.sh"
    # -e: systemd is not started unless the move into a cgroup of our own went well.
    sh -ec 'echo 0 >"$1/cgroup.procs"
        exec unshare --mount --pid --ipc --uts --net --cgroup --fork --kill-child bash "$2"' \
        sh "$machine_cgroup" "$machine_dir/inner.sh" >"$machine_dir/console" 2>&1 </dev/null &
    local unshare=$!
    disown # its end is seen by the cgroup
    wait_for 30 "the machine to be there" machine_init "$unshare"
    wait_for 30 "the machine to run" machine_runs
}

machine_init() {
    kill -0 "$1" 2>/dev/null || fail "it did not begin: $(tail -n 3 "$machine_dir/console")"
    machine_pid=$(pgrep -P "$1" | head -n 1)
    [ -n "$machine_pid" ]
}

machine_runs() {
    case $(in_machine systemctl is-system-running 2>/dev/null) in
    running | degraded) return 0 ;;
    *) return 1 ;;
    esac
}

in_machine() { nsenter -t "$machine_pid" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@"; }
machine_file() { in_machine sh -c "mkdir -p '${1%/*}' && cat >'$1'"; } # from standard input

fail() {
    echo "FAILED: $*"
    if [ -n "$machine_pid" ]; then
        echo "--- the machine's journal"
        in_machine journalctl --no-pager -o short-precise -n 60 2>&1 | cut -c 1-300 || true
        echo "--- its console"
        tail -n 20 "$machine_dir/console"
    fi
    exit 1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; looked at often, never slept through.
wait_for() {
    local until=$((${EPOCHREALTIME/./} + $1 * 1000000)) what=$2
    shift 2
    until "$@"; do
        [ "${EPOCHREALTIME/./}" -lt "$until" ] || fail "waited in vain for $what"
        sleep 0.02
    done
}

began=${EPOCHREALTIME/./}
ok() { printf 'ok %6d ms  %s\n' $(((${EPOCHREALTIME/./} - began) / 1000)) "$*"; }

# ---- stint in it -----------------------------------------------------------------------------------

property() { in_machine systemctl show -P "$1" "${2:-stint.service}"; }
property_is() { [ "$(property "$1")" = "$2" ]; }
property_has() { [[ $(property "$1") == *$2* ]]; }
main_pid() { property MainPID; }

# Processes of the unit, as the machine numbers them: by cgroup, so nobody is forgotten.
unit_pids() { in_machine sh -c 'find /sys/fs/cgroup/system.slice/stint.service -name cgroup.procs -exec cat {} + 2>/dev/null' | sort -n; }
# pids_named TEXT: … and those of them whose command line has TEXT.
pids_named() {
    # shellcheck disable=SC2016,SC2046 # for the machine's shell; numbers are words
    in_machine sh -c 'for p; do echo "$p $(tr "\0" " " 2>/dev/null </proc/$p/cmdline)"; done' sh $(unit_pids) 2>/dev/null |
        awk -v name="$1" 'index($0, name) { print $1 }'
}
master_pid() { pids_named 'stint: master'; }
worker_pids() { pids_named '/opt/t/'; }

# serving: the generation of web that serves now.
serving() { in_machine stint status web --json | tr -d ' \n' | sed 's/.*"serving":\([0-9]*\).*/\1/'; }

# serves GENERATION GREETING: it does now, and soon it alone answers: the old one may have a client in hand.
serves() {
    [ "$(serving)" = "$1" ] || fail "generation $(serving) serves, not $1"
    wait_for 5 "'$2' to be the only answer" answer "$2"
}

answer() { in_machine /opt/t/stint-load --address 127.0.0.1:8080 --rate 0 --single 20 --duration 100ms --expect-substring "$1" >/dev/null; }

local_answers() { in_machine /opt/t/stint-load --address unix:/run/stint/web.sock --rate 0 --single 20 --duration 100ms >/dev/null; }

# web_conf GREETING [START_DELAY]: the configuration of the example.
web_conf() {
    machine_file /etc/stint/web.conf <<CONF
greeting = $1
threads = 2
leak = no
start_delay_ms = ${2:-0}
drain_quiet_ms = 250
CONF
}

stint_yaml() {
    machine_file /etc/stint/stint.yaml <<YAML
version: 1
${1:-}
services:
  web:
    command: [/opt/t/web, --config, /etc/stint/web.conf]
    workers: 2
    listen: {http: tcp://127.0.0.1:8080}
    libstint: true
    ready: notify
    # What is edited here is found by the reload that the test orders, not by the watch.
    watch: {binary: false, paths: [/etc/stint/web.conf], settle: 1s}
    check: [/opt/t/web, --check, /etc/stint/web.conf]
    drain_timeout: 5s
  local:
    command: [/opt/t/web, --config, /etc/stint/web.conf]
    listen: {http: unix:/run/stint/web.sock}
    libstint: true
    ready: notify
    watch: {binary: false}
${2:-}
YAML
}

drop_in() { machine_file "/etc/systemd/system/stint.service.d/$1.conf"; }

# ---- load on it ------------------------------------------------------------------------------------

load_begin() {
    mkfifo "$machine_dir/eof" 2>/dev/null || true
    exec {load_fd}<>"$machine_dir/eof"
    rm -f "$machine_dir/t/status" "$machine_dir/t/load.json"
    in_machine /opt/t/stint-load --address 127.0.0.1:8080 --rate 200 --single 200 --until-eof --timeout 10s \
        --json /opt/t/load.json --status-file /opt/t/status <"$machine_dir/eof" >"$machine_dir/load" 2>&1 {load_fd}>&- &
    load_pid=$!
    wait_for 10 "the load to begin" load_at_least 50
}

load_count() { awk '{ print $2 }' "$machine_dir/t/status" 2>/dev/null; }
load_at_least() {
    local n
    n=$(load_count)
    [ "${n:-0}" -ge "$1" ]
}
# load_more N: N more requests have been answered since.
load_more() { wait_for 20 "$1 more answers" load_at_least $(($(load_count) + $1)); }

load_end() {
    exec {load_fd}>&-
    wait "$load_pid" || true
    [ -s "$machine_dir/t/load.json" ] || fail "the load client has no account: $(cat "$machine_dir/load")"
}
load_failed() { # KIND...: how many requests failed in these ways; any: in all
    awk -v kinds="$*" '/"failed_by_kind"/ {
        gsub(/[{},":]/, " ")
        for (i = 2; i < NF; i += 2) if (kinds == "any" || index(" " kinds " ", " " $i " ")) n += $(i + 1)
    } END { print n + 0 }' "$machine_dir/t/load.json"
}
load_requests() { awk -F'[:,]' '/"requests"/ { print $2 + 0; exit }' "$machine_dir/t/load.json"; }
