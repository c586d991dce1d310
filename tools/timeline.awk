# SPDX-License-Identifier: GPL-2.0-or-later
# Reads stint's log (key=value lines) from line `from` on and tells one handoff for people, in ms since
# `t0` (ms of the UTC day). Used by tools/demo.

function value(key,    s, i, out, c) {
    s = " " $0
    i = index(s, " " key "=")
    if (!i)
        return ""
    s = substr(s, i + length(key) + 2)
    if (substr(s, 1, 1) != "\"") {
        sub(/ .*/, "", s)
        return s
    }
    out = ""
    for (i = 2; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "\"")
            break
        if (c == "\\") {
            c = substr(s, ++i, 1)
            if (c == "n")
                c = "\n"
            else if (c == "t")
                c = " "
        }
        out = out c
    }
    return out
}

function ms(    t, p) {
    t = value("ts")
    sub(/.*T/, "", t)
    sub(/Z.*/, "", t)
    split(t, p, ":")
    t = (p[1] * 3600 + p[2] * 60) * 1000 + p[3] * 1000 - t0
    return t < -43200000 ? t + 86400000 : t # midnight came in between
}

function say(text) {
    printf "  %7d ms  %s\n", ms(), text
}

# Output of a program, a report: further lines below the first.
function indent(text) {
    sub(/\n+$/, "", text)
    gsub(/\n/, "\n              ", text)
    return text
}

# The demonstration's own directory says nothing to the reader.
function short(text,    i) {
    while (dir != "" && (i = index(text, dir "/")))
        text = substr(text, 1, i - 1) substr(text, i + length(dir) + 1)
    return text
}

FNR < from || value("service") != service { next }

{ event = value("event"); gen = value("gen"); msg = indent(short(value("msg"))) }

event == "reload" { say("noticed: " msg) }
event == "check" && value("level") == "info" { say("check passed") }
event == "generation_starting" { say("generation " gen " starts") }
event == "worker_spawn" { pids[gen] = pids[gen] " " value("pid") }
event == "generation_serving" { say("generation " gen " is ready and serves (pid" pids[gen] ")") }
event == "generation_draining" { say("generation " gen " is asked to leave") }
event == "generation_aborted" { say("generation " gen " is given up: " msg) }
event == "worker_leak" { say("LEAK in generation " gen ", slot " value("slot") ": " msg) }
event == "worker_kill" { say("SIGKILL to slot " value("slot") " of generation " gen) }
event == "certificate" {
    leaks = value("leaks")
    say("generation " gen " is gone" (leaks > 0 ? ", " leaks " of its workers by SIGKILL" : ""))
}
event == "verdict" {
    outcome = value("outcome")
    say("verdict: " outcome (outcome == "serving" || outcome == "unchanged" ? "" : ", " msg))
}
event == "bug" { say("BUG: " msg) }
