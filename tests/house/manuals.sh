#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# manuals.sh NM LIBRARY FOLDER PROJECT: every function of the library is on a manual page, and has a prototype
# there. Not those with _at, the halves of macros, nor the inside of STINT_BLOCK.
set -eu
missing=0
count=0
for name in $("$1" -D --defined-only "$2" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | grep '^stint_'); do
    case $name in
    *_at) name=${name%_at} ;;
    stint_site_intern) continue ;;
    esac
    count=$((count + 1))
    if ! grep -q "^\.Nm $name\( ,\)\?\$" "$3"/*.3 || ! grep -q "^\.Fo $name\$" "$3"/*.3; then
        echo "$name is on no page of $3"
        missing=$((missing + 1))
    fi
done
[ "$count" -ge 40 ] || {
    echo "only $count functions were found: is '$1' the right tool for $2?"
    exit 1
}
# And what the prose calls is in the headers, or a metric.
while read -r name; do
    metric=$(echo "$name" | sed -E 's/_(total|info|created|sum|count)$//')
    grep -qE "\b$name\b" "$4"/worker-api/*.h || grep -q "^{\"$metric" "$4"/supervisor/io/metrics_families.def || {
        echo "$name, which a page names, is in no header and no metric"
        missing=$((missing + 1))
    }
done <<NAMES
$(grep -rhoE '\bstint_[a-z_]+' "$4"/README.md "$4"/docs/*.md "$4"/docs/*.yml "$4"/examples/*.md | LC_ALL=C sort -u)
NAMES
[ "$missing" -eq 0 ]
echo "$count functions, each on a page"
