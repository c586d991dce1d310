#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# corpus-run takes no word for a flavour that is none: usage.sh CORPUS-RUN
for word in bear "" registere bare,registered; do
    said=$("$1" --flavour "$word" 2>&1)
    [ $? = 64 ] || { echo "'$word' was taken"; exit 1; }
    case $said in *"registered or bare, not '$word'"*) ;; *) echo "$said"; exit 1 ;; esac
done
