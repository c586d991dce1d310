/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "matrix.h"

#define CELL_US \
    (300 * US_PER_S) /* longer than what its story waits for, which then says what did not come */
#define JOBS_MAX 32
#define TRIES    3 /* for a place that is only reached when things come in a certain order */

struct job {
    struct cell *cell;
    pid_t pid;
    int pidfd;
    int64_t began_us;
};

void
cell_path(const struct cell *c, const struct options *o, const char *ending, char *buf, size_t room)
{
    int at = snprintf(buf, room, "%s/", o->logs);

    (void)snprintf(buf + at, room - (size_t)at, "%s+%s+%s.%s", c->edge ? c->edge->name : "as-it-is",
                   c->edge ? victim_action[c->victim] : "nobody", c->story->name, ending);
    for (char *p = buf + at; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.+", *p))
            *p = '-';
}

static void
in_the_child(const struct cell *c, const struct options *o)
{
    char log[512], trace[512];
    int fd;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpgid(0, 0);
    cell_path(c, o, "log", log, sizeof(log));
    cell_path(c, o, "trace", trace, sizeof(trace));
    fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    (void)dup2(fd, STDOUT_FILENO);
    (void)dup2(fd, STDERR_FILENO);
    _exit(cell_play(c->story, c->edge ? c->edge->name : NULL, c->victim, c->edge ? NULL : trace,
                    c->outcome)
              ? 0
              : 1);
}

static void
begin(struct job *j, struct cell *c, const struct options *o)
{
    j->cell = c;
    j->began_us = mono_now_us();
    c->tries++;
    memset(c->outcome, 0, sizeof(*c->outcome));
    (void)fflush(stdout);
    j->pid = fork();
    if (j->pid == 0)
        in_the_child(c, o);
    j->pidfd = pidfd_open(j->pid, 0);
}

static void
judge(struct cell *c, int status, const struct options *o)
{
    char log[512];

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        c->verdict = !c->outcome->hit ? CELL_MISSED : c->outcome->nobody ? CELL_NOBODY : CELL_OK;
    else
        c->verdict = CELL_FAILED;
    (void)snprintf(c->why, sizeof(c->why), "%s",
                   WIFSIGNALED(status) ? "it took too long" : c->outcome->why);
    cell_path(c, o, "log", log, sizeof(log));
    if (c->verdict != CELL_FAILED && !o->keep)
        (void)unlink(log);
}

/* Another one comes by the same place, perhaps every time. */
static bool
next_story(struct cell *c)
{
    if (c->again) /* … and has a cell for it */
        return false;
    for (size_t s = (size_t)(c->story - stories) + 1; c->edge && s < n_stories; s++) {
        if (!(c->edge->stories & UINT64_C(1) << s))
            continue;
        c->story = &stories[s];
        c->tries = 0;
        return true;
    }
    return false;
}

/* Return: whether it is to be played once more. */
static bool
end(struct job *j, const struct options *o)
{
    int status = 0;

    if (mono_now_us() - j->began_us > CELL_US)
        (void)kill(j->pid, SIGKILL); /* its keeper stops then */
    if (waitpid(j->pid, &status, 0) != j->pid)
        status = 1 << 8;
    j->cell->seconds = (double)(mono_now_us() - j->began_us) / (double)US_PER_S;
    fd_close(j->pidfd);
    judge(j->cell, status, o);
    if (isatty(STDERR_FILENO) || j->cell->verdict == CELL_FAILED)
        (void)fprintf(stderr, "%s %s, %s, %s: %.2f s %s\n",
                      j->cell->verdict == CELL_FAILED ? "FAILED" : "played",
                      j->cell->edge ? j->cell->edge->name : "-",
                      j->cell->edge ? victim_names[j->cell->victim] : "-", j->cell->story->name,
                      j->cell->seconds, j->cell->why);
    return j->cell->verdict == CELL_MISSED && (j->cell->tries < TRIES || next_story(j->cell));
}

/* Wait until one of them has ended, or takes too long. */
static size_t
first_ended(struct job *jobs, size_t n)
{
    struct pollfd p[JOBS_MAX];

    for (;;) {
        for (size_t i = 0; i < n; i++)
            p[i] = (struct pollfd){.fd = jobs[i].pidfd, .events = POLLIN};
        (void)poll(p, n, 1000);
        for (size_t i = 0; i < n; i++)
            if (p[i].revents || mono_now_us() - jobs[i].began_us > CELL_US)
                return i;
    }
}

void
pool_play(struct cell *cells, size_t n, const struct options *o)
{
    struct strike *outcomes = mmap(NULL, (n + 1) * sizeof(*outcomes), PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct job jobs[JOBS_MAX];
    size_t running = 0, next = 0, most = (size_t)(o->jobs < JOBS_MAX ? o->jobs : JOBS_MAX);

    if (outcomes == MAP_FAILED)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < n; i++)
        cells[i].outcome = &outcomes[i];
    while (next < n || running > 0) {
        while (running < most && next < n)
            begin(&jobs[running++], &cells[next++], o);
        size_t i = first_ended(jobs, running);
        struct cell *c = jobs[i].cell;

        if (end(&jobs[i], o))
            begin(&jobs[i], c, o);
        else
            jobs[i] = jobs[--running];
    }
    (void)munmap(outcomes, (n + 1) * sizeof(*outcomes));
}
