# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A container without a container runtime: namespaces of its own for processes, mounts and network, and a
# root file system with nothing in it but stint, the actor, a shell, and the libraries they need. Sourced
# by the tests beside it: BIN ACTOR. What a runtime does from outside (exec, kill, stop) is done here by
# nsenter and kill. Whatever cannot be made here is a skip that says why.
set -eu

# LeakSanitizer traces its own process at the end, which a container may not; the other tests look for leaks.
export ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}

stage=$(mktemp -d "${TMPDIR:-/tmp}/stint-container-XXXXXX")
root=$stage/root
log=$stage/log
init=    # the container's PID 1, as seen from here
runtime= # who waits for it
cgroup=  # where it is put, if it is
state_dir=/run/stint/state

chmod 755 "$stage" # the container's user looks through it

skip() {
    echo "SKIPPED: ${0##*/}: $*"
    exit 77
}

fail() {
    echo "FAILED: ${0##*/}: $*"
    [ ! -s "$log" ] || sed 's/^/  | /' "$log"
    exit 1
}

say() { echo "${0##*/}: $*"; }

on_exit() {
    local status=$?

    trap - EXIT
    [ -z "$init" ] || kill -KILL "$init" 2>/dev/null || :
    [ -z "$runtime" ] || wait "$runtime" 2>/dev/null || :
    [ -z "$cgroup" ] || remove_cgroup
    rm -rf "$stage"
    exit "$status"
}
trap on_exit EXIT
trap 'exit 1' HUP INT TERM

# await SECONDS COMMAND...: until it succeeds; a busy machine is given four times as long.
await() {
    local until=$((SECONDS + $1 * 4))

    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$until" ] || fail "not in time: $*"
        sleep 0.02
    done
}

# logged PATTERN [COUNT]: so many lines of the log match.
logged() { [ "$(grep -cE -- "$1" "$log")" -ge "${2:-1}" ]; }

# install PROGRAM [NAME]: into /bin of the container, with its libraries.
install() {
    local library

    mkdir -p "$root/bin"
    cp -L "$1" "$root/bin/${2:-${1##*/}}"
    ldd "$1" 2>/dev/null | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "$root${library%/*}"
        [ -e "$root$library" ] || cp -L "$library" "$root$library"
    done
}

# make_root: the file system of an image.
make_root() {
    local program

    [ "$(id -u)" -eq 0 ] || skip "needs root"
    unshare --mount --pid --net --fork true 2>/dev/null || skip "no namespaces can be made here"
    mkdir -p "$root/etc/stint" "$root/proc" "$root/run/stint" "$root/dev" "$root/tmp" "$root/sys/fs/cgroup"
    install "$1" stint
    install "$2" actor
    for program in sh setsid sleep cat id; do
        install "$(command -v "$program")"
    done
    : >"$root/dev/null"
}

# configure [KEY: VALUE...]: of the whole; the services come on standard input. By rename.
configure() {
    {
        printf 'version: 1\nruntime_dir: /run/stint\n'
        [ -z "$state_dir" ] || printf 'state_dir: %s\n' "$state_dir"
        [ $# -eq 0 ] || printf '%s\n' "$@"
        printf 'services:\n'
        cat
    } >"$root/etc/stint/stint.yaml.new"
    mv "$root/etc/stint/stint.yaml.new" "$root/etc/stint/stint.yaml"
}

# What a container runtime does before it starts the program, as PID 1 of the namespace. Its choices:
#   read_only=1  the image cannot be written; user=UID  who the program runs as; bind=FILE  is mounted over
#   the configuration; own_cgroups=1  cgroup v2 is mounted, with our cgroup as its root
runtime_start() {
    local user=${user:-0} options=(--no-new-privs)

    ip link set lo up
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --bind /dev/null "$root/dev/null"
    mount -t tmpfs -o "mode=0755,uid=$user" tmpfs "$root/run/stint"
    [ -z "${own_cgroups:-}" ] || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    [ -z "${bind:-}" ] || mount --bind "$bind" "$root/etc/stint/stint.yaml"
    [ -z "${read_only:-}" ] || mount -o remount,bind,ro "$root"
    cd /
    exec env -u TMPDIR PATH=/bin "$SETPRIV" "${options[@]}" "$CHROOT" --userspec="$user:$user" "$root" /bin/stint run "$@"
}

# start [OPTION]: the container; returns when its PID 1 runs.
# shellcheck disable=SC2120 # of a container, not of the test
start() {
    local namespaces=(--mount --pid --net) joined=

    [ -z "${own_cgroups:-}" ] || namespaces+=(--cgroup)
    CHROOT=$(command -v chroot) SETPRIV=$(command -v setpriv)
    export CHROOT SETPRIV root user read_only bind own_cgroups
    export -f runtime_start
    : >"$log"
    (
        [ -z "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
        exec unshare "${namespaces[@]}" --fork --kill-child bash -c 'set -eu; runtime_start "$@"' container "$@"
    ) 2>>"$log" >>"$log" &
    runtime=$!
    joined=/proc/$runtime/task/$runtime/children
    # unshare's child first is the shell that mounts, then stint itself
    await 5 grep -q . "$joined"
    read -r init <"$joined" || : # it has no newline
}
user='' read_only='' bind='' own_cgroups=''

# exec_in COMMAND...: as `docker exec` does.
exec_in() { nsenter -t "$init" -m -p -n -r -w -- "$@"; }
stint() { exec_in /bin/stint "$@"; }
# ask: what a client of the actor reads, "GENERATION SLOT PID WORD"; PID is one of the container.
# shellcheck disable=SC2016
ask() { nsenter -t "$init" -n bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080 && read -r line <&3 && echo "$line"'; }
serves() { ask >/dev/null 2>&1; }

# ended_with STATUS SECONDS: the container ends so, and in that time.
ended_with() {
    local began=$SECONDS status=0

    await "$2" eval "! kill -0 $init 2>/dev/null"
    wait "$runtime" || status=$?
    init='' runtime=''
    [ "$status" -eq "$1" ] || fail "the container ended with $status, not with $1"
    say "ended with status $status after about $((SECONDS - began)) s"
}

# states: of all processes of the container, one letter each and the name.
states() {
    local dir line

    for dir in "/proc/$init/root/proc/"[0-9]*; do
        { read -r line <"$dir/stat"; } 2>/dev/null || continue
        line=${line#*\(}
        echo "${line##*) }" | cut -c1 | tr '\n' ' '
        echo "${line%)*}"
    done
}
no_zombies() { ! states | grep -q '^Z'; }
gone() { ! states | grep -q " $1\$"; }

# master: its pid, as seen from here.
master() {
    local pid

    tr ' ' '\n' <"/proc/$init/task/$init/children" | while read -r pid; do
        ! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q '^stint: master' || echo "$pid"
    done | grep .
}

# kill_master: and wait for the next one to take over.
kill_master() {
    local before

    before=$(grep -c 'event=took_over' "$log" || :)
    kill -KILL "$(master)"
    await 10 logged 'event=took_over' $((before + 1))
}

remove_cgroup() {
    local dir

    { echo 1 >"$cgroup/cgroup.kill"; } 2>/dev/null || :
    find "$cgroup" -depth -type d 2>/dev/null | while read -r dir; do
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            ! rmdir "$dir" 2>/dev/null || break
            sleep 0.1
        done
    done
}
