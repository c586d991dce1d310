#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mounted.sh STINT ACTOR: the configuration is a file that is mounted alone, as `docker run -v file:file` does.
# shellcheck source=tests/container/lib.sh
. "${0%/*}/lib.sh"
make_root "$1" "$2"

write() { # in place: the mount shows this file, whatever is renamed over its name outside
    configure 'stop_budget: 8s' <<SERVICES
  web:
    command: [/bin/actor, ready, word=$1]
    listen: {main: "tcp://127.0.0.1:8080"}
SERVICES
    cat "$root/etc/stint/stint.yaml" >"$stage/outside.yaml"
}
write a
bind=$stage/outside.yaml
start
await 10 serves
[[ $(ask) = *" a" ]] || fail "another word"
stint status | grep -q "^not to be had here: '/etc/stint/stint.yaml' is mounted as a single file" || fail "it is not said: $(stint status)"
logged "surroundings.*mounted as a single file" || fail "the log does not say it"

# Written in place, stint sees it when it is asked to look.
write b
stint reload --timeout 20s >"$stage/said" || fail "no reload: $(cat "$stage/said")"
[[ $(ask) = *" b" ]] || fail "the new configuration is not in force: $(cat "$stage/said")"

# Replaced outside by rename, the mount shows the old one: nothing changes, and nothing breaks.
sed 's/word=b/word=c/' "$stage/outside.yaml" >"$stage/new.yaml"
mv "$stage/new.yaml" "$stage/outside.yaml"
stint reload --timeout 20s >/dev/null || fail "a reload of what did not change fails"
[[ $(ask) = *" b" ]] || fail "who wrote that?"
kill -TERM "$init"
ended_with 0 10
