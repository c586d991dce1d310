/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* What a shell says, and container runtimes with it. */
#define STATUS_FAILED   1
#define STATUS_NO_EXEC  126
#define STATUS_MISSING  127
#define STATUS_SIGNALED 128

#define EXCERPT_BYTES   240

unsigned
failure_to_start(int error)
{
    if (error == 0)
        return STATUS_FAILED;
    return error == -ENOENT ? STATUS_MISSING : STATUS_NO_EXEC;
}

unsigned
obituary_status(const struct event *ev)
{
    int status = ev->death.wait_status;

    if (ev->death.exec_error)
        return failure_to_start(ev->death.exec_error);
    if (ev->death.unknown)
        return STATUS_FAILED;
    if (WIFSIGNALED(status))
        return STATUS_SIGNALED + (unsigned)WTERMSIG(status);
    return (unsigned)WEXITSTATUS(status);
}

bool
obituary_is_success(const struct worker *w, const struct event *ev)
{
    return generation_runs_once(w->generation) && !w->escapee && w->drain_us == 0 &&
           !ev->death.unknown && ev->death.exec_error == 0 && ev->death.wait_status == 0;
}

/* What it was doing, as a clause. */
static const char *
obituary_when(const struct worker *w)
{
    if (generation_runs_once(w->generation) && w->drain_us == 0)
        return ""; /* it was never to be ready */
    switch (w->state) {
    case WORKER_STARTING:
        return " before it was ready";
    case WORKER_READY:
        return " while serving";
    case WORKER_DRAINING:
        return " after it was asked to";
    case WORKER_LEAKED:
        return " after its drain deadline";
    case WORKER_NONE:
    case WORKER_KILLED:
    case WORKER_ABANDONED:
    case WORKER_EXITED:
    case WORKER_STATE_COUNT:
        break;
    }
    return "";
}

static void
obituary_cause(const struct worker *w, int status, char *buf, size_t room)
{
    if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        const char *words = sigdescr_np(WTERMSIG(status));

        (void)snprintf(buf, room, "killed by SIG%s (%s)%s%s", name ? name : "?",
                       words ? words : "unknown signal", WCOREDUMP(status) ? ", core dumped" : "",
                       obituary_when(w));
        return;
    }
    (void)snprintf(buf, room, "exited with status %d%s%s", WEXITSTATUS(status), obituary_when(w),
                   WEXITSTATUS(status) == 0 && w->state == WORKER_STARTING && w->escapees > 0 &&
                           !generation_runs_once(w->generation)
                       ? ": it daemonised; use its foreground option"
                       : "");
}

/*
 * The end of what it printed, whole lines where they fit: what a talkative program says last is why it died,
 * and a reason has room for little more.
 */
static const char *
obituary_excerpt(const char *lines)
{
    size_t bytes = strlen(lines);
    const char *from = lines + (bytes > EXCERPT_BYTES ? bytes - EXCERPT_BYTES : 0), *line;

    if (from == lines || from[-1] == '\n')
        return from;
    line = strchr(from, '\n');
    if (line && line[1] != '\0')
        return line + 1;
    for (line = from; line > lines && line[-1] != '\n';) /* one long line: its beginning */
        line--;
    return line;
}

void
obituary_text(const struct worker *w, const struct event *ev, char *buf, size_t room)
{
    size_t used;

    if (ev->death.exec_error)
        (void)snprintf(buf, room, "could not be executed: %s",
                       ev->death.exec_step ? ev->death.exec_step
                                           : strerrordesc_np(-ev->death.exec_error));
    else if (ev->death.unknown)
        (void)snprintf(buf, room, "ended%s, and nobody knows how", obituary_when(w));
    else
        obituary_cause(w, ev->death.wait_status, buf, room);
    used = strlen(buf);
    if (ev->death.last_lines && ev->death.last_lines[0] != '\0')
        (void)snprintf(buf + used, room - used, "; last output: %s",
                       obituary_excerpt(ev->death.last_lines));
}
