// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"

/* Nothing of ours runs in the child: a signal ends it as it would end any program. */
static void
signals_default(void)
{
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void
become(const struct child_spec *spec)
{
    char *const *argv;
    int log = open(spec->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    signals_default();
    if (log == -1 || null == -1 || dup2(null, STDIN_FILENO) == -1 ||
        dup2(log, STDOUT_FILENO) == -1 || dup2(log, STDERR_FILENO) == -1)
        _exit(126);
    if (spec->directory && chdir(spec->directory) == -1)
        _exit(126);
    if (spec->uid != (uid_t)-1 &&
        (setgroups(1, &spec->gid) == -1 || setgid(spec->gid) == -1 || setuid(spec->uid) == -1))
        _exit(126);
    (void)setsid(); /* a scheduling group of its own: no server is to share one with the client */
    memcpy(&argv, &spec->argv, sizeof(argv)); /* exec promises not to write to them */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);   /* setuid() would clear it */
    execvp(spec->argv[0], argv);
    (void)dprintf(STDERR_FILENO, "exec %s: %s\n", spec->argv[0], strerrordesc_np(errno));
    _exit(127);
}

pid_t
child_start(const struct child_spec *spec, struct error *reterr)
{
    sigset_t all, before;
    pid_t pid;
    int r;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, &before); /* until its dispositions are its own */
    pid = fork();
    if (pid == 0)
        become(spec);
    r = -errno;
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid == -1)
        return error_set(reterr, r, "start %s", spec->argv[0]);
    return pid;
}

int
child_wait(pid_t pid, int64_t deadline_us, int *ret_status)
{
    auto_fd int fd = pidfd_open(pid, 0);
    struct pollfd p = {fd, POLLIN, 0};

    while (fd != -1) {
        int64_t left_us = deadline_us - mono_now_us();
        int n = poll(&p, 1, left_us > 0 ? (int)(left_us / US_PER_MS) + 1 : 0);

        if (n == 1)
            break;
        if (n == 0)
            return -ETIMEDOUT;
    }
    return waitpid(pid, ret_status, 0) == -1 ? -errno : 0;
}

int
child_run(const struct child_spec *spec, int64_t budget_us, struct error *reterr)
{
    int status = 0;
    pid_t pid = child_start(spec, reterr);
    int r;

    if (pid < 0)
        return pid;
    r = child_wait(pid, mono_now_us() + budget_us, &status);
    if (r == -ETIMEDOUT)
        (void)child_end(pid, SIGKILL, US_PER_S);
    if (r < 0)
        return error_set(reterr, r, "wait for %s", spec->argv[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
child_end(pid_t pid, int sig, int64_t grace_us)
{
    int r;

    if (pid <= 0)
        return 0;
    (void)kill(pid, sig); /* ours and not reaped: the number cannot be somebody else's */
    r = child_wait(pid, mono_now_us() + grace_us, NULL);
    if (r != -ETIMEDOUT)
        return 0;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return r;
}

int
child_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1UL, 0, 0, 0) == -1 ? -errno : 0;
}

/* Return: how many children were signalled. */
static int
signal_children(int sig)
{
    char path[64];
    auto_free char *list = NULL;
    char *at;
    int n = 0;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    if (file_read(path, 1 << 16, &list, NULL, NULL) < 0)
        return 0;
    at = list;
    for (;;) {
        char *end = NULL;
        long pid = strtol(at, &end, 10);

        if (end == at)
            return n;
        (void)kill((pid_t)pid, sig);
        n++;
        at = end;
    }
}

static void
reap_all(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
}

int
child_end_orphans(int64_t grace_us)
{
    int64_t deadline = mono_now_us() + grace_us;
    int killed = 0;

    reap_all();
    while (signal_children(0) > 0 && mono_now_us() < deadline) {
        (void)poll(NULL, 0, 5); /* orphans have no descriptor of ours to wait on */
        reap_all();
    }
    /* One at a time: the children of whoever dies come to us, and have not been told. */
    while (signal_children(SIGKILL) > 0 && waitpid(-1, NULL, 0) > 0)
        killed++;
    return killed;
}
