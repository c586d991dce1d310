/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/spawn_child.h"
#include "supervisor/io/spawn_lean.h"

#define FIRST_LISTEN_FD 3     /* SD_LISTEN_FDS_START */
#define TARGET_MAX      65535 /* beyond it a number is a mistake */

/* What the parent allocates for one start and frees after the clone. */
struct preparation {
    struct spawn_plan plan;
    char **made;   /* owned strings, n_made of them, referenced by plan.envp */
    size_t n_made; /* at most one for each named fd and one for LISTEN_PID */
    size_t n_env;  /* entries in plan.envp */
    int null_fd;   /* owned */
};

static void
preparation_finish(struct preparation *p)
{
    for (size_t i = 0; i < p->n_made; i++)
        free(p->made[i]);
    free(p->made);
    free(p->plan.envp);
    free(p->plan.places);
    p->null_fd = fd_close(p->null_fd);
}

static void
place(struct spawn_plan *plan, int from, int to)
{
    plan->places[plan->n_places++] = (struct placement){from, to};
    if (to >= plan->above)
        plan->above = to + 1;
}

static bool
is_taken(const struct spawn_plan *plan, int target)
{
    for (size_t i = 0; i < plan->n_places; i++)
        if (plan->places[i].to == target)
            return true;
    return false;
}

/* env_put - @entry (owned from now on) instead of the entry of the same name, or behind the last. */
static char *
env_put(struct preparation *p, char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    size_t i = 0;

    p->made[p->n_made++] = entry;
    while (i < p->n_env && strncmp(p->plan.envp[i], entry, name) != 0)
        i++;
    p->plan.envp[i] = entry;
    if (i == p->n_env)
        p->n_env++;
    return entry;
}

static int
prepare_env(struct preparation *p, const struct spawn_request *req)
{
    size_t n = 0;

    while (req->envp[n])
        n++;
    p->made = calloc(req->n_fds + 1, sizeof *p->made);
    p->plan.envp = calloc(n + req->n_fds + 1, sizeof *p->plan.envp);
    if (!p->made || !p->plan.envp)
        return -ENOMEM;
    memcpy(p->plan.envp, req->envp, n * sizeof *p->plan.envp);
    p->n_env = n;
    for (size_t i = 0; i < n; i++) {
        char *entry;

        if (strncmp(req->envp[i], "LISTEN_PID=", strlen("LISTEN_PID=")) != 0)
            continue;
        entry = calloc(1, strlen("LISTEN_PID=") + LISTEN_PID_ROOM);
        if (!entry)
            return -ENOMEM;
        memcpy(entry, "LISTEN_PID=", strlen("LISTEN_PID="));
        p->plan.listen_pid = env_put(p, entry) + strlen("LISTEN_PID=");
        break;
    }
    return 0;
}

/* place_fixed - what has a number already: standard streams, listeners, fds with a target. */
static int
place_fixed(struct preparation *p, const struct spawn_request *req, struct error *reterr)
{
    place(&p->plan, p->null_fd, STDIN_FILENO);
    if (req->stdout_fd >= 0)
        place(&p->plan, req->stdout_fd, STDOUT_FILENO);
    if (req->stderr_fd >= 0)
        place(&p->plan, req->stderr_fd, STDERR_FILENO);
    for (size_t i = 0; i < req->n_listen; i++)
        place(&p->plan, req->listen_fds[i], FIRST_LISTEN_FD + (int)i);
    for (size_t i = 0; i < req->n_fds; i++) {
        int target = req->fds[i].target;

        if (target < 0)
            continue;
        if (target > TARGET_MAX || is_taken(&p->plan, target))
            return error_say(reterr, -EINVAL, "descriptor %d is %s", target,
                             target > TARGET_MAX ? "out of range" : "already in use");
        place(&p->plan, req->fds[i].fd, target);
    }
    return 0;
}

/* prepare_fds - who goes where: fixed numbers first, then the free ones fill the gaps. */
static int
prepare_fds(struct preparation *p, const struct spawn_request *req, struct error *reterr)
{
    int next = FIRST_LISTEN_FD + (int)req->n_listen;
    int r;

    p->plan.places = calloc(3 + req->n_listen + req->n_fds, sizeof *p->plan.places);
    if (!p->plan.places)
        return error_set(reterr, -ENOMEM, "pass descriptors");
    p->plan.above = FIRST_LISTEN_FD;
    r = place_fixed(p, req, reterr);
    if (r < 0)
        return r;
    for (size_t i = 0; i < req->n_fds; i++) {
        int target = req->fds[i].target;
        char *entry;

        if (target < 0) {
            while (is_taken(&p->plan, next))
                next++;
            target = next;
            place(&p->plan, req->fds[i].fd, target);
        }
        if (!req->fds[i].env_name)
            continue;
        if (asprintf(&entry, "%s=%d", req->fds[i].env_name, target) == -1)
            return error_set(reterr, -ENOMEM, "pass descriptors");
        (void)env_put(p, entry); /* `made` owns it */
    }
    return 0;
}

/*
 * A fork that hands out a pidfd; the child runs on a copy of our stack. In the cgroup at once where
 * the kernel can (5.7) and lets us, else plan->join_fd tells the child to go there.
 */
static pid_t
clone_with_pidfd(struct spawn_plan *plan, int *ret_pidfd)
{
    int cgroup_fd = plan->req->cgroup_fd;
    struct clone_args args = {
        .flags = CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)ret_pidfd,
        .exit_signal = SIGCHLD,
    };
    long pid;

    if (cgroup_fd >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (unsigned)cgroup_fd;
    }
    pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == -1 && cgroup_fd >= 0 && errno != EAGAIN && errno != ENOMEM) {
        plan->join_fd = cgroup_fd;
        args.flags = CLONE_PIDFD;
        args.cgroup = 0;
        pid = syscall(SYS_clone3, &args, sizeof args);
    }
    if (pid == -1 && errno == ENOSYS) /* valgrind, and seccomp filters older than the call */
        pid =
            syscall(SYS_clone, (unsigned long)(CLONE_PIDFD | SIGCHLD), NULL, ret_pidfd, NULL, 0UL);
    return (pid_t)pid;
}

int
spawn_start(const struct spawn_request *req, struct spawned *ret, struct error *reterr)
{
    __attribute__((cleanup(preparation_finish))) struct preparation p = {.null_fd = -1};
    const char *name = req->exe_path ? req->exe_path : req->argv[0];
    struct spawn_plan *lean;
    sigset_t all, before;
    int ends[2], pidfd = -1, r;
    pid_t pid;

    p.plan.req = req;
    p.plan.join_fd = -1;
    p.plan.parent = getpid();
    p.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (p.null_fd == -1)
        return error_set(reterr, -errno, "start '%s': open /dev/null", name);
    r = prepare_env(&p, req);
    if (r < 0)
        return error_set(reterr, r, "start '%s'", name);
    r = prepare_fds(&p, req, reterr);
    if (r < 0)
        return error_wrap(reterr, r, "start '%s'", name);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return error_set(reterr, -errno, "start '%s': make a socket", name);
    auto_fd int status_ours = ends[0];
    auto_fd int status_theirs = ends[1];

    p.plan.status_fd = status_theirs;
    p.plan.parent_fd = status_ours;
    r = fd_nonblock(status_ours);
    if (r < 0)
        return error_set(reterr, r, "start '%s'", name);
    (void)sigfillset(&all); /* no handler of ours may run in the child */
    (void)sigprocmask(SIG_BLOCK, &all, &before);
    lean = spawn_lean_plan(&p.plan);
    if (lean)
        spawn_lean_heap(true);
    pid = clone_with_pidfd(lean ? lean : &p.plan, &pidfd);
    if (pid == 0)
        spawn_child(lean ? lean : &p.plan);
    r = -errno;
    if (lean)
        spawn_lean_heap(false);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid == -1)
        return error_set(reterr, r, "start '%s': fork", name);
    *ret = (struct spawned){pid, pidfd, steal_fd(status_ours)};
    return 0;
}

struct rlimit spawn_nofile;

int
spawn_raise_nofile(void)
{
    struct rlimit now;

    if (getrlimit(RLIMIT_NOFILE, &now) == -1)
        return -errno;
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit){now.rlim_max, now.rlim_max}) == -1)
        return -errno;
    spawn_nofile = now;
    return 0;
}

int
spawn_release(int exec_fd)
{
    return send(exec_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -errno;
}

int
spawn_exec_result(int exec_fd, struct spawn_failure *ret)
{
    struct spawn_failure failure;
    ssize_t n;

    do
        n = read(exec_fd, &failure, sizeof failure);
    while (n == -1 && errno == EINTR);
    if (n == 0 ||
        (n == -1 && errno == ECONNRESET)) /* reset: it died without having read our word */
        return 0;
    if (n == -1)
        return -errno;
    if (n != (ssize_t)sizeof failure) /* so few bytes are sent whole or not at all */
        return -EBADMSG;
    *ret = failure;
    return 1;
}
