/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/journal_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"

#define RETRY_S    1.0
#define NOTE_BYTES 512 /* room for the record that says how many were dropped */

/*
 * O_NONBLOCK belongs to the open file description, which stderr shares with the shell that started
 * us. So pipes and terminals are opened once more for ourselves; a socket needs no flag at all.
 */
static int
sink_open(struct journal_sink *s, int fd)
{
    char path[64];
    struct stat st;
    int flags;

    if (fstat(fd, &st) == -1)
        return -errno;
    s->fd = fd;
    s->socket = S_ISSOCK(st.st_mode);
    if (s->socket || S_ISREG(st.st_mode))
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    s->owned_fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (s->owned_fd >= 0) {
        s->fd = s->owned_fd;
        return 0;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags == -1)
        return -errno;
    s->restore = !(flags & O_NONBLOCK);
    return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ? -errno : 0;
}

/* Whom the next write waits for; -1: nobody. */
static int
next_fd(const struct journal_sink *s)
{
    struct queue_item item;

    if (s->staged.bytes == 0 && journal_queue_item(&s->queue, s->queue.begin, &item) &&
        item.kind == QUEUE_NATIVE && s->native.fd >= 0)
        return s->native.fd;
    return s->broken ? -1 : s->fd;
}

static void
wait_writable(struct journal_sink *s)
{
    int fd = next_fd(s);

    /* The number of the socket may be the same and the socket another one. */
    if (fd == s->writable.fd && fd != s->native.fd && ev_is_active(&s->writable))
        return;
    ev_io_stop(s->loop, &s->writable);
    if (fd < 0)
        return;
    ev_io_set(&s->writable, fd, EV_WRITE);
    ev_io_start(s->loop, &s->writable);
}

static void
wait_a_while(struct journal_sink *s)
{
    ev_io_stop(s->loop, &s->writable);
    if (ev_is_active(&s->retry))
        return;
    ev_timer_set(&s->retry, RETRY_S, 0.);
    ev_timer_start(s->loop, &s->retry);
}

static void
append(struct journal_sink *s, enum queue_kind kind, const struct text *record, uint64_t owner)
{
    journal_queue_put(&s->queue, kind, journal_queue_owner(owner), record->data, record->bytes);
    s->written_lines++;
}

static void
append_dropped(struct journal_sink *s)
{
    auto_text struct text t = TEXT_INIT;
    enum queue_kind kind = s->note(s->env, SINK_DROPPED, s->queue.lost - s->queue.told, &t);

    /* No memory for a line about lines: the counter in `stint status` still says it. */
    if (!t.failed && t.bytes > 0 && journal_queue_fits(&s->queue, t.bytes))
        append(s, kind, &t, SINK_EVENT);
    journal_queue_told(&s->queue);
}

static void
say_room(struct journal_sink *s)
{
    if (!s->thirsty || (!s->broken && s->queue.put - s->queue.begin > s->queue.room / 4))
        return;
    s->thirsty = false;
    if (s->on_room)
        s->on_room(s->room_env);
}

static void
sink_turn(struct journal_sink *s)
{
    int why = journal_sink_write(s);

    if (why == 0 && s->queue.lost > s->queue.told) {
        append_dropped(s);
        why = journal_sink_write(s);
    }
    if (why == 0)
        ev_io_stop(s->loop, &s->writable);
    else if (why == EAGAIN)
        wait_writable(s);
    else
        wait_a_while(s);
    say_room(s);
}

static void
on_writable(EV_P_ ev_io *io, int revents)
{
    (void)loop;
    (void)revents;
    sink_turn(io->data);
}

static void
on_retry(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    sink_turn(timer->data);
}

int
journal_sink_init(struct journal_sink *s, struct ev_loop *loop, int fd, const char *socket,
                  uint64_t doubt)
{
    int r = 0;

    *s = (struct journal_sink){
        .loop = loop, .fd = -1, .owned_fd = -1, .queue = s->queue, .doubt = doubt};
    journal_native_init(&s->native, socket);
    ev_timer_init(&s->retry, on_retry, RETRY_S, 0.);
    ev_io_init(&s->writable, on_writable, -1, EV_WRITE);
    s->retry.data = s->writable.data = s;
    s->broken = fd < 0;
    if (fd >= 0)
        r = sink_open(s, fd);
    if (r < 0) {
        journal_sink_finish(s);
        return r;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a log nobody reads is no reason to die; cannot fail */
    return 0;
}

/* The first of a batch that may have been written: say so before it comes again. */
static void
stage_doubt(struct journal_sink *s)
{
    uint64_t at = s->queue.begin, bytes = 0;
    struct queue_item item;

    while (at < s->doubt && journal_queue_item(&s->queue, at, &item) && item.kind == QUEUE_TEXT) {
        bytes += item.bytes;
        at = item.end;
    }
    if (bytes == 0) /* a datagram: says so itself */
        return;
    text_add(&s->staged, "\n"); /* the line before may be half a one */
    (void)s->note(s->env, SINK_REPEATED, bytes, &s->staged);
    if (s->staged.failed)
        text_finish(&s->staged);
}

void
journal_sink_start(struct journal_sink *s)
{
    s->started = true;
    if (s->broken)
        journal_queue_clear(&s->queue);
    else if (s->doubt > 0)
        stage_doubt(s);
    sink_turn(s);
}

void
journal_sink_finish(struct journal_sink *s)
{
    if (s->started && journal_sink_has_work(s))
        (void)journal_sink_write(s);
    ev_io_stop(s->loop, &s->writable);
    ev_timer_stop(s->loop, &s->retry);
    if (s->restore) {
        int flags = fcntl(s->fd, F_GETFL);

        if (flags != -1)
            (void)fcntl(s->fd, F_SETFL, flags & ~O_NONBLOCK); /* best effort on the way out */
    }
    s->owned_fd = fd_close(s->owned_fd);
    s->fd = -1;
    journal_native_finish(&s->native);
    text_finish(&s->staged);
}

/*
 * A worker that floods its output must not push out what happened to it. And once lines were dropped,
 * further output waits for another quarter of the room: one gap is better than a torn text.
 */
static bool
has_room(const struct journal_sink *s, size_t bytes, bool event)
{
    bool gap = s->queue.lost > s->queue.told;
    size_t note = gap ? NOTE_BYTES : 0;
    size_t spare = event ? note : gap ? s->queue.room / 2 : s->queue.room / 4;

    return journal_queue_fits(&s->queue, bytes + spare);
}

bool
journal_sink_fits(const struct journal_sink *s, size_t bytes, uint64_t owner)
{
    const size_t room = s->queue.room, used = (size_t)(s->queue.put - s->queue.begin);
    bool heavy = s->queue.share[journal_queue_owner(owner)] > room / 8;

    return s->broken || (has_room(s, bytes, false) && (!heavy || used + bytes <= room / 2));
}

void
journal_sink_want_room(struct journal_sink *s)
{
    s->thirsty = true;
    say_room(s);
}

void
journal_sink_put(struct journal_sink *s, enum queue_kind kind, const struct text *record,
                 uint64_t owner)
{
    const bool event = owner == SINK_EVENT;

    if (s->broken && kind == QUEUE_TEXT)
        return;
    if (!has_room(s, record->bytes, event)) {
        s->dropped_lines++;
        journal_queue_lose(&s->queue);
        return;
    }
    if (s->queue.lost > s->queue.told)
        append_dropped(s);
    append(s, kind, record, owner);
    if (ev_is_active(&s->writable) || ev_is_active(&s->retry))
        return; /* the reader is slow: its turn comes with the loop */
    if (event)
        sink_turn(s);
    else
        wait_writable(s);
}

void
journal_sink_flush(struct journal_sink *s, int64_t budget_us)
{
    int64_t end_us = mono_now_us() + budget_us;

    while (journal_sink_has_work(s)) {
        int64_t left_us = end_us - mono_now_us();
        struct pollfd p = {.events = POLLOUT};

        if (journal_sink_write(s) == 0 || left_us <= 0)
            return;
        p.fd = next_fd(s);
        if (poll(&p, 1, (int)(left_us / US_PER_MS) + 1) == -1 && errno != EINTR)
            return;
    }
}
