#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# other_machine.sh SOURCE CC: what is loaded into programs, libstint and its objects, is built for this machine
# and for aarch64, and does there what depends on the machine: samples of CPU time have registers that lead to
# the code and to its caller, and the heap is counted. aarch64 by qemu-user; 77 where that is not installed.
set -eu
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-D_GNU_SOURCE -std=gnu11 -O1 -g -fPIC -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror -I$source -I$source/worker-api"
frames="-fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -fno-optimize-sibling-calls -fno-builtin -rdynamic"

# build COMPILER DIRECTORY
build() {
    mkdir "$work/$2"
    # shellcheck disable=SC2086
    "$1" $flags $frames -o "$work/$2/prof_self" "$source/tests/unit/worker-api/prof_self.c" "$source"/worker-api/*.c -lpthread
    # shellcheck disable=SC2086
    "$1" $flags $frames -o "$work/$2/heap_guest" "$source/tests/unit/worker-api/heap_guest.c" -lpthread
    # shellcheck disable=SC2086
    "$1" $flags -fno-builtin-malloc -fno-builtin-calloc -shared -o "$work/$2/libstint-heap.so" "$source"/worker-api/heap/*.c \
        -Wl,--version-script="$source/worker-api/heap/heap.map" -Wl,-z,defs
    # shellcheck disable=SC2086
    "$1" $flags -shared -o "$work/$2/libstint-preload.so" "$source"/worker-api/preload/*.c \
        -Wl,--version-script="$source/worker-api/preload/preload.map" -Wl,-z,defs
}

# heap WORDS...: 200 MB of 1000 bytes were kept, within a tenth.
heap() {
    "$@" | awk '$1 == "keeps" { objects += $2; bytes += $5 } { print }
        END { exit !(objects > 180000 && objects < 220000 && bytes > 180e6 && bytes < 220e6) }'
}

build "$2" here
"$work/here/prof_self"
heap env LD_PRELOAD="$work/here/libstint-heap.so" STINT_HEAP_SAMPLE=65536 "$work/here/heap_guest" keeps
cross=aarch64-linux-gnu-gcc
command -v "$cross" >/dev/null || { echo "$cross is not installed: not seen on aarch64"; exit 77; }
build "$cross" there
command -v qemu-aarch64 >/dev/null || { echo "qemu-aarch64 is not installed: built, and not run on aarch64"; exit 77; }
there() { qemu-aarch64 -L /usr/aarch64-linux-gnu "$@"; }
there "$work/there/prof_self"
heap there -E LD_PRELOAD="$work/there/libstint-heap.so" -E STINT_HEAP_SAMPLE=65536 "$work/there/heap_guest" keeps
