#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# install.sh BUILD CMAKE VERSION COMPILER FLAG...
# Install BUILD to a prefix of its own and use it from there as a packager and a worker's author would:
# run bin/stint, and compile, link and run a program that knows only pkg-config's word.
set -eu
build=$1 cmake=$2 version=$3
shift 3
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
trap 'exit 1' HUP INT TERM

fail() {
    echo "$*" >&2
    (cd "$prefix" && find . ! -type d) >&2
    exit 1
}

"$cmake" --install "$build" --prefix "$prefix" >"$prefix/install.log" || fail "cmake --install failed"

"$prefix/bin/stint" version >"$prefix/version" || fail "bin/stint version failed"
grep -qF "$version" "$prefix/version" || fail "bin/stint version does not say $version"

for file in man/man1/stint.1 man/man3/stint_token.3 man/man3/stint_root.3 man/man5/stint.yaml.5 doc/stint/api.md stint/stint.yaml.sample; do
    [ -s "$prefix/share/$file" ] || fail "no share/$file"
done
"$prefix/bin/stint" check --keys >"$prefix/keys" || fail "bin/stint check --keys failed"
while read -r key; do
    grep -qxF ".It Ic $key" "$prefix/share/man/man5/stint.yaml.5" || fail "the manual does not know the key $key"
done <<KEYS
$(grep '^[^ ]' "$prefix/keys")
KEYS

unit=$(find "$prefix" -name stint.service)
[ -n "$unit" ] || fail "no stint.service"
[ -s "$(dirname "$unit")/stint@.service" ] || fail "no stint@.service"
grep -qF "ExecStart=$prefix/bin/stint run" "$unit" || fail "stint.service does not name $prefix/bin/stint"

pc=$(find "$prefix" -name stint.pc)
[ -n "$pc" ] || fail "no stint.pc"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion stint)" = "$version" ] || fail "stint.pc does not say $version"
flags=$(pkg-config --cflags --libs stint)
library=$(pkg-config --variable=libdir stint)
case $flags in
*"$prefix"*) ;;
*) fail "stint.pc does not point into the prefix: $flags" ;;
esac

# Without a supervisor the library is there and does nothing: it has to start, and to end, by itself.
cat >"$prefix/five.c" <<'PROGRAM'
#include <stint.h>
int main(void)
{
    return stint_init(NULL) < 0;
}
PROGRAM
# shellcheck disable=SC2086 # flags are words
"$@" -o "$prefix/five" "$prefix/five.c" $flags || fail "a program of five lines does not compile: $* … $flags"
LD_LIBRARY_PATH=$library "$prefix/five" || fail "the program of five lines ended with $?"

# Only the public names may leave the library.
strangers=$(nm -D --defined-only "$library"/libstint.so | awk '$2 != "A" { print $3 }' | grep -v '^stint_' || true)
[ -z "$strangers" ] || fail "libstint.so exports names that are not stint_*: $strangers"
echo "installed to a prefix, ran bin/stint, compiled and ran a program against libstint"
