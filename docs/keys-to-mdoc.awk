# SPDX-License-Identifier: GPL-2.0-or-later
# The text of `stint check --keys` (name, help, details) as the items of an mdoc list.
function plain(s) {
    sub(/^ +/, "", s)
    gsub(/\\/, "\\e", s)
    gsub(/[.] /, ".\n", s) # one sentence, one line
    gsub(/\n'/, "\n\\(aq", s) # else it would be a macro
    if (s ~ /^[.']/)
        s = "\\&" s
    return s
}
/^[^ ]/ { print ".It Ic " $0; line = 0; next }
{
    line++
    if (line == 1) {
        s = plain($0)
        print s (s ~ /[.]$/ ? "" : ".")
    } else {
        print ".br"
        s = plain($0)
        print toupper(substr(s, 1, 1)) substr(s, 2) "."
    }
}
