/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/ready.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ev.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/ask.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/look_scan.h"
#include "supervisor/io/peek.h"
#include "supervisor/io/run.h"
#include "supervisor/probe/proc.h"

#define FILE_TEXT_MAX 4096
/* File times are of the last clock tick, which may be 10 ms old; two to be sure. */
#define FILE_TIME_SLACK_US (20 * US_PER_MS)
#define EXEC_TIME_LIMIT_US (10 * US_PER_S)
#define ASK_TIME_LIMIT_US  (2 * US_PER_S)
#define FILE_FIRST_US      (5 * US_PER_MS) /* most are there at once */
#define FILE_LAST_US       (250 * US_PER_MS)
#define EXEC_FIRST_US      (200 * US_PER_MS)
#define EXEC_LAST_US       US_PER_S
#define ASK_FIRST_US       (50 * US_PER_MS)
#define ASK_LAST_US        (500 * US_PER_MS)

struct ready {
    struct ev_loop *loop;     /* borrowed */
    struct ready_request req; /* its pointers as ready.h says; `address` is not kept */
    int fd;                   /* owned; READY_FD */
    char *path;               /* owned; READY_FILE, absolute if the directory is */
    struct strv argv;         /* owned; READY_EXEC */
    struct stat before;       /* READY_FILE: with has_before */
    bool has_before;
    int64_t spawned_wall_us;  /* wall clock of the spawn, as reckoned at the start */
    struct ask_target target; /* READY_TCP, READY_HTTP */
    struct ask *ask;          /* owned; the question under way, or NULL */
    struct run *run;          /* owned; the command under way, or NULL */
    ev_io io;                 /* READY_FD */
    ev_timer timer;           /* until the next try */
    int64_t pause_us;         /* before the try after the next */
    char progress[256];
};

__attribute__((format(printf, 2, 3))) static void
progress(struct ready *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(r->progress, sizeof r->progress, fmt, ap);
    va_end(ap);
}

static void
stop_watching(struct ready *r)
{
    forget_io(r->loop, &r->io);
    ev_timer_stop(r->loop, &r->timer);
    r->fd = fd_close(r->fd);
    ask_cancel(steal(r->ask));
    run_cancel(steal(r->run));
}

/* The hook may destroy us: it is always the last thing done. */
static void
is_ready(struct ready *r)
{
    stop_watching(r);
    progress(r, "ready");
    r->req.on_ready(r->req.env);
}

static void
try_after(struct ready *r, int64_t after_us)
{
    ev_now_update(r->loop);
    ev_timer_stop(r->loop, &r->timer);
    ev_timer_set(&r->timer, (double)after_us / US_PER_S, 0.);
    ev_timer_start(r->loop, &r->timer);
}

/* try_again - after a pause that doubles up to @last_us. */
static void
try_again(struct ready *r, int64_t last_us)
{
    try_after(r, r->pause_us);
    r->pause_us = r->pause_us * 2 < last_us ? r->pause_us * 2 : last_us;
}

/* ---- fd: a newline, as s6 has it ---- */

static void
on_fd(EV_P_ ev_io *io, int revents)
{
    struct ready *r = container_of(io, struct ready, io);
    char bytes[256];
    ssize_t n = peek_pipe(r->fd, bytes, sizeof bytes); /* it stays there for a master after us */

    (void)loop;
    (void)revents;
    if (n == -EAGAIN)
        return;
    if (n > 0) {
        if (memchr(bytes, '\n', (size_t)n))
            is_ready(r);
        else
            (void)peek_take(r->fd, (size_t)n);
        return;
    }
    stop_watching(r);
    progress(r, "it closed its readiness descriptor without a newline");
    if (r->req.on_failed)
        r->req.on_failed(r->req.env, r->progress);
}

/* ---- file: rewritten since the spawn, and it holds a pid of the worker's tree ---- */

/*
 * The wall clock may have been set since the spawn. Reckoning the spawn's wall time again from the
 * monotonic clock and taking the earlier of the two forgives both directions.
 */
static bool
is_rewritten(const struct ready *r, const struct stat *st)
{
    int64_t changed_us = (int64_t)st->st_ctim.tv_sec * US_PER_S + st->st_ctim.tv_nsec / 1000;
    int64_t spawned_us = wall_now_us() - (mono_now_us() - r->req.spawned_us);

    if (r->has_before && stat_same(st, &r->before))
        return false;
    if (r->spawned_wall_us < spawned_us)
        spawned_us = r->spawned_wall_us;
    return changed_us >= spawned_us - FILE_TIME_SLACK_US;
}

static bool
file_says_ready(struct ready *r)
{
    auto_free char *text = NULL;
    struct stat st;
    char *end;
    long pid;
    int e;

    if (stat(r->path, &st) == -1) {
        progress(r, "'%.160s': %s", r->path,
                 errno == ENOENT ? "does not exist yet" : strerrordesc_np(errno));
        return false;
    }
    if (!is_rewritten(r, &st)) {
        progress(r, "'%.160s' is older than the worker", r->path);
        return false;
    }
    e = S_ISREG(st.st_mode) ? file_read(r->path, FILE_TEXT_MAX, &text, NULL, NULL) : -EINVAL;
    if (e < 0) {
        progress(r, "'%.160s': %s", r->path, strerrordesc_np(-e));
        return false;
    }
    errno = 0;
    pid = strtol(text, &end, 10);
    if (errno != 0 || end == text || pid < 2 || pid > INT32_MAX) {
        progress(r, "'%.160s' holds no pid yet", r->path);
        return false;
    }
    if (proc_belongs((pid_t)pid, r->req.pid) == 1)
        return true;
    progress(r, "'%.160s' holds pid %ld, which is not of this worker", r->path, pid);
    return false;
}

/* ---- exec: a command that exits 0 ---- */

static void
on_run_done(void *env, const struct run_result *result)
{
    struct ready *r = env;
    char words[160];

    r->run = NULL;
    if (run_succeeded(result)) {
        is_ready(r);
        return;
    }
    progress(r, "last answer: %s", run_explain(result, words, sizeof words));
    try_again(r, EXEC_LAST_US);
}

static void
exec_try(struct ready *r)
{
    struct run_request run = {
        .argv = r->argv.items,
        .envp = r->req.envp,
        .directory = r->req.directory,
        .identity = r->req.identity,
        .umask = (mode_t)-1,
        .deadline_us = mono_now_us() + EXEC_TIME_LIMIT_US,
        .on_done = on_run_done,
        .env = r,
    };
    struct error error;

    if (run_start(r->loop, &run, &r->run, &error) == 0)
        return;
    progress(r, "last answer: %.200s", error.text);
    try_again(r, EXEC_LAST_US);
}

/* ---- tcp, http ---- */

static void
on_answer(void *env, bool yes, const char *text)
{
    struct ready *r = env;

    r->ask = NULL;
    if (yes) {
        is_ready(r);
        return;
    }
    progress(r, "last answer: %s", text);
    try_again(r, ASK_LAST_US);
}

static void
on_timer(EV_P_ ev_timer *timer, int revents)
{
    struct ready *r = container_of(timer, struct ready, timer);

    (void)loop;
    (void)revents;
    switch (r->req.spec->mode) {
    case READY_FILE:
        if (file_says_ready(r))
            is_ready(r);
        else if (r->req.until_us == 0 || mono_now_us() < r->req.until_us)
            try_again(r, FILE_LAST_US);
        break;
    case READY_EXEC:
        exec_try(r);
        break;
    case READY_TCP:
    case READY_HTTP:
        r->ask = ask_start(r->loop, &r->target, ASK_TIME_LIMIT_US, on_answer, r);
        if (!r->ask) {
            progress(r, "last answer: no descriptor or memory left to ask with");
            try_again(r, ASK_LAST_US);
        }
        break;
    case READY_NOTIFY:
    case READY_ASSUME:
    case READY_FD:
        break; /* no timer */
    }
}

/* ---- life ---- */

static int
begin_fd(struct ready *r, const struct ready_request *req, struct error *reterr)
{
    int e = fd_nonblock(req->fd);

    if (e < 0)
        return error_set(reterr, e, "watch the readiness descriptor");
    r->fd = req->fd;
    ev_io_set(&r->io, r->fd, EV_READ);
    ev_io_start(r->loop, &r->io);
    progress(r, "waiting for a newline on descriptor %d", req->spec->fd);
    return 0;
}

static int
begin_file(struct ready *r, const struct ready_request *req, struct error *reterr)
{
    auto_free char *file = slot_text(req->spec->file, req->slot);
    bool joined = req->spec->file[0] != '/' && req->directory;

    if (!file ||
        asprintf(&r->path, "%s%s%s", joined ? req->directory : "", joined ? "/" : "", file) == -1) {
        r->path = NULL; /* undefined after a failure */
        return error_set(reterr, -ENOMEM, "watch '%s'", req->spec->file);
    }
    r->has_before = req->rewritten && stat(r->path, &r->before) == 0;
    r->pause_us = FILE_FIRST_US;
    try_after(r, 0);
    progress(r, "waiting for '%.200s'", r->path);
    return 0;
}

static int
begin(struct ready *r, const struct ready_request *req, struct error *reterr)
{
    int e = 0;

    switch (req->spec->mode) {
    case READY_NOTIFY:
        progress(r, "waiting for READY=1");
        break;
    case READY_ASSUME:
        progress(r, "will be assumed ready if it is still alive then");
        break;
    case READY_FD:
        return begin_fd(r, req, reterr);
    case READY_FILE:
        return begin_file(r, req, reterr);
    case READY_EXEC:
        e = slot_argv(&req->spec->exec, req->slot, &r->argv);
        if (e < 0)
            return error_set(reterr, e, "ask '%.200s'", req->spec->exec.items[0]);
        r->pause_us = EXEC_FIRST_US;
        try_after(r, 0);
        progress(r, "asking '%.200s'", r->argv.items[0]);
        break;
    case READY_TCP:
    case READY_HTTP:
        e = ask_target_parse(req->spec->address, req->address, &r->target, reterr);
        r->pause_us = ASK_FIRST_US;
        if (e == 0)
            try_after(r, 0);
        progress(r, "asking %.200s", req->address ? req->address : req->spec->address);
        break;
    }
    return e;
}

int
ready_start(struct ev_loop *loop, const struct ready_request *req, struct ready **ret,
            struct error *reterr)
{
    struct ready *r = calloc(1, sizeof *r);
    int e;

    if (!r)
        return error_set(reterr, -ENOMEM, "watch for readiness");
    r->loop = loop;
    r->req = *req;
    r->req.address = NULL; /* copied into the target */
    r->fd = -1;
    r->spawned_wall_us = wall_now_us() - (mono_now_us() - req->spawned_us);
    ev_io_init(&r->io, on_fd, -1, EV_READ);
    ev_timer_init(&r->timer, on_timer, 0., 0.);
    e = begin(r, req, reterr);
    if (e < 0) {
        ready_stop(r);
        return e;
    }
    *ret = r;
    return 0;
}

const char *
ready_progress(const struct ready *r)
{
    return r->progress;
}

void
ready_stop(struct ready *r)
{
    if (!r)
        return;
    stop_watching(r);
    ask_target_finish(&r->target);
    strv_finish(&r->argv);
    free(r->path);
    free(r);
}
