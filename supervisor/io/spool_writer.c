/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/spool_internal.h"

#define WATCH_S        1.0
#define AGAIN_S        1.0 /* after a writer that died young */
#define REPLIES_A_TURN 64

static void
event(const struct spools *sp, const char *name, const char *service, const char *text)
{
    if (sp->hooks.event)
        sp->hooks.event(sp->hooks.env, name, service, text);
}

/* ---- the process ----------------------------------------------------------------------------- */

static bool
work(const void *task, int keep, int out)
{
    (void)task;
    (void)out;
    return logfile_write_all(keep);
}

static void
hang_up(struct writer_process *w)
{
    ev_io_stop(w->spools->loop, &w->readable);
    ev_io_stop(w->spools->loop, &w->writable);
    w->fd = fd_close(w->fd);
    if (w->spools->writer == w)
        w->spools->writer = NULL;
}

static void
start_later(struct spools *sp, double after_s)
{
    if (ev_is_active(&sp->again) || list_empty(&sp->all))
        return;
    ev_timer_set(&sp->again, after_s, 0.);
    ev_timer_start(sp->loop, &sp->again);
}

static void
on_writer_end(void *env, enum helper_end how, int out)
{
    struct writer_process *w = env;
    struct spools *sp = w->spools;
    bool current = sp->writer == w;

    (void)out;
    hang_up(w);
    list_del(&w->node);
    sp->n_writers--;
    free(w);
    if (!current)
        return;
    list_for_each (pos, &sp->all) /* what it was at it is not at any more */
        atomic_store(&container_of(pos, struct spool, node)->memory.shared->busy_us, 0);
    if (how != HELPER_DONE)
        event(sp, "log_writer_died", NULL,
              "the process that writes the log files ended; another one goes on");
    start_later(sp, mono_now_us() - sp->started_us < US_PER_S ? AGAIN_S : 0.);
}

void
spools_take_reply(struct spools *sp, const struct logfile_message *msg)
{
    struct table_node *n = table_find(&sp->by_id, msg->id);
    struct spool *s = n ? container_of(n, struct spool, by_id) : NULL;

    if (!s)
        return;
    if (msg->type == LOGFILE_GONE && s->retired)
        spool_gone(s);
    else if (msg->type == LOGFILE_SAYS && s->owner)
        sp->hooks.say(s->owner, (enum logfile_word)msg->word, msg->error, msg->text);
    else if (msg->type == LOGFILE_ROOM && s->owner)
        sp->hooks.room(s->owner);
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    struct writer_process *w = container_of(io, struct writer_process, readable);
    struct spools *sp = w->spools;

    (void)loop;
    (void)revents;
    for (int i = 0; i < REPLIES_A_TURN && sp->writer == w; i++) {
        struct logfile_message msg = {0};
        ssize_t n = recv(w->fd, &msg, sizeof(msg), MSG_DONTWAIT);

        if (n == -1 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < (ssize_t)LOGFILE_MESSAGE_SHORT) {
            ev_io_stop(sp->loop, io); /* on_writer_end() comes */
            return;
        }
        msg.text[sizeof(msg.text) - 1] = '\0';
        spools_take_reply(sp, &msg);
    }
}

static void
on_writable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    spools_send(container_of(io, struct writer_process, writable)->spools);
}

int
spools_start_writer(struct spools *sp)
{
    struct writer_process *w = calloc(1, sizeof(*w));
    struct helper_job job = {.name = "stint: logs",
                             .work = work,
                             .deadline_us = TIME_NEVER,
                             .on_end = on_writer_end,
                             .env = w};
    int ends[2], r;

    if (!w)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1) {
        r = -errno;
        free(w);
        return r;
    }
    auto_fd int theirs = ends[1];

    job.keep = theirs;
    w->fd = ends[0];
    r = helper_start(sp->loop, &job, &w->helper);
    if (r < 0) {
        w->fd = fd_close(w->fd);
        free(w);
        return r;
    }
    w->spools = sp;
    list_add(&sp->writers, &w->node);
    sp->n_writers++;
    ev_io_init(&w->readable, on_readable, w->fd, EV_READ);
    ev_io_init(&w->writable, on_writable, w->fd, EV_WRITE);
    ev_io_start(sp->loop, &w->readable);
    sp->writer = w;
    sp->started_us = mono_now_us();
    list_for_each (pos, &sp->all)
        spool_owe(container_of(pos, struct spool, node), SPOOL_OWES_ADD);
    return 0;
}

static void
on_again(EV_P_ ev_timer *t, int revents)
{
    struct spools *sp = container_of(t, struct spools, again);

    (void)loop;
    (void)revents;
    if (!sp->writer && !list_empty(&sp->all) && spools_start_writer(sp) < 0)
        start_later(sp, AGAIN_S);
    spools_send(sp);
}

/* ---- sending ----------------------------------------------------------------------------------- */

static int
send_one(const struct writer_process *w, const struct spool *s, enum logfile_message_type type)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct logfile_message msg = {.type = type, .id = s->id};
    bool long_one = type == LOGFILE_ADD || type == LOGFILE_CONFIG;
    struct iovec part = {&msg, long_one ? sizeof(msg) : LOGFILE_MESSAGE_SHORT};
    struct msghdr h = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    if (long_one)
        msg.config = *logfile_memory_config(&s->memory);
    if (type == LOGFILE_ADD) {
        h.msg_control = &control;
        h.msg_controllen = sizeof(control);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &s->memory.fd, sizeof(int));
    }
    do
        n = sendmsg(w->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n == -1 ? -errno : 0;
}

static int
send_owed(const struct writer_process *w, struct spool *s)
{
    static const struct {
        unsigned owes;
        enum logfile_message_type type;
    } order[] = {
        {SPOOL_OWES_ADD,    LOGFILE_ADD   },
        {SPOOL_OWES_CONFIG, LOGFILE_CONFIG},
        {SPOOL_OWES_REOPEN, LOGFILE_REOPEN},
        {SPOOL_OWES_REMOVE, LOGFILE_REMOVE},
        {SPOOL_OWES_KICK,   LOGFILE_KICK  },
    };

    if (s->retired && s->owes & SPOOL_OWES_ADD) /* a writer that is new has to hear that, too */
        s->owes |= SPOOL_OWES_REMOVE;
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        int r;

        if (!(s->owes & order[i].owes))
            continue;
        r = send_one(w, s, order[i].type);
        if (r < 0)
            return r;
        s->owes &= ~order[i].owes;
    }
    return 0;
}

void
spools_send(struct spools *sp)
{
    if (list_empty(&sp->owing))
        return;
    if (!sp->writer && !ev_is_active(&sp->again) && sp->n_writers < SPOOL_WRITERS_MAX &&
        spools_start_writer(sp) < 0)
        start_later(sp, AGAIN_S);
    if (!sp->writer)
        return;
    list_for_each_safe (pos, &sp->owing) {
        int r = send_owed(sp->writer, container_of(pos, struct spool, owing));

        if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM) {
            ev_io_start(sp->loop, &sp->writer->writable);
            return;
        }
        if (r < 0)
            return; /* it is dead: on_writer_end() comes */
        list_del(pos);
    }
    ev_io_stop(sp->loop, &sp->writer->writable);
}

/* ---- watching ------------------------------------------------------------------------------------ */

/*
 * It is at one write, or has lines and does nothing with them, which is neither an error nor another
 * writer's lock: that one is told of its own.
 */
static bool
hangs(struct spool *s, int64_t now_us)
{
    const struct logfile_shared *sh = s->memory.shared;
    int64_t busy_us = (int64_t)atomic_load(&sh->busy_us);
    uint64_t done = atomic_load(&sh->done);

    if (done != s->seen_done || logfile_memory_waiting(&s->memory) == 0 ||
        atomic_load(&sh->error)) {
        s->seen_done = done;
        s->seen_us = now_us;
    }
    return (busy_us > 0 && now_us - busy_us > SPOOL_HANG_US) || now_us - s->seen_us > SPOOL_HANG_US;
}

static void
look_at(struct spool *s, int64_t now_us, bool *ret_hangs)
{
    bool is = hangs(s, now_us);

    if (is && !s->hangs) {
        event(s->spools, "log_hangs", logfile_memory_config(&s->memory)->service,
              "its log file is not written: the disk hangs, or its server is away");
        *ret_hangs = true;
    }
    s->hangs = is;
}

static void
on_watch(EV_P_ ev_timer *t, int revents)
{
    struct spools *sp = container_of(t, struct spools, watch);
    int64_t now_us = mono_now_us();
    bool waits = false, stuck = false;

    (void)loop;
    (void)revents;
    list_for_each (pos, &sp->all) {
        struct spool *s = container_of(pos, struct spool, node);

        look_at(s, now_us, &stuck);
        waits = waits || s->owes || logfile_memory_waiting(&s->memory) > 0 || s->hangs;
    }
    if (stuck && sp->writer &&
        sp->n_writers < SPOOL_WRITERS_MAX) { /* it keeps the one that it is at */
        hang_up(sp->writer);
        if (spools_start_writer(sp) < 0)
            start_later(sp, AGAIN_S);
    }
    if (!waits)
        ev_timer_stop(sp->loop, t);
}

void
spools_watch(struct spools *sp)
{
    if (ev_is_active(&sp->watch))
        return;
    list_for_each (pos, &sp->all) /* what it has waited for until now is not known */
        container_of(pos, struct spool, node)->seen_us = mono_now_us();
    ev_timer_set(&sp->watch, WATCH_S, WATCH_S);
    ev_timer_start(sp->loop, &sp->watch);
}

/* ---- beginning and end --------------------------------------------------------------------------- */

void
spools_init_writer(struct spools *sp)
{
    ev_timer_init(&sp->again, on_again, AGAIN_S, 0.);
    ev_timer_init(&sp->watch, on_watch, WATCH_S, WATCH_S);
}

void
spools_end_writer(struct spools *sp)
{
    if (sp->writer)
        hang_up(sp->writer);
}

void
spools_finish_writers(struct spools *sp)
{
    ev_timer_stop(sp->loop, &sp->again);
    ev_timer_stop(sp->loop, &sp->watch);
    list_for_each_safe (pos, &sp->writers) {
        struct writer_process *w = container_of(pos, struct writer_process, node);

        hang_up(w);
        helper_cancel(w->helper);
        list_del(&w->node);
        free(w);
    }
}
