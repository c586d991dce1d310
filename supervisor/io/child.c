/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* A chain of parents longer than this is a loop made by pid reuse while we were reading it. */
#define ANCESTORS_MAX 128

int
child_reap(int pidfd, int *ret_status, struct rusage *ret_usage)
{
    siginfo_t info = {0};
    long r;

    /* glibc's waitid() hides the kernel's fifth argument, the rusage. */
    do
        r = syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, ret_usage);
    while (r == -1 && errno == EINTR);
    if (r == -1)
        return -errno;
    if (info.si_pid == 0)
        return -EAGAIN;
    if (info.si_code == CLD_EXITED)
        *ret_status = (info.si_status & 0xff) << 8;
    else
        *ret_status = info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
    return 0;
}

int
child_signal(int pidfd, int sig)
{
    return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) == -1 ? -errno : 0;
}

int
child_signal_group(pid_t pid, int pidfd, int sig)
{
    int r, leader;

    if (pid <= 1)
        return -EINVAL;
    /* Before its setsid() the child has no group of its own yet: the leader alone, by pidfd. */
    r = kill(-pid, sig) == -1 ? -errno : 0;
    leader = r < 0 ? child_signal(pidfd, sig) : 0;
    return leader < 0 ? leader : 0;
}

int
child_kill_group(pid_t pid, int pidfd)
{
    return child_signal_group(pid, pidfd, SIGKILL);
}

int
process_stat(pid_t pid, struct process_stat *ret)
{
    auto_free char *data = NULL;
    struct process_stat st = {0};
    char path[64];
    const char *open_paren, *close_paren;
    int r;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    r = file_read(path, 16384, &data, NULL, NULL);
    if (r < 0)
        return r == -ENOENT ? -ESRCH : r;
    open_paren = strchr(data, '(');
    close_paren = strrchr(data, ')'); /* the name itself may hold parentheses and blanks */
    if (!open_paren || !close_paren || close_paren < open_paren)
        return -EBADMSG;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
    r = sscanf(close_paren + 1,
               " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &st.state, &st.parent, &st.group, &st.session, &st.start_ticks);
    if (r != 5)
        return -EBADMSG;
    (void)snprintf(st.name, sizeof st.name, "%.*s", (int)(close_paren - open_paren - 1),
                   open_paren + 1);
    *ret = st;
    return 0;
}

int
process_belongs(pid_t pid, pid_t leader)
{
    struct process_stat st;
    int r;

    if (pid == leader)
        return 1;
    r = process_stat(pid, &st);
    if (r < 0)
        return r;
    if (st.session == leader)
        return 1;
    for (int n = 0; n < ANCESTORS_MAX && st.parent > 1; n++) {
        if (st.parent == leader)
            return 1;
        if (process_stat(st.parent, &st) < 0)
            return 0; /* the chain broke under our hands: no proof */
    }
    return 0;
}
