#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# demo.sh ROOT BUILD: the demonstration of quickstart on a machine that is slow to start a program. The
# load client comes a second late, as it does when it has to be read from a cold disk: the demonstration
# has to wait for it instead of ending it by a signal that it does not handle yet.
set -eu
root=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
slow=$(mktemp -d)
trap 'rm -rf "$slow"' EXIT
trap 'exit 1' HUP INT TERM

ln -s "$build/bin" "$build/examples" "$slow/"
mkdir "$slow/bench"
cat >"$slow/bench/stint-load" <<CLIENT
#!/bin/sh
sleep 1
exec "$build/bench/stint-load" "\$@"
CLIENT
chmod 755 "$slow/bench/stint-load"
"$root/tools/demo" "$slow" >"$slow/said" 2>&1 || {
    cat "$slow/said"
    exit 1
}
grep -E '^ *requests [0-9]+, failed 0$' "$slow/said"
