/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "supervisor/keeper/environ.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#define EXIT_NOT_STARTED 127 /* as a shell has it */

/* Handlers point into a program that is about to go, and SIG_IGN and the mask would survive exec. */
static void
reset_signals(void)
{
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        (void)sigaction(sig, &act, NULL); /* KILL, STOP and libc's own two refuse, rightly */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void
launch_exec(int exe_fd, char **argv, char **envp)
{
    char path[32];

    (void)syscall(SYS_execveat, exe_fd, "", argv, envp, AT_EMPTY_PATH);
    if (errno != ENOSYS) /* valgrind, and filters older than the call */
        return;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", exe_fd);
    (void)execve(path, argv, envp);
}

/* The child: a copy of us with one thread, so all is allowed but to forget that. */
static _Noreturn void
become(const struct launch *what, const struct rlimit *nofile)
{
    int exe_fd = fcntl(what->exe_fd, F_DUPFD_CLOEXEC, KEEPER_FD + 1);
    int r;

    reset_signals();
    (void)setrlimit(RLIMIT_NOFILE, nofile);
    if (what->fd == KEEPER_FD)
        r = fd_cloexec(what->fd, 0);
    else
        r = dup2(what->fd, KEEPER_FD) == -1 ? -errno : 0;
    /* Ours are all CLOEXEC; this is for those of whoever started us, where the kernel is new enough. */
    (void)syscall(SYS_close_range, KEEPER_FD + 1U, ~0U, CLOSE_RANGE_CLOEXEC);
    what->argv[0] = what->title;
    environ_strip();
    if (r == 0 && exe_fd >= 0)
        launch_exec(exe_fd, what->argv, environ);
    keeper_log("error", "exec_failed", 0, "msg=\"start '%s': %s\"", what->title,
               strerrordesc_np(errno));
    _exit(EXIT_NOT_STARTED);
}

/* A fork that hands out a pidfd; the child runs on a copy of our stack. */
pid_t
launch(const struct launch *what, const struct rlimit *nofile, int *ret_pidfd)
{
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (pid == -1 && errno == ENOSYS) /* valgrind, and filters older than the call */
        pid = syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), NULL, &pidfd, NULL, 0UL);
    if (pid == 0)
        become(what, nofile);
    if (pid == -1)
        return -errno;
    *ret_pidfd = pidfd;
    return (pid_t)pid;
}
