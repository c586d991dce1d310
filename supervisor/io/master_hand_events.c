/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/channel.h"
#include "supervisor/io/edge.h"
#include "supervisor/io/forget.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_logs.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/notify.h"
#include "supervisor/io/ready.h"
#include "supervisor/io/spawn.h"

/* What a worker says, by whatever way: decoded elsewhere, handed over here. */

static void
hand_says(struct hand *h, enum event_type type)
{
    struct event ev = {.type = type, .worker = h->worker};

    master_post(h->master, &ev);
}

static enum ready_mode
hand_ready_mode(const struct hand *h)
{
    const struct worker *w = core_worker(h->master->core, h->worker);

    return w ? w->generation->spec->ready.mode : READY_NOTIFY;
}

static void
hand_extends(struct hand *h, uint64_t usec)
{
    struct event ev = {.type = EVENT_EXTEND, .worker = h->worker, .extend.usec = usec};

    master_post(h->master, &ev);
}

/* It was ready before: what it says now is the end of a reload. */
static bool
hand_serves(const struct hand *h)
{
    const struct worker *w = core_worker(h->master->core, h->worker);

    return w && w->state == WORKER_READY;
}

static void
hand_reloads(struct hand *h, const struct notify_message *msg)
{
    struct event ev = {.type = EVENT_RELOADING, .worker = h->worker};

    if (msg->has_monotonic && msg->monotonic_us <= INT64_MAX)
        ev.reloading.at_us = (int64_t)msg->monotonic_us;
    master_post(h->master, &ev);
}

/* ---- the notify socket ------------------------------------------------------------------------ */

static void
hand_on_notify(void *env, const struct notify_message *msg, const struct notify_sender *from)
{
    struct hand *h = env;

    (void)from; /* the sender rule was applied before */
    if (msg->has_status) {
        struct event ev = {.type = EVENT_STATUS, .worker = h->worker, .status.text = msg->status};

        master_post(h->master, &ev);
    }
    if (msg->has_extend)
        hand_extends(h, msg->extend_us);
    if (msg->reloading && hand_ready_mode(h) == READY_NOTIFY)
        hand_reloads(h, msg);
    if (!msg->ready || hand_ready_mode(h) != READY_NOTIFY)
        return;
    if (h->spec && h->spec->gated && !hand_serves(h))
        hand_on_not_ready(h, "READY=1 came by $NOTIFY_SOCKET: a gated service says it with "
                             "stint_ready(), by the channel on which its sockets come");
    else
        hand_says(h, EVENT_READY); /* with RELOADING=1 in one message: it is done already */
}

#define REFUSAL_LINES   10
#define REFUSAL_SPAN_US (10 * US_PER_S)

/* Strangers may send as much as they like, and shall not fill the log with it. All are counted. */
static bool
hand_tells_refusal(struct hand *h)
{
    int64_t now_us = mono_now_us();

    if (h->refusals == 0 || now_us - h->refusals_us > REFUSAL_SPAN_US) {
        h->refusals = 0;
        h->refusals_us = now_us;
    }
    return h->refusals++ < REFUSAL_LINES;
}

static void
hand_on_refused(void *env, const struct notify_sender *from, const char *why)
{
    struct hand *h = env;
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service),
        FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),
        FIELD_NUMBER("sender", from->pid),
        FIELD_TEXT("msg", why),
    };

    h->master->count.refused_notify++;
    if (!hand_tells_refusal(h))
        return;
    journal_event(h->master->journal, LOG_LEVEL_WARNING, "notify_refused", fields,
                  ARRAY_LEN(fields));
}

const struct notify_hooks hand_notify_hooks = {hand_on_notify, hand_on_refused, NULL};

/* ---- the channel --------------------------------------------------------------------------------- */

static void
hand_on_channel_ready(void *env)
{
    struct hand *h = env;

    if (hand_ready_mode(h) == READY_NOTIFY)
        hand_says(h, EVENT_READY);
}

static void
hand_on_channel_extend(void *env, uint64_t usec)
{
    hand_extends(env, usec);
}

/* A grace that has just ended is over a moment later for whoever looks by another clock. */
#define LOOK_AFTER_US INT64_C(10000)

static void
hand_on_channel_look(void *env, const struct stint_look *look)
{
    struct hand *h = env;
    struct event ev = {.type = EVENT_INSPECT, .worker = h->worker};

    ev.inspect.at_us = look->at_us < TIME_NEVER / 2 ? look->at_us + LOOK_AFTER_US : TIME_NEVER / 2;
    master_post(h->master, &ev);
}

static void
hand_on_channel_bad(void *env, const char *reason)
{
    struct hand *h = env;
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service), FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),     FIELD_NUMBER("pid", h->pid),
        FIELD_TEXT("msg", reason),
    };

    h->master->count.bad_channels++;
    journal_event(h->master->journal, LOG_LEVEL_WARNING, "channel_closed", fields,
                  ARRAY_LEN(fields));
}

/* A master after us has to know that it came. */
static void
hand_on_channel_hello(void *env, const struct stint_hello *hello)
{
    struct hand *h = env;

    (void)hello;
    save_hand(h->master, h);
    save_commit(h->master);
}

static void
hand_on_channel_room(void *env)
{
    hand_give_listeners(env);
}

#define GATED_SINCE_MINOR 1

const struct channel_events *
hand_channel_events(const struct hand *h)
{
    static const struct channel_events usual = {
        .on_hello = hand_on_channel_hello,
        .on_ready = hand_on_channel_ready,
        .on_extend = hand_on_channel_extend,
        .on_look = hand_on_channel_look,
        .on_bad = hand_on_channel_bad,
    };
    static const struct channel_events gated = {
        .least_minor = GATED_SINCE_MINOR,
        .on_hello = hand_on_channel_hello,
        .on_ready = hand_on_channel_ready,
        .on_extend = hand_on_channel_extend,
        .on_look = hand_on_channel_look,
        .on_bad = hand_on_channel_bad,
        .on_room = hand_on_channel_room,
    };

    return h->spec && h->spec->gated ? &gated : &usual;
}

/* ---- probes, output, exec, death ------------------------------------------------------------------- */

void
hand_on_ready(void *env)
{
    hand_says(env, EVENT_READY);
}

/* It is ready, by whatever it was seen: nobody has to ask, and there may be thousands. */
void
hand_asked(struct master *m, uint64_t worker)
{
    struct hand *h = hand_find(m, worker);

    if (h)
        ready_stop(steal(h->ready));
}

void
hand_on_not_ready(void *env, const char *why)
{
    struct hand *h = env;
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service),
        FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),
        FIELD_NUMBER("pid", h->pid),
        FIELD_TEXT("msg", why),
    };

    journal_event(h->master->journal, LOG_LEVEL_WARNING, "not_ready", fields, ARRAY_LEN(fields));
}

static struct journal_origin
origin_of(const struct hand *h, enum capture_stream stream)
{
    return (struct journal_origin){
        .service = h->service,
        .generation = h->generation,
        .slot = h->slot,
        .pid = h->pid,
        .stream = stream == CAPTURE_STDOUT ? "stdout" : "stderr",
        .trace = h->trace,
    };
}

void
hand_on_line(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned flags)
{
    struct hand *h = env;
    const struct journal_origin from = origin_of(h, stream);
    const struct printed line = {&from, h->worker, stream, bytes, n, flags, h->registry_fd};

    if (h->log)
        log_line(h->log, &line);
}

static size_t
hand_on_lines(void *env, enum capture_stream stream, const char *bytes, size_t n, unsigned *lines)
{
    struct hand *h = env;
    const struct journal_origin from = origin_of(h, stream);
    const struct printed block = {&from, h->worker, stream, bytes, n, 0, h->registry_fd};

    return h->log ? log_lines(h->log, &block, lines) : 0;
}

/* It is about to be taken out of the pipe, so it has to be written down first. */
static void
hand_on_rest(void *env, enum capture_stream stream, const struct capture_rest *rest)
{
    struct hand *h = env;

    save_rest(h->master, h->worker, stream, rest->bytes, rest->n, rest->continued);
    save_piece(h->master, h->worker, stream, rest->piece, rest->piece_n);
    save_commit(h->master);
    EDGE("rest-written");
}

static void
hand_on_taken(void *env, enum capture_stream stream)
{
    struct hand *h = env;

    EDGE("rest-taken");
    save_piece(h->master, h->worker, stream, NULL, 0);
    save_commit(h->master);
}

static void
hand_on_telling(void *env, enum capture_stream stream, bool begins)
{
    const struct hand *h = env;

    journal_tells(h->master->journal, begins ? hand_stream_key(h, stream) : 0);
}

const struct capture_keeper hand_capture_keeper = {hand_log_has_room, hand_on_telling, hand_on_rest,
                                                   hand_on_taken, hand_on_lines};

/* The exec pipe is closed by a successful exec; a failure is kept for the obituary. */
void
hand_on_exec(EV_P_ ev_io *io, int revents)
{
    struct hand *h = container_of(io, struct hand, execs);

    (void)revents;
    if (spawn_exec_result(h->exec_fd, &h->exec_failure) == -EAGAIN)
        return;
    forget_io(EV_A_ io);
    h->exec_fd = fd_close(h->exec_fd);
}

void
hand_on_dead(EV_P_ ev_io *io, int revents)
{
    struct hand *h = container_of(io, struct hand, dies);

    (void)revents;
    ev_io_stop(EV_A_ io);
    h->dead = true;
    h->master->deaths = true;
}
