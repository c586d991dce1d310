/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/child.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int
wait_for(int pidfd, int options, int *ret_status, struct rusage *ret_usage)
{
    siginfo_t info = {0};
    long r;

    /* glibc's waitid() hides the kernel's fifth argument, the rusage. */
    do
        r = syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG | options, ret_usage);
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
child_reap(int pidfd, int *ret_status, struct rusage *ret_usage)
{
    return wait_for(pidfd, 0, ret_status, ret_usage);
}

int
child_peek(int pidfd, int *ret_status)
{
    return wait_for(pidfd, WNOWAIT, ret_status, NULL);
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
