#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# build.sh SOURCE FOLDER: libstint with musl instead of glibc, static and shared, and, with that, its unit tests,
# the examples and the tests' workers. 77 where musl-gcc (package musl-tools) is not installed.
set -eu
source=$1
mkdir -p "$2"
work=$(cd "$2" && pwd)
rm -rf "${work:?}"/*
command -v musl-gcc >/dev/null || { echo "musl-gcc (package musl-tools) is not installed: not tried with musl"; exit 77; }

# musl brings no headers of the kernel's; Debian's are beside glibc's, which must not be found.
mkdir "$work/kernel" "$work/objects" "$work/unit" "$work/examples"
machine=$(gcc -dumpmachine)
ln -s /usr/include/linux /usr/include/asm-generic "/usr/include/$machine/asm" "$work/kernel/"

# What users compile is plain C11 with nothing but what this libc has.
common="-D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -idirafter $work/kernel -I$source -I$source/worker-api"
library="musl-gcc -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror -fPIC -fvisibility=hidden $common"
program="musl-gcc -std=gnu11 -Wall -Wextra -Wno-maybe-uninitialized -Werror -pthread $common"

# Lines "COMMAND" on standard input, as many at once as there are processors; fails when one does.
all() { xargs -P "$(nproc)" -I '{}' sh -c '{} || { echo "failed: {}" >&2; exit 255; }'; }

for file in "$source"/worker-api/*.c; do
    echo "$library -c $file -o $work/objects/$(basename "$file" .c).o"
done | all
ar rcs "$work/libstint.a" "$work"/objects/*.o
# shellcheck disable=SC2086 # lists of words
$library -shared -o "$work/libstint.so.0" -Wl,-soname,libstint.so.0 -Wl,-z,defs,-z,nodelete \
    -Wl,--version-script="$source/worker-api/stint.map" "$work"/objects/*.o
ln -s libstint.so.0 "$work/libstint.so"
# For a libc of which is not known how its condition variables tell their clock: another attribute changes other words.
objcopy --redefine-sym pthread_condattr_setclock=pthread_condattr_setpshared "$work/objects/wait_cond.o" "$work/wait_cond_no_clock.o"

cat >"$work/words.h" <<EOF
#define WEB_RELEASE "1.0"
#define WEB_PROGRAM "$work/examples/web"
#define LIBSTINT    "$work/libstint.so.0"
EOF
program="$program -include $work/words.h"
static="-static -L$work -lstint"
shared="-L$work -lstint -Wl,-rpath,$work"
{
    # wait_libc, heap, preload: of what glibc alone has
    for file in "$source"/tests/unit/worker-api/*_test.c; do
        name=$(basename "$file" _test.c)
        with=$static
        case $name in
        wait_libc | heap | preload) continue ;;
        handle) with="-Wl,--wrap=pthread_create $static" ;;
        wait_stress) with="-Wl,--wrap=pthread_cond_timedwait $static" ;;
        alone | token | wait_cond) with=$shared ;; # some of them with the shared one
        unload) with= ;; # opens it
        esac
        [ "$name" != wait_cond ] ||
            echo "$program -I$source/tests/musl/include $file -o $work/unit/wait_cond_no_clock $work/wait_cond_no_clock.o $static"
        echo "$program -I$source/tests/musl/include $file -o $work/unit/$name $with"
    done
    echo "$program $source/examples/web/*.c -o $work/examples/web $shared"
    echo "$program $source/examples/hello.c -o $work/examples/hello $shared"
    echo "$program $source/examples/pool/*.c -o $work/examples/pool $static"
    echo "$program $source/examples/epoll/*.c -o $work/examples/echo $shared"
    echo "$program $source/examples/reload/*.c -o $work/examples/ticker $static"
    echo "$program $source/tests/scenario/preload_guest.c -o $work/guest"
    echo "$program -fno-optimize-sibling-calls $source/tests/scenario/leaker.c -o $work/leaker $static"
} | all
touch "$work/made"
