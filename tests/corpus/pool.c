/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "play.h"

#define PLAY_US  (120 * US_PER_S) /* no play takes so long */
#define JOBS_MAX 32

struct job {
    size_t play;
    pid_t pid;
    int pidfd;
    int64_t began_us;
};

static void
path_of(const struct play *p, const char *logs, const char *ending, char *buf, size_t room)
{
    (void)snprintf(buf, room, "%s/%s+%s+%s+%u.%s", logs, p->row->id, flavour_name(p->flavour),
                   p->twin ? "twin" : "bug", p->seed, ending);
}

static void
begin(struct job *j, size_t i, const struct play *p, struct outcome *out, const char *logs)
{
    char log[512], keep[512];

    path_of(p, logs, "log", log, sizeof(log));
    path_of(p, logs, "json", keep, sizeof(keep));
    (void)unlink(keep);
    judge_begin(p, out);
    (void)fflush(stdout);
    *j = (struct job){.play = i, .began_us = mono_now_us(), .pid = fork()};
    if (j->pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setpgid(0, 0);
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        _exit(play_it(p, keep, out) ? 0 : 1);
    }
    j->pidfd = pidfd_open(j->pid, 0);
}

static void
end(struct job *j, const struct play *p, struct outcome *out, const char *logs)
{
    char log[512];
    int status = 0;

    if (mono_now_us() - j->began_us > PLAY_US)
        (void)kill(j->pid, SIGKILL); /* its keeper stops then */
    (void)waitpid(j->pid, &status, 0);
    fd_close(j->pidfd);
    out->seconds = (double)(mono_now_us() - j->began_us) / (double)US_PER_S;
    if (!WIFEXITED(status)) {
        out->played = false;
        complain(out, "not played: it took too long");
    }
    path_of(p, logs, "log", log, sizeof(log));
    if (out->played)
        (void)unlink(log);
    if (out->why[0])
        (void)fprintf(stderr, "%s, %s, %s, seed %u: %s\n", p->row->id, flavour_name(p->flavour),
                      p->twin ? "twin" : "bug", p->seed, out->why);
}

static size_t
first_ended(const struct job *jobs, size_t n)
{
    struct pollfd p[JOBS_MAX];

    for (;;) {
        for (size_t i = 0; i < n; i++)
            p[i] = (struct pollfd){.fd = jobs[i].pidfd, .events = POLLIN};
        (void)poll(p, n, 1000);
        for (size_t i = 0; i < n; i++)
            if (p[i].revents || mono_now_us() - jobs[i].began_us > PLAY_US)
                return i;
    }
}

void
pool_play(const struct play *plays, struct outcome *outcomes, size_t n, int jobs, const char *logs)
{
    struct outcome *shared = mmap(NULL, (n + 1) * sizeof(*shared), PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    size_t running = 0, next = 0, most = (size_t)(jobs < JOBS_MAX ? jobs : JOBS_MAX);
    struct job at[JOBS_MAX];

    if (shared == MAP_FAILED)
        exit(EXIT_FAILURE);
    while (next < n || running > 0) {
        for (; running < most && next < n; next++)
            begin(&at[running++], next, &plays[next], &shared[next], logs);
        size_t i = first_ended(at, running);

        end(&at[i], &plays[at[i].play], &shared[at[i].play], logs);
        at[i] = at[--running];
    }
    memcpy(outcomes, shared, n * sizeof(*shared));
    (void)munmap(shared, (n + 1) * sizeof(*shared));
}
