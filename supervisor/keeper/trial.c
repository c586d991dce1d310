/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process that became another program cannot take that back if the program turns out to be none of
 * ours. So it is asked first, in a child: started as "stint: trial VERSION" it has to write the magic
 * number of the image into KEEPER_FD if it reads that version. Whatever else it is, it does no harm.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/units.h"
#include "supervisor/keeper/image.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define TRIAL_TITLE "stint: trial"
#define TRIAL_US    (5 * US_PER_S)

int
keeper_answer_trial(int argc, char **argv)
{
    const uint64_t magic = IMAGE_MAGIC;

    if (argc != 2 || strcmp(argv[0], TRIAL_TITLE) != 0)
        return -1;
    if (strtol(argv[1], NULL, 10) != IMAGE_VERSION)
        return EXIT_FAILURE;
    return write(KEEPER_FD, &magic, sizeof magic) == (ssize_t)sizeof magic ? EXIT_SUCCESS
                                                                           : EXIT_FAILURE;
}

int
trial_start(struct keeper *k, int exe_fd, uint64_t number, int64_t now_us)
{
    static char title[] = TRIAL_TITLE, version[16];
    char *argv[] = {title, version, NULL};
    struct trial *t = &k->trial;
    int ends[2];
    pid_t pid;

    if (k->facts.trial_pid > 0)
        return -EBUSY;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return -errno;
    (void)snprintf(version, sizeof version, "%d", IMAGE_VERSION);
    pid = launch(&(struct launch){exe_fd, ends[1], argv, title}, &k->facts.nofile, &t->pidfd);
    (void)fd_close(ends[1]);
    if (pid < 0) {
        (void)fd_close(ends[0]);
        return pid;
    }
    k->facts.trial_pid = pid;
    t->answer_fd = ends[0];
    t->exe_fd = exe_fd;
    t->fine = false;
    t->number = number;
    t->until_us = now_us + TRIAL_US;
    return 0;
}

static void
end_it(struct trial *t)
{
    t->until_us = TIME_NEVER;
    if (t->pidfd >= 0)
        (void)pidfd_send_signal(t->pidfd, SIGKILL, NULL, 0); /* -ESRCH: gone */
}

void
trial_hear(struct keeper *k)
{
    struct trial *t = &k->trial;
    uint64_t magic = 0;
    ssize_t n = read(t->answer_fd, &magic, sizeof magic);

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    t->fine = n == (ssize_t)sizeof magic && magic == IMAGE_MAGIC;
    t->answer_fd = fd_close(t->answer_fd);
    if (!t->fine)
        end_it(t);
}

void
trial_judge(struct keeper *k, int64_t now_us)
{
    if (now_us < k->trial.until_us)
        return;
    k->trial.fine = false;
    k->trial.answer_fd = fd_close(k->trial.answer_fd);
    end_it(&k->trial);
}

void
trial_cancel(struct keeper *k)
{
    k->trial.exe_fd = fd_close(k->trial.exe_fd);
    k->trial.answer_fd = fd_close(k->trial.answer_fd);
    end_it(&k->trial);
}

void
trial_died(struct keeper *k)
{
    struct trial *t = &k->trial;

    if (t->answer_fd >= 0)
        trial_hear(k);
    k->facts.trial_pid = 0;
    t->pidfd = fd_close(t->pidfd);
    t->answer_fd = fd_close(t->answer_fd);
    t->until_us = TIME_NEVER;
    if (t->exe_fd == -1) /* cancelled */
        return;
    link_ack(&k->link, t->number, t->fine ? 0 : -ENOEXEC);
    if (t->fine) {
        (void)fd_close(k->next_fd);
        k->next_fd = steal_fd(t->exe_fd);
        return;
    }
    t->exe_fd = fd_close(t->exe_fd);
    keeper_log("warning", "upgrade_refused", 0,
               "msg=\"the new program does not say that it can go on from here: it is not stint, "
               "or too far from this release\"");
}
