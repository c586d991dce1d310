/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was permitted, and what would help: silence is never taken for a good sign. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/probe/capture_parts.h"

/* effective_uid - of the process, by its status: its directory in /proc is root's when it is undumpable. */
static bool
effective_uid(pid_t pid, uid_t *ret)
{
    char path[64];
    auto_free char *text = NULL;
    const char *at;
    char *end;

    (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (file_read(path, 64U << 10, &text, NULL, NULL) < 0)
        return false;
    at = strstr(text, "\nUid:");
    if (!at)
        return false;
    (void)strtoul(at + strlen("\nUid:"), &end, 10); /* the real one */
    *ret = (uid_t)strtoul(end, NULL, 10);
    return true;
}

/* why_refused - the likeliest of the kernel's reasons, and the way out. */
static void
why_refused(const struct capture *c, const char *what, char *buf, size_t room)
{
    char yama[200] = "";
    uid_t uid = (uid_t)-1;
    char path[64];
    struct stat st;
    bool others, shy;
    int scope = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/environ", (int)c->req->pid);
    others = effective_uid(c->req->pid, &uid) && geteuid() != 0 && uid != geteuid();
    shy = !others && geteuid() != 0 && stat(path, &st) == 0 && st.st_uid != uid;
    if (!c->calls_seen) /* Yama is asked the same for calls and memory */
        scope = proc_yama_refuses(yama, sizeof(yama));
    if (scope >= 3 || (scope > 0 && !others && !shy))
        (void)snprintf(buf, room, "%s may not be read: %s", what, yama);
    else if (others)
        (void)snprintf(buf, room,
                       "%s may not be read: it runs as uid %u, the supervisor as uid %u; run "
                       "stint as root or give it CAP_SYS_PTRACE",
                       what, (unsigned)uid, (unsigned)geteuid());
    else if (shy)
        (void)snprintf(buf, room,
                       "%s may not be read: it forbids that (PR_SET_DUMPABLE 0, or a set-uid "
                       "program); run stint as root or leave it dumpable",
                       what);
    else
        (void)snprintf(buf, room,
                       "%s may not be read (%s): a security module or the container forbids it; "
                       "CAP_SYS_PTRACE may help",
                       what, strerrordesc_np(c->calls_refused ? -c->calls_refused : EPERM));
}

/* note_add - @clause behind what is there; whole, or not at all. */
static void
note_add(struct process_facts *f, const char *clause)
{
    size_t at = strlen(f->note);

    if (clause[0] != '\0' && at + strlen(clause) + 3 <= sizeof(f->note))
        (void)snprintf(f->note + at, sizeof(f->note) - at, "%s%s", at > 0 ? "; " : "", clause);
}

static void
grade_calls(struct capture *c)
{
    struct process_facts *f = c->facts;
    char clause[200] = "";

    if (c->calls_refused == -ENOENT || c->calls_refused == -ENOSYS)
        (void)snprintf(clause, sizeof(clause),
                       "this kernel does not tell in which system calls threads wait");
    else if (c->calls_refused)
        why_refused(c, "what its threads wait for", clause, sizeof(clause));
    else if (c->memory.refused)
        why_refused(c, "its memory", clause, sizeof(clause));
    f->calls_hidden = c->calls_refused != 0;
    if (f->calls_hidden && f->grade == EVIDENCE_PROC)
        f->grade = EVIDENCE_STAT;
    note_add(f, clause);
}

void
capture_grade(struct capture *c)
{
    struct process_facts *f = c->facts;
    char clause[96] = "";

    f->grade = c->registered && !f->untrusted ? EVIDENCE_REGISTRY : EVIDENCE_PROC;
    grade_calls(c);
    if (c->late)
        (void)snprintf(clause, sizeof(clause), "there was no time for all of its %zu threads",
                       f->n_threads);
    else if (f->n < f->n_threads)
        (void)snprintf(clause, sizeof(clause), "only %zu of its %zu threads were looked at", f->n,
                       f->n_threads);
    note_add(f, clause);
    if (c->foreign_abi)
        note_add(f, "a 32-bit program: its system calls are told by number");
    if (f->untrusted)
        note_add(f, "its registry contradicts the kernel or itself, so it is not used");
    note_add(f, c->claims_note);
    note_add(f, c->names_note);
}
