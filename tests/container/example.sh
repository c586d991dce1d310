#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# example.sh STINT ACTOR WEB EXAMPLES: what examples/container sets up, without docker: its configuration, its
# user, a read-only image, no capabilities, one tmpfs; the configuration of the service is a mounted directory.
# shellcheck source=tests/container/lib.sh
# shellcheck disable=SC2119
. "${0%/*}/lib.sh"
make_root "$1" "$2"
command -v curl >/dev/null || skip "no curl here"

install "$3" web
mkdir -p "$root/usr/local" "$root/etc/web"
ln -s /bin "$root/usr/local/bin"
cp "$4/container/stint.yaml" "$root/etc/stint/"
cp "$4/web/web.conf" "$root/etc/web/"
user=10001
read_only=1

get() { nsenter -t "$init" -n curl -sf http://127.0.0.1:8080/; }
greets() { get | grep -q "\"$1\""; }

start --exit-when-failed
await 10 greets hello
! logged 'docker stop' || fail "its stop_budget does not fit"
exec_in /bin/stint wait web --timeout 3s >/dev/null || fail "the health check fails"

# A deploy into the mounted directory: noticed, checked, handed over. A broken one is rejected.
sed 's/hello/bonjour/' "$4/web/web.conf" >"$root/etc/web/.new"
mv "$root/etc/web/.new" "$root/etc/web/web.conf"
await 10 greets bonjour
echo 'greeting' >"$root/etc/web/.new"
mv "$root/etc/web/.new" "$root/etc/web/web.conf"
await 10 logged 'event=verdict .*outcome=rejected'
greets bonjour || fail "a broken configuration has stopped a good service"
kill_master
greets bonjour || fail "nobody serves after the master was killed"
kill -TERM "$init"
ended_with 0 10

# With nothing but the broken one it cannot run: the container ends, and says so.
start --exit-when-failed
ended_with 1 10
logged 'event=exit_when_failed .*web failed for good: check' || fail "it is not said why"
