/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/export_state.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/helper.h"

/*
 * The process that sends. It is another program, so that the master is not mapped libcurl and what comes with it:
 * each mapping costs each of its forks.
 */

#define ANSWERS_A_TURN 16
#define PROGRAM        "stint/stint-export"

struct sender_process {
    struct exporter *exporter; /* borrowed */
    struct helper *helper;     /* owned by its own end */
    ev_io readable;
    int fd; /* owned; the socket */
    pid_t pid;
};

/* What the child needs between fork and exec. */
struct launch {
    const char *program;
    int memory_fd;
};

static bool
is_program(const char *directory, const char *below, char path[PATH_MAX])
{
    auto_text struct text t = TEXT_INIT;

    text_addf(&t, "%s/%s/" PROGRAM, directory, below);
    return !t.failed && realpath(text_str(&t), path) && access(path, X_OK) == 0;
}

/* Beside this program as it is installed or built, or where it was to be installed. */
static bool
find_program(char path[PATH_MAX])
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    if (n > 0) {
        exe[n] = '\0';
        if (is_program(dirname(exe), "../" STINT_LIBEXECDIR_NAME, path))
            return true;
    }
    return is_program(STINT_LIBEXECDIR, ".", path);
}

/* In the child: the two descriptors under their numbers, and nothing else of ours, the environment neither. */
static bool
work(const void *task, int keep, int out)
{
    const struct launch *l = task;
    char *const argv[] = {(char *)(uintptr_t) "stint-export", NULL}, *const envp[] = {NULL};
    int socket_fd = fcntl(keep, F_DUPFD, EXPORT_MEMORY_FD + 1);
    int memory_fd = fcntl(l->memory_fd, F_DUPFD, EXPORT_MEMORY_FD + 1);

    (void)out;
    if (socket_fd == -1 || memory_fd == -1 ||
        dup2(socket_fd, EXPORT_SOCKET_FD) != EXPORT_SOCKET_FD ||
        dup2(memory_fd, EXPORT_MEMORY_FD) != EXPORT_MEMORY_FD)
        return false;
    (void)close_range(EXPORT_MEMORY_FD + 1, ~0U, 0);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* best effort: it has none to gain */
    (void)execve(l->program, argv, envp);
    return false;
}

/* ---- its end ---------------------------------------------------------------------------------------- */

static void
let_go(struct sender_process *p)
{
    if (p->fd < 0)
        return;
    forget_io(p->exporter->loop, &p->readable);
    p->fd = fd_close(p->fd);
}

static void
on_sender_end(void *env, enum helper_end how, int out)
{
    struct sender_process *p = env;
    struct exporter *x = p->exporter;

    (void)how; /* that it ended is all there is to know */
    (void)out;
    let_go(p);
    x->sender = NULL;
    x->start_us = mono_now_us() + EXPORT_AGAIN_US;
    if (!x->dead_told)
        journal_say(x->options.journal, LOG_LEVEL_WARNING, "export_died",
                    "the process that sends to %s ended: there will be another",
                    x->settings.endpoint);
    x->dead_told = true;
    free(p);
    export_sender_gone(x, "the process that sends ended", true);
    export_pump(x);
}

void
sender_end(struct exporter *x)
{
    struct sender_process *p = x->sender;

    if (!p)
        return;
    x->sender = NULL;
    x->start_us = 0;
    let_go(p);
    helper_cancel(p->helper);
    free(p);
}

pid_t
sender_pid(const struct exporter *x)
{
    return x->sender ? x->sender->pid : 0;
}

/* ---- what it says ------------------------------------------------------------------------------------ */

/* False: nothing (yet), or it is gone, which on_sender_end() hears. */
static bool
hear_one(struct exporter *x)
{
    struct sender_process *p = x->sender;
    struct export_answer a;
    ssize_t n = recv(p->fd, &a, sizeof(a), MSG_DONTWAIT);

    if (n == -1)
        return false;
    if (n != (ssize_t)sizeof(a)) {
        ev_io_stop(x->loop, &p->readable);
        return false;
    }
    a.text[sizeof(a.text) - 1] = '\0';
    export_answered(x, &a);
    return true;
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    struct sender_process *p = container_of(io, struct sender_process, readable);
    struct exporter *x = p->exporter;

    (void)loop;
    (void)revents;
    for (int i = 0; i < ANSWERS_A_TURN && x->sender == p; i++)
        if (!hear_one(x))
            return;
}

void
sender_wait(struct exporter *x, int64_t until_us)
{
    struct pollfd p = {.fd = x->sender ? x->sender->fd : -1, .events = POLLIN};
    int64_t left_us = until_us - mono_now_us();

    if (p.fd < 0 || left_us <= 0 || poll(&p, 1, (int)(left_us / US_PER_MS) + 1) <= 0)
        return;
    if (!hear_one(x) && x->sender && !ev_is_active(&x->sender->readable)) {
        sender_end(x);
        export_sender_gone(x, "the process that sends ended", false);
    }
}

/* ---- its beginning ------------------------------------------------------------------------------------ */

static int
cannot(struct exporter *x, int r, const char *doing)
{
    struct error why = {0};

    (void)error_set(&why, r, "%s", doing);
    (void)snprintf(x->failed, sizeof(x->failed), "%s", why.text);
    return r;
}

/* The first packets of a new socket always have room. */
static int
send_settings(const struct sender_process *p, const char *text)
{
    struct export_order order = {.type = EXPORT_ORDER_SETTINGS};
    struct iovec parts[] = {
        {&order,                  sizeof(order)},
        {(void *)(uintptr_t)text, strlen(text) },
    };
    const struct msghdr msg = {.msg_iov = parts, .msg_iovlen = ARRAY_LEN(parts)};

    return sendmsg(p->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -errno : 0;
}

static int
launch(struct exporter *x, struct sender_process *p, const char *program, int theirs)
{
    const struct launch task = {.program = program, .memory_fd = x->queue.fd};
    const struct helper_job job = {.name = "stint-export",
                                   .work = work,
                                   .task = &task,
                                   .keep = theirs,
                                   .keeps = &task.memory_fd,
                                   .n_keeps = 1,
                                   .deadline_us = TIME_NEVER,
                                   .on_end = on_sender_end,
                                   .env = p};
    int r = helper_start(x->loop, &job, &p->helper);

    return r < 0 ? cannot(x, r, "start the process that sends") : 0;
}

static int
start(struct exporter *x)
{
    struct sender_process *p;
    char program[PATH_MAX];
    int ends[2], r;

    if (mono_now_us() < x->start_us)
        return -EAGAIN;
    if (!find_program(program)) {
        (void)snprintf(x->failed, sizeof(x->failed),
                       "'export' needs stint-export, which is neither beside stint nor in %s/stint",
                       STINT_LIBEXECDIR);
        return -ENOENT;
    }
    p = calloc(1, sizeof(*p));
    if (!p || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        r = cannot(x, p ? -errno : -ENOMEM, "start the process that sends");
        free(p);
        return r;
    }
    p->exporter = x;
    p->fd = ends[0];
    r = launch(x, p, program, ends[1]);
    (void)fd_close(ends[1]);
    if (r < 0) {
        (void)fd_close(p->fd);
        free(p);
        return r;
    }
    p->pid = helper_pid(p->helper);
    ev_io_init(&p->readable, on_readable, p->fd, EV_READ);
    ev_io_start(x->loop, &p->readable);
    x->sender = p;
    x->starts++;
    x->failed[0] = '\0';
    return send_settings(p, x->settings.text);
}

int
sender_order(struct exporter *x, const struct export_order *order)
{
    int r = x->sender ? 0 : start(x);

    if (r == 0 && send(x->sender->fd, order, sizeof(*order), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
        r = -errno;
    if (r < 0 && x->sender) { /* it has died, and that is heard of later */
        sender_end(x);
        x->start_us = mono_now_us() + EXPORT_AGAIN_US;
    }
    return r;
}
