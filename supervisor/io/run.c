/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/child.h"
#include "supervisor/io/environment.h"
#include "supervisor/io/forget.h"

#define READ_BYTES   16384
#define TURN_READS   4
#define KILL_WAIT_US US_PER_S /* after SIGKILL; what is not dead by then hangs in the kernel */

struct run {
    struct list node;     /* in `runs` */
    struct ev_loop *loop; /* borrowed */
    struct spawned child; /* its descriptors owned */
    int output_fd;        /* owned; read end; -1 after EOF */
    char *program;        /* owned */
    void (*on_done)(void *env, const struct run_result *result);
    void *env; /* borrowed */
    ev_io exited, readable;
    ev_timer deadline;
    bool timed_out; /* SIGKILL was sent for the deadline */
    size_t kept;    /* bytes in `output` */
    uint64_t dropped;
    char output[RUN_OUTPUT_MAX + 1];
};

/* All, the cancelled ones too until the kernel lets go of them: one thread, so one plain list. */
static struct list runs = LIST_INIT(runs);

static void
run_destroy(struct run *run)
{
    forget_io(run->loop, &run->exited);
    forget_io(run->loop, &run->readable);
    ev_timer_stop(run->loop, &run->deadline);
    list_del(&run->node);
    (void)fd_close(run->child.pidfd);
    (void)fd_close(run->child.exec_fd);
    (void)fd_close(run->output_fd);
    free(run->program);
    free(run);
}

static void
output_read(struct run *run, size_t most)
{
    char buffer[READ_BYTES];
    size_t done = 0;

    while (run->output_fd != -1 && done < most) {
        ssize_t n = read(run->output_fd, buffer, sizeof buffer);
        size_t keep;

        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN)
            return;
        if (n <= 0) {
            forget_io(run->loop, &run->readable);
            run->output_fd = fd_close(run->output_fd);
            return;
        }
        keep = RUN_OUTPUT_MAX - run->kept;
        if (keep > (size_t)n)
            keep = (size_t)n;
        memcpy(run->output + run->kept, buffer, keep);
        run->kept += keep;
        run->dropped += (uint64_t)n - keep;
        done += (size_t)n;
    }
}

/* report - the end of it: the caller hears, the run is gone. */
static void
report(struct run *run, int wait_status)
{
    struct run_result result = {
        .wait_status = wait_status,
        .timed_out = run->timed_out,
        .output = run->output,
        .output_bytes = run->kept,
        .output_dropped = run->dropped,
        .program = run->program,
    };

    if (spawn_exec_result(run->child.exec_fd, &result.exec) != 1)
        result.exec.step = SPAWN_STEP_NONE;
    run->on_done(run->env, &result);
}

static void
on_output(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    output_read(container_of(io, struct run, readable), (size_t)READ_BYTES * TURN_READS);
}

static void
on_exited(EV_P_ ev_io *io, int revents)
{
    struct run *run = container_of(io, struct run, exited);
    int status = 0;

    (void)loop;
    (void)revents;
    /* The zombie still owns its number, so the group can be ended by number: before reaping. */
    (void)child_kill_group(run->child.pid, run->child.pidfd);
    if (child_reap(run->child.pidfd, &status, NULL) == -EAGAIN)
        return;
    output_read(run,
                (size_t)1024 * 1024); /* what fits in a pipe; who else holds it is not awaited */
    if (run->on_done)
        report(run, status);
    run_destroy(run);
}

/* detach - nobody waits any more; it is reaped whenever it dies. */
static void
detach(struct run *run)
{
    run->on_done = NULL;
    ev_timer_stop(run->loop, &run->deadline);
    forget_io(run->loop, &run->readable);
    run->output_fd = fd_close(run->output_fd);
}

static void
on_deadline(EV_P_ ev_timer *timer, int revents)
{
    struct run *run = container_of(timer, struct run, deadline);

    (void)revents;
    if (!run->timed_out) {
        run->timed_out = true;
        (void)child_kill_group(run->child.pid, run->child.pidfd);
        ev_timer_set(timer, (double)KILL_WAIT_US / US_PER_S, 0.);
        ev_timer_start(EV_A_ timer);
        return;
    }
    report(run, SIGKILL); /* stuck in the kernel: the verdict does not wait for that */
    detach(run);
}

static int
make_pipe(int *ret_read, int *ret_write)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return -errno;
    *ret_read = ends[0];
    *ret_write = ends[1];
    return fd_nonblock(ends[0]);
}

/* helper_env - an array for the length of a call; its strings are those of @envp. */
static char **
helper_env(char *const *envp)
{
    size_t n = 0, kept = 0;
    char **env;

    while (envp[n])
        n++;
    env = calloc(n + 1, sizeof *env);
    for (size_t i = 0; env && i < n; i++)
        if (strncmp(envp[i], "LISTEN_", strlen("LISTEN_")) != 0 &&
            strncmp(envp[i], "NOTIFY_SOCKET=", strlen("NOTIFY_SOCKET=")) != 0)
            env[kept++] = envp[i];
    return env;
}

static int
start_child(struct run *run, const struct run_request *req, struct error *reterr)
{
    struct spawn_request spawn = SPAWN_REQUEST_INIT;
    auto_free char **env = helper_env(req->envp);
    auto_fd int output_write = -1;
    int r = !env ? error_set(reterr, -ENOMEM, "run '%s'", req->argv[0])
                 : spawn_find_program(req->argv[0], req->directory,
                                      environment_get(req->envp, "PATH"), &run->program, reterr);

    if (r < 0)
        return r;
    r = make_pipe(&run->output_fd, &output_write);
    if (r < 0)
        return error_set(reterr, r, "run '%s': make a pipe", run->program);
    spawn.argv = req->argv;
    spawn.envp = env;
    spawn.exe_path = run->program;
    spawn.directory = req->directory;
    spawn.identity = req->identity;
    spawn.umask = req->umask;
    spawn.limits = req->limits;
    spawn.n_limits = req->n_limits;
    spawn.stdout_fd = spawn.stderr_fd = output_write;
    spawn.tied = req->tied;
    return spawn_start(&spawn, &run->child, reterr);
}

static void
watch(struct run *run, int64_t deadline_us)
{
    ev_io_set(&run->exited, run->child.pidfd, EV_READ);
    ev_io_start(run->loop, &run->exited);
    ev_io_set(&run->readable, run->output_fd, EV_READ);
    ev_io_start(run->loop, &run->readable);
    if (deadline_us == TIME_NEVER)
        return;
    ev_now_update(run->loop); /* timers count from the loop's idea of now */
    deadline_us -= mono_now_us();
    ev_timer_set(&run->deadline, deadline_us > 0 ? (double)deadline_us / US_PER_S : 0., 0.);
    ev_timer_start(run->loop, &run->deadline);
}

int
run_start(struct ev_loop *loop, const struct run_request *req, struct run **ret,
          struct error *reterr)
{
    struct run *run = calloc(1, sizeof *run);
    int r;

    if (!run)
        return error_set(reterr, -ENOMEM, "run '%s'", req->argv[0]);
    list_init(&run->node);
    run->loop = loop;
    run->on_done = req->on_done;
    run->env = req->env;
    run->child = (struct spawned){0, -1, -1};
    run->output_fd = -1;
    ev_io_init(&run->exited, on_exited, -1, EV_READ);
    ev_io_init(&run->readable, on_output, -1, EV_READ);
    ev_timer_init(&run->deadline, on_deadline, 0., 0.);
    r = start_child(run, req, reterr);
    if (r < 0) {
        run_destroy(run);
        return r;
    }
    list_add(&runs, &run->node);
    watch(run, req->deadline_us);
    *ret = run;
    return 0;
}

void
run_cancel(struct run *run)
{
    if (!run)
        return;
    (void)child_kill_group(run->child.pid, run->child.pidfd);
    detach(run);
}

pid_t
run_pid(const struct run *run)
{
    return run->child.pid;
}

bool
run_knows(pid_t pid)
{
    list_for_each (n, &runs)
        if (container_of(n, struct run, node)->child.pid == pid)
            return true;
    return false;
}

bool
run_succeeded(const struct run_result *result)
{
    return result->exec.step == SPAWN_STEP_NONE && !result->timed_out &&
           WIFEXITED(result->wait_status) && WEXITSTATUS(result->wait_status) == 0;
}

char *
run_explain(const struct run_result *result, char *buf, size_t room)
{
    int status = result->wait_status;

    if (result->exec.step != SPAWN_STEP_NONE)
        return spawn_explain(&result->exec, result->program, NULL, buf, room);
    if (result->timed_out)
        (void)snprintf(buf, room, "took too long and was killed");
    else if (WIFEXITED(status))
        (void)snprintf(buf, room, "exit status %d", WEXITSTATUS(status));
    else
        (void)snprintf(buf, room, "killed by SIG%s%s",
                       sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "?",
                       WCOREDUMP(status) ? " (core dumped)" : "");
    return buf;
}
