/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/profiling.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/helper.h"

#define TICKS_AT_ONCE 64

struct profiling {
    struct ev_loop *loop;  /* borrowed */
    struct helper *helper; /* owned */
    void (*on_progress)(void *env, unsigned percent);
    void (*on_done)(void *env, const struct profiling_answer *answer);
    void *env;
    ev_io ticking;
    int ticks; /* owned; read end */
    unsigned told;
    size_t n;
    uint8_t percent[PROFILING_WORKERS_MAX];
};

static void
profiling_destroy(struct profiling *p)
{
    forget_io(p->loop, &p->ticking);
    p->ticks = fd_close(p->ticks);
    free(p);
}

static void
on_ticks(EV_P_ ev_io *io, int revents)
{
    struct profiling *p = container_of(io, struct profiling, ticking);
    struct profiling_tick ticks[TICKS_AT_ONCE];
    ssize_t n = read(p->ticks, ticks, sizeof(ticks));
    unsigned sum = 0;

    (void)loop;
    (void)revents;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) { /* all have ended */
        ev_io_stop(p->loop, &p->ticking);
        return;
    }
    for (ssize_t i = 0; i < n / (ssize_t)sizeof(*ticks); i++)
        if (ticks[i].target < p->n && ticks[i].percent <= 100)
            p->percent[ticks[i].target] = (uint8_t)ticks[i].percent;
    for (size_t i = 0; i < p->n; i++)
        sum += p->percent[i];
    sum /= p->n > 0 ? (unsigned)p->n : 1;
    if (sum <= p->told || !p->on_progress)
        return;
    p->told = sum;
    p->on_progress(p->env, sum);
}

/* The helper has read what somebody's process says: what it tells is looked at like that. */
static bool
read_told(int out, struct profiling_told *told)
{
    struct stat st;

    return fstat(out, &st) == 0 && pread(out, told, sizeof(*told), 0) == sizeof(*told) &&
           told->magic == PROFILING_MAGIC && told->bytes <= PROFILING_BYTES_MAX &&
           st.st_size == (off_t)(sizeof(*told) + told->bytes) &&
           memchr(told->words, '\0', sizeof(told->words)) != NULL;
}

static void
on_end(void *env, enum helper_end how, int out)
{
    struct profiling *p = env;
    void (*on_done)(void *, const struct profiling_answer *) = p->on_done;
    void *whose = p->env;
    struct profiling_told told;
    struct profiling_answer a = {.fd = -1};

    profiling_destroy(p);
    if (how == HELPER_LATE) {
        a.words = "it took too long";
    } else if (how == HELPER_DIED || !read_told(out, &told)) {
        a.words = "the process that looked died";
    } else {
        a.ok = told.error == 0;
        a.words = told.words;
        a.fd = out;
        a.at = sizeof(told);
        a.bytes = told.bytes;
    }
    on_done(whose, &a);
}

static bool
work(const void *env, int keep, int out)
{
    return profiling_work(env, keep, out);
}

static int
start(struct profiling *p, const struct profiling_request *rq, int ticks)
{
    int keeps[2 * PROFILING_WORKERS_MAX];
    struct helper_job job = {.name = "stint-profile",
                             .pace = HELPER_AFTER_OTHERS,
                             .expendable = true,
                             .work = work,
                             .task = rq,
                             .keep = ticks,
                             .keeps = keeps,
                             .deadline_us =
                                 mono_now_us() + (rq->seconds + PROFILING_SLACK_S) * US_PER_S,
                             .on_end = on_end,
                             .env = p};

    for (size_t i = 0; i < rq->n; i++) {
        keeps[job.n_keeps++] = rq->targets[i].registry_fd;
        keeps[job.n_keeps++] = rq->targets[i].channel_fd;
    }
    return helper_start(p->loop, &job, &p->helper);
}

int
profiling_start(struct ev_loop *loop, const struct profiling_request *rq, struct profiling **ret)
{
    auto_fd int ours = -1, theirs = -1;
    struct profiling *p;
    int ends[2], r;

    if ((rq->n == 0 && !rq->kept.state_dir) || rq->n > PROFILING_WORKERS_MAX)
        return -EINVAL;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) == -1)
        return -errno;
    ours = ends[0];
    theirs = ends[1];
    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct profiling){.loop = loop,
                            .on_progress = rq->on_progress,
                            .on_done = rq->on_done,
                            .env = rq->env,
                            .ticks = steal_fd(ours),
                            .n = rq->n};
    ev_io_init(&p->ticking, on_ticks, p->ticks, EV_READ);
    r = start(p, rq, theirs);
    if (r < 0) {
        profiling_destroy(p);
        return r;
    }
    ev_io_start(loop, &p->ticking);
    *ret = p;
    return 0;
}

void
profiling_cancel(struct profiling *p)
{
    if (!p)
        return;
    helper_cancel(p->helper);
    profiling_destroy(p);
}
