// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * systemd as PID 1 of namespaces of its own: bench/scale-machine brings it up and does what it is told
 * in words on its standard input: "start", "stop", "down". It answers each with a line, the first one
 * being the pid of that systemd as we see it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "bench/child.h"
#include "bench/scale.h"

#define UP_US   (60 * US_PER_S)
#define DOWN_US (60 * US_PER_S)

static int
hear(const struct trial *t, int64_t budget_us, char *line, size_t room, struct error *reterr)
{
    int64_t end_us = mono_now_us() + budget_us;
    size_t n = 0;

    while (n + 1 < room) {
        struct pollfd p = {t->from, POLLIN, 0};
        int64_t left_us = end_us - mono_now_us();

        if (left_us <= 0 || poll(&p, 1, (int)(left_us / US_PER_MS) + 1) != 1)
            return error_say(reterr, -ETIMEDOUT, "systemd's machine says nothing");
        if (read(t->from, line + n, 1) != 1)
            return error_say(reterr, -EIO, "systemd's machine did not come up");
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    if (strncmp(line, "skipped", 7) == 0 || strncmp(line, "FAILED", 6) == 0)
        return error_say(reterr, -EOPNOTSUPP, "systemd: %s", line);
    return 0;
}

static int
say(const struct trial *t, const char *word, struct error *reterr)
{
    return write(t->to, word, strlen(word)) == (ssize_t)strlen(word)
               ? 0
               : error_set(reterr, -errno, "command systemd's machine");
}

static int
systemd_prepare(struct trial *t, struct error *reterr)
{
    char n[16], line[512], script[PATH_MAX];
    const char *const argv[] = {"bash", script, t->build, n, t->worker, t->stamps_path, NULL};
    int in[2], out[2];
    int r;

    (void)snprintf(n, sizeof(n), "%u", t->n);
    if (snprintf(script, sizeof(script), "%s/../../bench/scale-machine", t->build) >= PATH_MAX)
        return error_set(reterr, -ENAMETOOLONG, "bring systemd up");
    if (pipe2(in, O_CLOEXEC) == -1)
        return error_set(reterr, -errno, "bring systemd up");
    if (pipe2(out, O_CLOEXEC) == -1) {
        (void)close(in[0]);
        (void)close(in[1]);
        return error_set(reterr, -errno, "bring systemd up");
    }
    t->to = in[1];
    t->from = out[0];
    t->pid = fork();
    if (t->pid == 0) {
        int log = open(t->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

        (void)setsid();
        if (dup2(in[0], STDIN_FILENO) != -1 && dup2(out[1], STDOUT_FILENO) != -1 &&
            dup2(log, STDERR_FILENO) != -1) {
            char *args[sizeof(argv) / sizeof(*argv)];

            memcpy(args, argv, sizeof(args)); /* exec promises not to write to them */
            (void)execvp(args[0], args);
        }
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    if (t->pid == -1)
        return error_set(reterr, -errno, "bring systemd up");
    r = hear(t, UP_US, line, sizeof(line), reterr);
    if (r == 0)
        t->supervisor = (pid_t)strtol(line, NULL, 10);
    return r;
}

static int
systemd_start(struct trial *t, struct error *reterr)
{
    return say(t, "start\n", reterr);
}

static int
systemd_stop(struct trial *t, struct error *reterr)
{
    return say(t, "stop\n", reterr);
}

static void
systemd_finish(struct trial *t)
{
    t->to = fd_close(t->to); /* the script's cue to take its machine down */
    if (t->pid > 0 && child_wait(t->pid, mono_now_us() + DOWN_US, NULL) == -ETIMEDOUT)
        (void)child_end(t->pid, SIGTERM, DOWN_US);
    t->from = fd_close(t->from);
    t->pid = 0;
}

const struct scale_rival scale_systemd = {
    .name = "systemd",
    .program = "/lib/systemd/systemd",
    .alone = true,
    .prepare = systemd_prepare,
    .start = systemd_start,
    .stop = systemd_stop,
    .finish = systemd_finish,
};
