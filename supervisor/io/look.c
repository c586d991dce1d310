/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/look.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/look_exe.h"
#include "supervisor/io/look_scan.h"

#define INLINE_ENTRIES 1000 /* more are read in a child, however small */

/* What a child sends back. */
struct findings {
    enum look_result result;
    bool too_much; /* measured only: more than should be read in the loop */
    struct digest digest, exe_digest;
    uint64_t bytes;
    int64_t youngest_us;
    char reason[480];
};

struct look {
    struct ev_loop *loop;
    void (*on_done)(void *env, struct look_answer *answer);
    void *env;
    struct look_answer answer;
    ev_timer timer;        /* no helper: the answer is ready, and told in the next turn */
    struct helper *helper; /* owned; NULL = none */
};

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

    if (rq->watch_binary || rq->know_binary)
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
    scan_age(&inputs, &a->exe_stat, rq->executable);
    f->youngest_us = inputs.youngest_us;
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
    struct look_scan s = {
        .bytes = rq->watch_binary || rq->know_binary ? (uint64_t)a->exe_stat.st_size : 0,
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
    l->answer.youngest_us = f->youngest_us;
    (void)snprintf(l->answer.reason, sizeof(l->answer.reason), "%s", f->reason);
}

static void
look_destroy(struct look *l)
{
    ev_timer_stop(l->loop, &l->timer);
    (void)fd_close(l->answer.exe_fd);
    free(l);
}

/* answer - hand it over, and that was it; what the callback did not take is closed. */
static void
answer(struct look *l)
{
    if (l->answer.result != LOOK_OK)
        l->answer.exe_fd = fd_close(l->answer.exe_fd);
    l->on_done(l->env, &l->answer);
    look_destroy(l);
}

static void
on_next_turn(EV_P_ ev_timer *timer, int revents)
{
    (void)loop; /* the look knows it */
    (void)revents;
    answer(container_of(timer, struct look, timer));
}

static void
on_helped(void *env, enum helper_end how, int out)
{
    struct look *l = env;
    struct findings f = {0};

    if (how == HELPER_LATE)
        broken(&f, "its inputs could not be read in time");
    else if (how == HELPER_DONE && pread(out, &f, sizeof(f), 0) == (ssize_t)sizeof(f))
        f.reason[sizeof(f.reason) - 1] = '\0';
    else
        broken(&f, "the process that read its inputs died");
    take(l, &f);
    answer(l);
}

struct task {
    const struct look_request *rq;
    const struct look_answer *answer;
};

static bool
help(const void *task, int keep, int out)
{
    const struct task *t = task;
    struct look_answer a = *t->answer;
    struct findings f = {0};

    a.exe_fd = keep;
    EDGE_HOLD("look");
    if (measure(t->rq, &a, 0, &f)) /* the loop may have stopped half-way */
        digest_inputs(t->rq, &a, &f);
    return write(out, &f, sizeof(f)) == (ssize_t)sizeof(f);
}

static int
help_start(struct look *l, const struct look_request *rq)
{
    const struct task task = {rq, &l->answer};
    const struct helper_job job = {
        .name = "stint-look",
        .work = help,
        .task = &task,
        .keep = l->answer.exe_fd,
        .deadline_us = rq->deadline_us,
        .on_end = on_helped,
        .env = l,
    };

    l->answer.helped = true;
    return helper_start(l->loop, &job, &l->helper);
}

/* look_now - all that can be said at once. Return: true when a child has to read the rest. */
static bool
look_now(struct look *l, const struct look_request *rq)
{
    struct findings f = {0};
    struct error err;
    bool more = false;

    l->answer.error = exe_open(rq->executable, &l->answer, &err);
    if (l->answer.error < 0) {
        broken(&f, err.text);
    } else if (measure(rq, &l->answer, INLINE_ENTRIES, &f)) {
        l->answer.error = exe_check(rq->executable, &l->answer, &err);
        if (l->answer.error < 0)
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
    l->answer.exe_fd = -1;
    ev_init(&l->timer, on_next_turn);
    if (look_now(l, rq)) {
        r = help_start(l, rq);
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
    helper_cancel(l->helper);
    look_destroy(l);
}
