# SPDX-License-Identifier: GPL-2.0-or-later
# Reads arrows.table, then every source file; says which include goes against an arrow.
# Called by check-arrows, from the root of the project.

function regex(glob) {
    gsub(/[.+()<>\[\]]/, "[&]", glob)
    gsub(/\*/, ".*", glob)
    return "^" glob "$"
}

# Remember one complete line of the table.
function table_line(line,    w, n, i) {
    n = split(line, w, /[ \t]+/)
    if (n < 2)
        return
    if (w[1] == "set") {
        for (i = 3; i <= n; i++)
            set[w[2]] = set[w[2]] " " w[i]
    } else if (w[1] == "room") {
        rooms++
        room_name[rooms] = w[2]
        room_files[rooms] = regex(w[2])
        for (i = 3; i <= n; i++)
            room_may[rooms] = room_may[rooms] " " ((w[i] in set) ? set[w[i]] : w[i])
    } else if (w[1] == "last" && n == 3) {
        lasts++
        last_files[lasts] = regex(w[2])
        last_header[lasts] = w[3]
    } else {
        complain("tools/arrows.table", FNR, "not understood: " line)
    }
}

function complain(file, line, text) {
    print file ":" line ": " text
    wrong++
}

function room_of(file,    i, found) {
    for (i = 1; i <= rooms; i++)
        if (file ~ room_files[i])
            found = i
    return found
}

function allowed(room, header,    w, n, i, key) {
    key = room SUBSEP header
    if (key in verdict)
        return verdict[key]
    n = split(room_may[room], w, " ")
    verdict[key] = 0
    for (i = 1; i <= n; i++)
        if (header ~ regex(w[i]))
            verdict[key] = 1
    return verdict[key]
}

# The file an include means: beside the including file, from the root, or (libstint) in worker-api.
function resolve(from, name,    dir) {
    if (name ~ /^</)
        return name
    dir = from
    sub(/[^\/]*$/, "", dir)
    if ((dir name) in known)
        return dir name
    if (name in known)
        return name
    if (("worker-api/" name) in known)
        return "worker-api/" name
    return ""
}

# Every header that `file` brings in is judged by the room of `top`.
function judge(top, room, file, line, via,    i, h) {
    for (i = 1; i <= includes[file]; i++) {
        h = target[file, i]
        if (via == "")
            line = at[file, i]
        if (h == "" || (top, h) in judged)
            continue
        judged[top, h] = 1
        if (!allowed(room, h))
            complain(top, line, room_name[room] " may not include " h \
                                (via == "" ? "" : ", which comes in by " via))
        if (h !~ /^</)
            judge(top, room, h, line, via == "" ? h : via)
    }
}

# Depth first; a header met again while it is still open closes a circle.
function walk(file, path,    i, h) {
    mark[file] = 1
    for (i = 1; i <= includes[file]; i++) {
        h = target[file, i]
        if (h == "" || h ~ /^</ || mark[h] == 2)
            continue
        if (mark[h] == 1)
            complain(file, at[file, i], "circular include: " path " -> " h)
        else
            walk(h, path " -> " h)
    }
    mark[file] = 2
}

BEGIN {
    for (i = 2; i < ARGC; i++)
        known[ARGV[i]] = 1
}

FILENAME == ARGV[1] {
    sub(/\r$/, "")
    if (/^#/ || /^[ \t]*$/)
        next
    if (/^[ \t]/) {
        pending = pending $0
        next
    }
    table_line(pending)
    pending = $0
    next
}

FNR == 1 && pending != "" {
    table_line(pending)
    pending = ""
}

/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    line = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
    if (line ~ /^</)
        name = substr(line, 1, index(line, ">"))
    else {
        name = substr(line, 2)
        name = substr(name, 1, index(name, "\"") - 1)
    }
    n = ++includes[FILENAME]
    at[FILENAME, n] = FNR
    target[FILENAME, n] = resolve(FILENAME, name)
    if (target[FILENAME, n] == "")
        complain(FILENAME, FNR, "no such header: " name " (ours are named from the root)")
}

END {
    for (i = 2; i < ARGC; i++) {
        file = ARGV[i]
        room = room_of(file)
        if (!room) {
            complain(file, 1, "lives in no room of tools/arrows.table")
            continue
        }
        judge(file, room, file, 1, "")
        for (k = 1; k <= lasts; k++) {
            if (file !~ last_files[k])
                continue
            n = includes[file]
            while (n > 0 && target[file, n] ~ /[.]def$/)
                n--
            if (n == 0 || target[file, n] != last_header[k])
                complain(file, n ? at[file, n] : 1, "the last include has to be " last_header[k])
        }
        if (!mark[file])
            walk(file, file)
    }
    if (!wrong)
        print "arrows: " (ARGC - 2) " files, " rooms " rooms, every include goes along an arrow"
    exit wrong ? 1 : 0
}
