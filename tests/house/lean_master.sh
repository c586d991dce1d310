#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# lean_master.sh PROGRAM: it is linked, directly or through others, with none of the libraries that only
# a helper opens. libdw itself shows that they would be seen.
set -eu
only='libdw\.so|libelf\.so|liblzma\.so|libbz2\.so|libasm\.so|libdebuginfod\.so|libcurl.*\.so'
linked() { ldd "$1" | grep -E "$only" || true; }
found=$(linked "$1")
[ -z "$found" ] || { printf '%s is linked with:\n%s\n' "$1" "$found" >&2; exit 1; }
libdw=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | sed -n 's/.*libdw\.so\.1 .*=> //p' | head -n 1)
[ -n "$libdw" ] || { echo "libdw.so.1 is not installed: nothing to compare with" >&2; exit 1; }
[ -n "$(linked "$libdw")" ] || { echo "$libdw is linked with libelf, and it was not seen" >&2; exit 1; }
