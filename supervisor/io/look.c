/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/look.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
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
#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/look_exe.h"
#include "supervisor/io/look_scan.h"

#define INLINE_ENTRIES 1000 /* more are read in a child, however small */

/* What a child sends back: less than a pipe takes at once. */
struct findings {
    enum look_result result;
    bool too_much; /* measured only: more than should be read in the loop */
    struct digest digest, exe_digest;
    uint64_t bytes;
    char reason[480];
};

struct look {
    struct list node; /* in helpers, while there is a child */
    struct ev_loop *loop;
    void (*on_done)(void *env, struct look_answer *answer); /* NULL: cancelled, or answered */
    void *env;
    struct look_answer answer;
    ev_timer timer; /* no child: the answer is ready; else: the deadline */
    ev_io dead;     /* the child's pidfd */
    pid_t child;    /* 0 = none */
    int pidfd, pipe_fd;
};

static struct list helpers = LIST_INIT(helpers);

bool
look_knows(pid_t pid)
{
    list_for_each (pos, &helpers)
        if (container_of(pos, struct look, node)->child == pid)
            return true;
    return false;
}

static void
broken(struct findings *f, const char *reason)
{
    f->result = LOOK_BROKEN;
    (void)snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

static void
scan_all(struct look_scan *s, const struct look_request *rq)
{
    for (size_t i = 0; i < rq->n_inputs && s->error == 0; i++)
        scan_input(s, rq->inputs[i]);
}

/* digest_inputs - the reading half; in a child when there is much of it. */
static void
digest_inputs(const struct look_request *rq, const struct look_answer *a, struct findings *f)
{
    struct look_scan exe = {.hash = true}, inputs = {.hash = true};
    struct stat now;

    if (rq->watch_binary)
        scan_fd(&exe, a->exe_fd, rq->executable);
    scan_all(&inputs, rq);
    if (exe.error != 0 || inputs.error != 0) {
        broken(f, exe.error != 0 ? exe.reason : inputs.reason);
        return;
    }
    if (exe.changed || inputs.changed || stat(a->real_path, &now) == -1 ||
        !stat_same(&now, &a->exe_stat)) {
        f->result = LOOK_UNSETTLED;
        (void)snprintf(f->reason, sizeof(f->reason), "it changed while it was being read");
        return;
    }
    f->exe_digest = exe.digest;
    f->digest = rq->watch_binary ? digest_mix(exe.digest, inputs.digest) : inputs.digest;
    f->bytes = exe.bytes + inputs.bytes;
    f->result = LOOK_OK;
}

/*
 * measure - the cheap half: is it settled, is it much? Return: true when there is more to do.
 * @enough: entries after which it is much, whatever the rest may be; 0 = look at all
 */
static bool
measure(const struct look_request *rq, const struct look_answer *a, unsigned enough,
        struct findings *f)
{
    struct look_scan s = {.bytes = rq->watch_binary ? (uint64_t)a->exe_stat.st_size : 0,
                          .enough = enough};

    scan_age(&s, &a->exe_stat, rq->executable);
    for (size_t i = 0; i < rq->n_inputs && s.error == 0 && !scan_stopped(&s); i++)
        scan_input(&s, rq->inputs[i]);
    f->too_much = s.bytes > LOOK_INLINE_BYTES || scan_stopped(&s);
    if (s.error != 0) {
        broken(f, s.reason);
        return false;
    }
    if (rq->settle_us > 0 && scan_unsettled(&s, rq->settle_us, wall_now_us())) {
        f->result = LOOK_UNSETTLED;
        (void)snprintf(f->reason, sizeof(f->reason), "'%s' was changed a moment ago",
                       s.youngest_what ? s.youngest_what : rq->executable);
        return false;
    }
    return true;
}

static void
take(struct look *l, const struct findings *f)
{
    l->answer.result = f->result;
    l->answer.digest = f->digest;
    l->answer.exe_digest = f->exe_digest;
    l->answer.bytes = f->bytes;
    (void)snprintf(l->answer.reason, sizeof(l->answer.reason), "%s", f->reason);
}

/* answer_once - hand the answer over; what the callback did not take is closed. */
static void
answer_once(struct look *l)
{
    void (*on_done)(void *, struct look_answer *) = steal(l->on_done);

    ev_timer_stop(l->loop, &l->timer);
    if (l->answer.result != LOOK_OK)
        l->answer.exe_fd = fd_close(l->answer.exe_fd);
    if (on_done)
        on_done(l->env, &l->answer);
    l->answer.exe_fd = fd_close(l->answer.exe_fd);
}

static void
look_destroy(struct look *l)
{
    ev_timer_stop(l->loop, &l->timer);
    ev_io_stop(l->loop, &l->dead);
    list_del(&l->node);
    (void)fd_close(l->pidfd);
    (void)fd_close(l->pipe_fd);
    (void)fd_close(l->answer.exe_fd);
    free(l);
}

static void
on_timer(EV_P_ ev_timer *timer, int revents)
{
    struct look *l = container_of(timer, struct look, timer);
    struct findings f = {0};

    (void)loop; /* the look knows it */
    (void)revents;
    if (l->child == 0) {
        answer_once(l);
        look_destroy(l);
        return;
    }
    broken(&f, "its inputs could not be read in time");
    take(l, &f);
    (void)kill(l->child, SIGKILL); /* not reaped yet, so the number is still its own */
    answer_once(l);                /* on_dead() frees */
}

/* The child is gone; its findings, if it got that far, are in the pipe. */
static void
on_dead(EV_P_ ev_io *io, int revents)
{
    struct look *l = container_of(io, struct look, dead);
    struct findings f = {0};
    siginfo_t info = {0};

    (void)loop; /* the look knows it */
    (void)revents;
    if (waitid(P_PIDFD, (id_t)l->pidfd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0)
        return; /* a false alarm */
    if (read(l->pipe_fd, &f, sizeof(f)) == (ssize_t)sizeof(f))
        f.reason[sizeof(f.reason) - 1] = '\0';
    else
        broken(&f, "the process that read its inputs died");
    if (l->on_done) {
        take(l, &f);
        l->child = 0;
        list_del(&l->node);
        answer_once(l);
    }
    look_destroy(l);
}

/* The child of a single-threaded master: it only reads, and tells. Keeps @exe_fd and @out, no more. */
static void __attribute__((noreturn))
help(const struct look_request *rq, struct look_answer *a, int out)
{
    struct findings f = {0};
    int exe_fd = fcntl(a->exe_fd, F_DUPFD_CLOEXEC, 3);
    int low = exe_fd < out ? exe_fd : out, high = exe_fd < out ? out : exe_fd;
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* best effort: without it the child ends by itself */
    (void)prctl(PR_SET_NAME, "stint-look");
    (void)sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, NULL); /* so that it can be ended by hand */
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL); /* no handler of the master's may run here */
    if (low > 0) {
        (void)close_range(3, (unsigned)low - 1, 0); /* connections of others end when they end */
        (void)close_range((unsigned)low + 1, (unsigned)high - 1, 0);
        (void)close_range((unsigned)high + 1, ~0U, 0);
        a->exe_fd = exe_fd;
        if (measure(rq, a, 0, &f)) /* the loop may have stopped half-way */
            digest_inputs(rq, a, &f);
    } else {
        broken(&f, "no descriptor is left");
    }
    _exit(write(out, &f, sizeof(f)) == (ssize_t)sizeof(f) ? 0 : 1);
}

static void
child_watch(struct look *l, int64_t deadline_us)
{
    int64_t left_us = deadline_us - mono_now_us();

    l->answer.helped = true;
    list_add(&helpers, &l->node);
    ev_io_init(&l->dead, on_dead, l->pidfd, EV_READ);
    ev_io_start(l->loop, &l->dead);
    if (deadline_us == TIME_NEVER)
        return;
    ev_timer_init(&l->timer, on_timer, left_us > 0 ? (double)left_us / 1e6 : 0., 0.);
    ev_timer_start(l->loop, &l->timer);
}

static int
child_start(struct look *l, const struct look_request *rq)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == -1)
        return -errno;
    auto_fd int in = fds[0];
    auto_fd int out = fds[1];
    pid_t pid = fork();

    if (pid == -1)
        return -errno;
    if (pid == 0)
        help(rq, &l->answer, out);
    l->pidfd = pidfd_open(pid, 0);
    if (l->pidfd == -1) {
        int r = -errno;

        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0); /* killed while reading: it is gone in no time */
        return r;
    }
    l->child = pid;
    l->pipe_fd = steal_fd(in);
    child_watch(l, rq->deadline_us);
    return 0;
}

/* look_now - all that can be said at once. Return: true when a child has to read the rest. */
static bool
look_now(struct look *l, const struct look_request *rq)
{
    struct findings f = {0};
    struct error err;
    bool more = false;

    if (exe_open(rq->executable, &l->answer, &err) < 0) {
        broken(&f, err.text);
    } else if (measure(rq, &l->answer, INLINE_ENTRIES, &f)) {
        if (exe_check(rq->executable, &l->answer, &err) < 0)
            broken(&f, err.text);
        else if (f.too_much)
            more = true;
        else
            digest_inputs(rq, &l->answer, &f);
    }
    take(l, &f);
    return more;
}

int
look_start(struct ev_loop *loop, const struct look_request *rq,
           void (*on_done)(void *env, struct look_answer *answer), void *env, struct look **ret)
{
    struct look *l = calloc(1, sizeof(*l));
    int r = 0;

    if (!l)
        return -ENOMEM;
    l->loop = loop;
    l->on_done = on_done;
    l->env = env;
    l->pidfd = l->pipe_fd = l->answer.exe_fd = -1;
    list_init(&l->node);
    ev_init(&l->timer, on_timer);
    ev_init(&l->dead, on_dead);
    if (look_now(l, rq)) {
        r = child_start(l, rq);
    } else {
        ev_timer_set(&l->timer, 0., 0.); /* the next turn: never from in here */
        ev_timer_start(loop, &l->timer);
    }
    if (r < 0) {
        look_destroy(l);
        return r;
    }
    *ret = l;
    return 0;
}

void
look_cancel(struct look *l)
{
    if (!l)
        return;
    l->on_done = NULL;
    if (l->child == 0) {
        look_destroy(l);
        return;
    }
    ev_timer_stop(l->loop, &l->timer);
    (void)kill(l->child,
               SIGKILL); /* not reaped yet, so the number is still its own; on_dead() frees */
}
