// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench/load_slot.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

static void
slot_free(struct load_slot *slot)
{
    slot->state = LOAD_SLOT_FREE;
    if (slot->keep)
        list_add(slot->home, &slot->link); /* takes its turn behind the others */
    else
        list_add(slot->home->next, &slot->link); /* first again: its memory is warm */
}

static void
slot_close(struct load_slot *slot)
{
    slot->fd = fd_close(slot->fd); /* leaves the epoll set by itself: nobody else holds it */
    slot->used = 0;
}

void
load_slot_fail(struct load_slot *slot, enum load_failure kind)
{
    load_stats_failure(slot->shared->stats, kind, slot->scheduled_us, mono_now_us());
    slot_close(slot);
    slot_free(slot);
}

/* The connection broke or ended under a request: which kind of failure is that? */
static enum load_failure
loss_kind(const struct load_slot *slot, int error)
{
    if (!slot->answer.any && slot->used > 1)
        return LOAD_LOST_ON_REUSED;
    if (error != 0)
        return LOAD_RESET;
    return slot->answer.any ? LOAD_SHORT : LOAD_EOF_FRESH;
}

static void
slot_connect_failed(struct load_slot *slot, int error)
{
    bool refused = error == ECONNREFUSED || error == ENOENT;

    if (error == ECONNRESET)
        load_slot_fail(slot, LOAD_RESET);
    else
        load_slot_fail(slot, refused ? LOAD_REFUSED : LOAD_CONNECT);
}

static void
slot_listen_for(struct load_slot *slot, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = slot};

    if (epoll_ctl(slot->shared->epoll, EPOLL_CTL_MOD, slot->fd, &ev) == -1)
        slot->shared->broken = -errno;
}

static void
slot_send(struct load_slot *slot)
{
    enum load_slot_state before = slot->state;
    ssize_t n;

    n = send(slot->fd, slot->request + slot->sent, slot->request_bytes - slot->sent, MSG_NOSIGNAL);
    if (n == -1 && errno != EAGAIN && errno != EINTR) {
        load_slot_fail(slot, loss_kind(slot, errno));
        return;
    }
    if (n > 0)
        slot->sent += (size_t)n;
    if (slot->sent == slot->request_bytes) {
        slot->state = LOAD_SLOT_WAITING;
        if (before != LOAD_SLOT_WAITING)
            slot_listen_for(slot, EPOLLIN);
        return;
    }
    slot->state = LOAD_SLOT_SENDING;
    if (before != LOAD_SLOT_SENDING)
        slot_listen_for(slot, EPOLLIN | EPOLLOUT);
}

static void
slot_connect(struct load_slot *slot)
{
    const struct load_shared *shared = slot->shared;
    struct epoll_event ev = {.events = EPOLLOUT, .data.ptr = slot};
    const int on = 1;

    slot->fd = socket(shared->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (slot->fd == -1) { /* EMFILE and the like are our own want, no failure of the server's */
        slot->shared->broken = -errno;
        slot_free(slot);
        return;
    }
    if (shared->address.ss_family != AF_UNIX)
        (void)setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* only a hint */
    slot->shared->stats->connects++;
    slot->used = 1;
    slot->state = LOAD_SLOT_CONNECTING;
    if (connect(slot->fd, (const struct sockaddr *)&shared->address, shared->address_bytes) == -1 &&
        errno != EINPROGRESS) {
        slot_connect_failed(slot, errno);
        return;
    }
    if (epoll_ctl(shared->epoll, EPOLL_CTL_ADD, slot->fd, &ev) == -1)
        slot->shared->broken = -errno;
}

/*
 * Has the server ended this idle connection already? Then the request must not go there: a failure
 * is to mean that close and request crossed, not that we did not look. Nor may it go, blind or not,
 * where bytes lie that nobody asked for: they would pass for its answer.
 */
static bool
slot_is_spoilt(const struct load_slot *slot)
{
    char byte;
    ssize_t n = recv(slot->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (n > 0 || slot->shared->blind)
        return n > 0;
    return n == 0 || (errno != EAGAIN && errno != EINTR);
}

void
load_slot_begin(struct load_slot *slot, int64_t scheduled_us)
{
    list_del(&slot->link);
    slot->scheduled_us = scheduled_us;
    slot->sent = 0;
    http_answer_init(&slot->answer, &slot->shared->expect);
    if (slot->fd != -1 && slot_is_spoilt(slot)) {
        slot->shared->stats->idle_closed++;
        slot_close(slot);
    }
    if (slot->fd == -1) {
        slot_connect(slot);
        return;
    }
    slot->used++;
    slot->state = LOAD_SLOT_WAITING;
    slot_send(slot);
}

static void
slot_answered(struct load_slot *slot)
{
    int r;

    if (!http_answer_right(&slot->answer)) {
        load_slot_fail(slot, LOAD_WRONG);
        return;
    }
    r = load_stats_answer(slot->shared->stats, slot->scheduled_us, mono_now_us(),
                          slot->answer.generation);
    if (r < 0)
        slot->shared->broken = r;
    if (slot->answer.close || !slot->keep)
        slot_close(slot);
    slot_free(slot);
}

static void
slot_receive(struct load_slot *slot)
{
    char data[16384];
    ssize_t n = recv(slot->fd, data, sizeof(data), 0);
    int64_t used;

    if (n == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        if (n == 0 && http_answer_eof(&slot->answer))
            slot_answered(slot);
        else
            load_slot_fail(slot, loss_kind(slot, n == 0 ? 0 : errno));
        return;
    }
    used = http_answer_feed(&slot->answer, data, (size_t)n);
    if (used < n) /* not HTTP, or more than one answer to one request */
        load_slot_fail(slot, LOAD_WRONG);
    else if (slot->answer.state == HTTP_COMPLETE)
        slot_answered(slot);
}

static void
slot_connected(struct load_slot *slot)
{
    int error = 0;
    socklen_t n = sizeof(error);

    if (getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &n) == -1)
        error = errno;
    if (error != 0)
        slot_connect_failed(slot, error);
    else
        slot_send(slot);
}

void
load_slot_event(struct load_slot *slot)
{
    switch (slot->state) {
    case LOAD_SLOT_FREE: /* ended, or bytes nobody asked for: of no further use either way */
        slot->shared->stats->idle_closed++;
        slot_close(slot);
        break;
    case LOAD_SLOT_CONNECTING:
        slot_connected(slot);
        break;
    case LOAD_SLOT_SENDING:
        slot_send(slot);
        break;
    case LOAD_SLOT_WAITING:
        slot_receive(slot);
        break;
    }
}
