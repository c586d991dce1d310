#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# with.sh FOLDER COMMAND...: COMMAND, if build.sh has made something there; else 77.
[ -e "$1/made" ] || { echo "nothing was built with musl"; exit 77; }
shift
exec "$@"
