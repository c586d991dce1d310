/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The child of a single-threaded parent, but held to the stricter rule: async-signal-safe calls
 * only, no allocation, no libc function that might take a lock or ask the thread library.
 */
#include "supervisor/io/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "supervisor/io/identity.h"
#include "supervisor/io/spawn.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
/* 32-bit machines have these calls twice; the old ones take 16-bit ids. */
#ifdef SYS_setresuid32
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETGROUPS SYS_setgroups32
#else
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETGROUPS SYS_setgroups
#endif

#define EXIT_NOT_STARTED 127 /* as a shell has it; the pipe says more */

static _Noreturn void
fail(const struct spawn_plan *plan, enum spawn_step step, int detail)
{
    struct spawn_failure failure = {.step = step, .error = -errno, .detail = detail};
    ssize_t n = write(plan->status_fd, &failure, sizeof failure);

    (void)n; /* nobody left to tell: the exit status is all there is then */
    _exit(EXIT_NOT_STARTED);
}

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

static void
mark_all_cloexec(void)
{
    struct rlimit limit = {0};

    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        return;
    /* Ours are all CLOEXEC; this is for those of libraries, on a kernel or valgrind that is old. */
    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur > 65536)
        limit.rlim_cur = 65536;
    for (int fd = 3; fd < (int)limit.rlim_cur; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int
duplicate_above(const struct spawn_plan *plan, int fd, int target)
{
    int dup_fd = fcntl(fd, F_DUPFD_CLOEXEC, plan->above);

    if (dup_fd == -1)
        fail(plan, SPAWN_STEP_FDS, target);
    return dup_fd;
}

/* All sources go above all targets first, so no order of numbers can overwrite one not yet placed. */
static int
place_fds(struct spawn_plan *plan)
{
    int exe_fd = -1;

    plan->status_fd = duplicate_above(plan, plan->status_fd, -1);
    if (plan->req->exe_fd >= 0)
        exe_fd = duplicate_above(plan, plan->req->exe_fd, -1);
    for (size_t i = 0; i < plan->n_places; i++)
        plan->places[i].from = duplicate_above(plan, plan->places[i].from, plan->places[i].to);
    mark_all_cloexec();
    for (size_t i = 0; i < plan->n_places; i++)
        if (dup2(plan->places[i].from, plan->places[i].to) == -1)
            fail(plan, SPAWN_STEP_FDS, plan->places[i].to);
    return exe_fd;
}

static void
take_identity(const struct spawn_plan *plan, const struct identity *id)
{
    gid_t gid = id->gid;
    uid_t uid = id->uid;

    /* Who already is that user may lack the right to set groups, and has them already. */
    if (uid != IDENTITY_KEEP_UID && syscall(CALL_SETGROUPS, id->n_groups, id->groups) == -1 &&
        !(errno == EPERM && geteuid() == uid))
        fail(plan, SPAWN_STEP_SETGROUPS, 0);
    if (gid != IDENTITY_KEEP_GID && syscall(CALL_SETRESGID, gid, gid, gid) == -1)
        fail(plan, SPAWN_STEP_SETGID, 0);
    if (uid != IDENTITY_KEEP_UID && syscall(CALL_SETRESUID, uid, uid, uid) == -1)
        fail(plan, SPAWN_STEP_SETUID, 0);
}

static void
write_pid(char *to, pid_t pid)
{
    char digits[LISTEN_PID_ROOM];
    int n = 0;

    for (; pid > 0; pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        *to++ = digits[--n];
    *to = '\0';
}

/* After it has become who it runs as, which would undo it. Who has another parent by then came too late. */
static void
tie(const struct spawn_plan *plan)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && syscall(SYS_getppid) != plan->parent)
        _exit(EXIT_NOT_STARTED);
}

/* Not before our pid is in the books. Whoever would write it there is gone: then we were never here. */
static void
wait_for_release(const struct spawn_plan *plan)
{
    char go;
    ssize_t n;

    do
        n = read(plan->status_fd, &go, sizeof go);
    while (n == -1 && errno == EINTR);
    if (n != sizeof go)
        _exit(EXIT_NOT_STARTED);
}

/* Whoever writes 0 means himself. As long as we are who may do it, and have not passed a limit. */
static void
join_cgroup(const struct spawn_plan *plan)
{
    int fd = openat(plan->join_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);

    if (fd == -1 || write(fd, "0", 1) == -1)
        fail(plan, SPAWN_STEP_CGROUP, 0);
    (void)close(fd);
}

_Noreturn void
spawn_child(struct spawn_plan *plan)
{
    const struct spawn_request *req = plan->req;
    int exe_fd;

    (void)close(plan->parent_fd);
    reset_signals();
    if (setsid() == -1)
        fail(plan, SPAWN_STEP_SETSID, 0);
    if (plan->join_fd >= 0)
        join_cgroup(plan);
    exe_fd = place_fds(plan); /* before the limits: a low `nofile` is for the program, not for us */
    if (spawn_nofile.rlim_max > 0) /* lower than ours: cannot fail */
        (void)setrlimit(RLIMIT_NOFILE, &spawn_nofile);
    for (size_t i = 0; i < req->n_limits; i++) {
        struct rlimit limit = {req->limits[i].soft, req->limits[i].hard};

        if (setrlimit((__rlimit_resource_t)req->limits[i].resource, &limit) == -1)
            fail(plan, SPAWN_STEP_RLIMIT, req->limits[i].resource);
    }
    if (req->directory && chdir(req->directory) == -1)
        fail(plan, SPAWN_STEP_CHDIR, 0);
    if (req->identity)
        take_identity(plan, req->identity);
    if (req->umask != (mode_t)-1)
        (void)umask(req->umask);
    if (plan->listen_pid) /* raw: libc of another age caches the parent's */
        write_pid(plan->listen_pid, (pid_t)syscall(SYS_getpid));
    if (req->tied)
        tie(plan);
    if (req->gated)
        wait_for_release(plan);
    if (exe_fd >= 0)
        (void)syscall(SYS_execveat, exe_fd, "", req->argv, plan->envp, AT_EMPTY_PATH);
    else
        (void)execve(req->exe_path, req->argv, plan->envp);
    fail(plan, SPAWN_STEP_EXEC, 0);
}
