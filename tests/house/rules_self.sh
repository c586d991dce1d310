#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# rules_self.sh ROOT: plant every kind of violation, one at a time, in a copy of the project, and
# expect the tool to name the file it was planted in. A checker nobody ever saw fail checks nothing.
set -eu
root=$(cd "$1" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
planted=0 missed=0

copy() {
    rm -rf "$scratch/tree"
    mkdir "$scratch/tree"
    for part in base bench cmake config docs examples supervisor tests tools worker-api CMakeLists.txt; do
        cp -R "$root/$part" "$scratch/tree/"
    done
}

plain() { # plain TOOL: the copy as it is has to pass
    if ! "$scratch/tree/tools/$1" >"$scratch/said" 2>&1; then
        echo "$1 does not pass on the project as it is:"
        cat "$scratch/said"
        exit 1
    fi
}

# expect TOOL FILE TEXT WHAT: TOOL must fail and say FILE:line: … TEXT …; then FILE is as before.
expect() {
    planted=$((planted + 1))
    if "$scratch/tree/tools/$1" >"$scratch/said" 2>&1; then
        echo "NOT CAUGHT: $4"
        missed=$((missed + 1))
    elif ! grep -F "$2:" "$scratch/said" | grep -qF "$3"; then
        echo "caught, but not said why: $4"
        cat "$scratch/said"
        missed=$((missed + 1))
    fi
    rm -f "$scratch/tree/$2"
    if [ -f "$root/$2" ]; then cp "$root/$2" "$scratch/tree/$2"; fi
}

# arrow FILE HEADER: HEADER, included by FILE, goes against an arrow.
arrow() {
    {
        echo '/* SPDX-License-Identifier: GPL-2.0-or-later */'
        echo "#include $2"
    } >"$scratch/tree/$1"
    expect check-arrows "$1" "may not include" "$1 includes $2"
}

copy
plain check-arrows
plain check-files

arrow base/planted.c '"config/spec.h"'
arrow base/planted.c '<yaml.h>'
arrow base/planted.c '<pthread.h>'
arrow config/planted.c '"supervisor/core/core.h"'
arrow config/planted.c '<ev.h>'
arrow worker-api/planted.c '"base/fd.h"'
arrow worker-api/planted.c '<jansson.h>'
arrow supervisor/core/planted.h '"base/clock.h"'
arrow supervisor/core/planted.h '"base/fd.h"'
arrow supervisor/core/planted.h '"config/config.h"'
arrow supervisor/core/planted.h '<unistd.h>'
arrow supervisor/core/planted.h '<ev.h>'
arrow supervisor/io/planted.c '<inotifytools/inotifytools.h>'
arrow supervisor/io/planted.c '<yaml.h>'
arrow supervisor/io/planted.c '<pthread.h>'
arrow supervisor/io/planted.c '"supervisor/core/pure.h"'
arrow supervisor/io/watch_planted.c '<microhttpd.h>'
arrow supervisor/cli/planted.c '"supervisor/core/core.h"'
arrow supervisor/cli/planted.c '<ev.h>'
arrow supervisor/cli/planted.c '<microhttpd.h>'
arrow examples/planted.c '"base/text.h"'
arrow bench/planted.c '"supervisor/core/core.h"'

# Not in so many words, but through a header of a room it may see.
echo '#include <ev.h>' >"$scratch/tree/supervisor/io/planted.h"
arrow supervisor/cli/planted.c '"supervisor/io/planted.h"'
rm -f "$scratch/tree/supervisor/io/planted.h"
printf '#include <yaml.h>\n' >>"$scratch/tree/config/spec.h"
printf '#include "config/spec.h"\n#include "supervisor/core/pure.h"\n' >"$scratch/tree/supervisor/core/planted.c"
expect check-arrows supervisor/core/planted.c "which comes in by config/spec.h" "a library through a header"
cp "$root/config/spec.h" "$scratch/tree/config/spec.h"

printf '#include "supervisor/core/pure.h"\n#include <string.h>\n' >"$scratch/tree/supervisor/core/planted.c"
expect check-arrows supervisor/core/planted.c "last include has to be" "pure.h is not the last include"
echo '#include <string.h>' >"$scratch/tree/supervisor/core/planted.c"
expect check-arrows supervisor/core/planted.c "last include has to be" "pure.h is forgotten"

echo '#include "base/planted_b.h"' >"$scratch/tree/base/planted_a.h"
echo '#include "base/planted_a.h"' >"$scratch/tree/base/planted_b.h"
expect check-arrows base/planted_b.h "circular include" "two headers include each other"
rm -f "$scratch/tree/base/planted_a.h"

echo '#include "base/no_such_header.h"' >"$scratch/tree/base/planted.c"
expect check-arrows base/planted.c "no such header" "a header that is not there"

mkdir "$scratch/tree/supervisor/attic"
echo 'int x;' >"$scratch/tree/supervisor/attic/planted.c"
expect check-arrows supervisor/attic/planted.c "lives in no room" "a file outside of every room"

echo 'int x;' >"$scratch/tree/base/planted.c"
expect check-files base/planted.c "no SPDX" "no licence line"
echo '/* SPDX-License-Identifier: GPL-2.0-or-later */' >"$scratch/tree/worker-api/planted.c"
expect check-files worker-api/planted.c "licence of its folder" "GPL in worker-api"
echo '/* SPDX-License-Identifier: MIT */' >"$scratch/tree/base/planted.c"
expect check-files base/planted.c "licence of its folder" "MIT in base"
{
    echo '/* SPDX-License-Identifier: GPL-2.0-or-later */'
    awk 'BEGIN { for (i = 0; i < 400; i++) print "int x" i ";" }'
} >"$scratch/tree/base/planted.c"
expect check-files base/planted.c "400 is the limit" "401 lines"
printf '%s\n' '/* SPDX-License-Identifier: GPL-2.0-or-later */' "#define WHERE \"/ho""me/me/stint\"" \
    >"$scratch/tree/base/planted.c"
expect check-files base/planted.c "path of one machine" "a path of one machine"
printf '%s\n' '/* SPDX-License-Identifier: GPL-2.0-or-later */' "/* TO""DO: later */" >"$scratch/tree/base/planted.c"
expect check-files base/planted.c "unfinished" "a mark of unfinished work"

plain check-arrows
plain check-files
echo "$planted violations planted, $missed not caught"
[ "$missed" -eq 0 ]
