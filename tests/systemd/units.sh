#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# units.sh verify|security BUILD CMAKE: what systemd-analyze says of the units as they are installed.
# Unknown keys are only warnings to it, and it tells of other people's units too: any word about ours
# is a failure. The drop-in for newer systemds is verified by `trixie`.
set -euo pipefail
what=$1 build=$2 cmake=$3
command -v systemd-analyze >/dev/null || {
    echo "skipped: needs systemd-analyze"
    exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
"$cmake" --install "$build" --prefix "$dir" --component runtime >/dev/null
units=$(find "$dir" -name stint.service -printf '%h\n')
share=$dir/share/stint/systemd

verify() { # NAME UNIT [DROP-IN...]: in a folder of its own, as it would lie in /etc
    local name=$1 unit=$2 root=$dir/$1 status=0
    mkdir "$root"
    cp "$share/stint-web.socket" "$units/stint.service" "$root/"
    cp "$unit" "$root/"
    shift 2
    [ $# -eq 0 ] || mkdir "$root/stint.service.d"
    [ $# -eq 0 ] || cp "$@" "$root/stint.service.d/"
    unit=$root/${unit##*/}
    SYSTEMD_UNIT_PATH=$root: systemd-analyze verify --man=no --recursive-errors=no "${unit/@./@a.}" >"$root/said" 2>&1 || status=$?
    if grep -E 'stint|/etc/systemd' "$root/said"; then
        echo "$name: systemd-analyze verify has something to say (status $status)"
        return 1
    fi
    echo "$name: nothing to say"
}

case $what in
verify)
    cp "$units/stint@.service" "$dir/stint@a.service"
    verify base "$units/stint.service"
    verify instance "$dir/stint@a.service"
    verify hardened "$units/stint.service" "$share/stint-hardened.conf"
    cp "$share/stint-web.socket" "$dir/"
    verify socket "$dir/stint-web.socket" "$share/stint-web.conf"
    # And it does see what is wrong.
    sed 's/^KillMode=/KilMode=/' "$units/stint.service" >"$dir/stint.service"
    ! verify planted "$dir/stint.service" >/dev/null || { echo "a wrong key was not found" && exit 1; }
    sed 's/^PrivateTmp=yes/PrivateTmp=perhaps/' "$share/stint-hardened.conf" >"$dir/planted.conf"
    ! verify planted-too "$units/stint.service" "$dir/planted.conf" >/dev/null || { echo "a wrong value was not found" && exit 1; }
    ;;
security)
    mkdir -p "$dir/etc/systemd/system/stint.service.d"
    cp "$units/stint.service" "$dir/etc/systemd/system/"
    base=$(systemd-analyze security --offline=true --no-pager "$dir/etc/systemd/system/stint.service" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
    # Offline it reads one file: a drop-in's lines come after the unit's own, as they would.
    mkdir "$dir/one"
    cat "$units/stint.service" "$share/stint-hardened.conf" >"$dir/one/stint.service"
    hardened=$(systemd-analyze security --offline=true --no-pager "$dir/one/stint.service" | sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
    echo "exposure: stint.service $base, with stint-hardened.conf $hardened; at most 3.0 is wanted"
    awk -v h="$hardened" 'BEGIN { exit !(h != "" && h <= 3.0) }'
    ;;
esac
