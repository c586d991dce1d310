/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logfile_writer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/table.h"
#include "base/units.h"

#define REMOVED_PATIENCE_US \
    (10 * US_PER_S) /* for a file that is not wanted any more and does not work */

struct writer {
    int fd; /* borrowed: the socket */
    struct list files, active;
    struct table by_id;
    int64_t next_us; /* CLOCK_MONOTONIC: somebody who is not active has something to do */
    bool finish, over;
};

struct item {
    struct list node;   /* in writer.files */
    struct list active; /* in writer.active, or alone */
    struct table_node by_id;
    struct writer *writer;
    uint64_t id;
    struct logfile file;
    struct logfile_memory memory; /* owned */
    int64_t removed_us;           /* CLOCK_MONOTONIC; 0: it is wanted */
};

static struct item *
item_find(const struct writer *w, uint64_t id)
{
    struct table_node *n = table_find(&w->by_id, id);

    return n ? container_of(n, struct item, by_id) : NULL;
}

static void
item_activate(struct item *it)
{
    list_del(&it->active);
    list_add(&it->writer->active, &it->active);
}

/* ---- to the master ------------------------------------------------------------------------- */

/* Best effort: what it says is in the memory, too, or asked for again by a timer. */
static bool
tell(const struct writer *w, const struct logfile_message *msg, size_t bytes)
{
    ssize_t n;

    do
        n = send(w->fd, msg, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n == -1 && errno == EINTR);
    return n == (ssize_t)bytes;
}

static void
on_say(void *env, enum logfile_word word, int error, const char *text)
{
    struct item *it = env;
    struct logfile_message msg = {.type = LOGFILE_SAYS, .word = word, .error = error, .id = it->id};
    size_t n = strlen(text);

    if (n >= sizeof(msg.text))
        n = sizeof(msg.text) - 1;
    memcpy(msg.text, text, n);
    (void)tell(it->writer, &msg, LOGFILE_MESSAGE_SHORT + n + 1);
}

static void
item_destroy(struct item *it)
{
    list_del(&it->node);
    list_del(&it->active);
    table_remove(&it->writer->by_id, &it->by_id);
    logfile_finish(&it->file);
    logfile_memory_close(&it->memory);
    free(it);
}

static void
item_gone(struct item *it)
{
    const struct logfile_message msg = {.type = LOGFILE_GONE, .id = it->id};

    (void)tell(it->writer, &msg, LOGFILE_MESSAGE_SHORT);
    item_destroy(it);
}

/* ---- from the master ----------------------------------------------------------------------- */

static void
add(struct writer *w, const struct logfile_message *msg, int fd)
{
    struct item *it = calloc(1, sizeof(*it));
    struct error why = {0};

    if (!it || logfile_memory_adopt(&it->memory, fd, &why) < 0) {
        (void)fd_close(fd);
        free(it);
        return;
    }
    it->writer = w;
    it->id = msg->id;
    list_init(&it->active);
    list_add(&w->files, &it->node);
    table_add(&w->by_id, &it->by_id, it->id);
    logfile_init(&it->file, &it->memory);
    it->file.config = msg->config;
    it->file.say = on_say;
    it->file.env = it;
    logfile_reopen(&it->file); /* what is wrong with it is better known before the first line */
    item_activate(it);
}

static void
take_message(struct writer *w, const struct logfile_message *msg, int fd)
{
    struct item *it = item_find(w, msg->id);

    if (msg->type == LOGFILE_ADD && fd >= 0) {
        if (it)
            item_destroy(it);
        add(w, msg, fd);
        return;
    }
    (void)fd_close(fd);
    if (msg->type == LOGFILE_FINISH)
        w->finish = true;
    if (!it)
        return;
    if (msg->type == LOGFILE_CONFIG) {
        logfile_configure(&it->file, &msg->config);
        logfile_reopen(&it->file);
    } else if (msg->type == LOGFILE_REOPEN) {
        logfile_reopen(&it->file);
    } else if (msg->type == LOGFILE_REMOVE) {
        it->removed_us = mono_now_us();
    }
    item_activate(it);
}

/* Return: there may be more. */
static bool
receive(struct writer *w)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct logfile_message msg = {0};
    struct iovec part = {&msg, sizeof(msg)};
    struct msghdr h = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof(control)};
    const struct cmsghdr *c;
    int fd = -1;
    ssize_t n = recvmsg(w->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n == -1 && errno == EINTR)
        return true;
    if (n == -1 && errno == EAGAIN)
        return false;
    c = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    if (n < (ssize_t)LOGFILE_MESSAGE_SHORT) { /* the master is gone, or has another writer */
        (void)fd_close(fd);
        w->over = true;
        return false;
    }
    take_message(w, &msg, fd);
    return true;
}

/* ---- turns --------------------------------------------------------------------------------- */

/* The master waits for room: tell it when half is free. */
static void
feed_hungry(const struct item *it)
{
    const struct logfile_message msg = {.type = LOGFILE_ROOM, .id = it->id};
    struct logfile_shared *sh = it->memory.shared;
    uint64_t hunger = atomic_load(&sh->hungry);

    if (hunger && logfile_memory_waiting(&it->memory) <= it->memory.room / 2 &&
        tell(it->writer, &msg, LOGFILE_MESSAGE_SHORT)) /* and by now it may be hungry again */
        (void)atomic_compare_exchange_strong(&sh->hungry, &hunger, 0);
}

/* Nothing waits. Whoever puts something after this looks at `idle`, or we see it. */
static void
item_rest(struct item *it)
{
    struct logfile_shared *sh = it->memory.shared;

    atomic_store(&sh->idle, 1);
    if (logfile_memory_waiting(&it->memory) > 0) {
        atomic_store(&sh->idle, 0);
        item_activate(it);
    } else if (it->removed_us > 0) {
        item_gone(it);
    }
}

static void
item_turn(struct item *it)
{
    enum logfile_step step = logfile_step(&it->file);

    list_del(&it->active);
    feed_hungry(it);
    if (step == LOGFILE_EMPTY)
        item_rest(it);
    else if (step == LOGFILE_MORE)
        list_add(&it->writer->active, &it->active);
    else if (it->removed_us > 0 && mono_now_us() - it->removed_us > REMOVED_PATIENCE_US)
        item_gone(it);
    else if (it->file.retry_us < it->writer->next_us)
        it->writer->next_us = it->file.retry_us;
}

/* Wake up whose time has come, and note when the next one's does. */
static void
wake(struct writer *w)
{
    int64_t next_us = TIME_NEVER, now_us = mono_now_us();

    if (!list_empty(&w->active) && now_us < w->next_us)
        return;
    list_for_each_safe (pos, &w->files) {
        struct item *it = container_of(pos, struct item, node);
        int64_t due_us = TIME_NEVER;

        if (!list_empty(&it->active))
            continue;
        if (logfile_memory_waiting(&it->memory) > 0) {
            due_us = it->file.retry_us;
            if (due_us <= now_us)
                item_activate(it);
        } else {
            if (logfile_due_us(&it->file) <= now_us)
                logfile_age(&it->file);
            due_us = logfile_due_us(&it->file);
        }
        if (due_us < next_us)
            next_us = due_us;
    }
    w->next_us = next_us;
}

static void
sleep_until(const struct writer *w, int64_t at_us)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int64_t left_ms = at_us == TIME_NEVER ? -1 : (at_us - mono_now_us()) / US_PER_MS + 1;

    if (at_us != TIME_NEVER && left_ms < 0)
        left_ms = 0;
    if (left_ms > 3600000)
        left_ms = 3600000;
    (void)poll(&p, 1, (int)left_ms); /* whatever woke us is looked at */
}

/* FINISH: all that can be written is. */
static bool
is_done(const struct writer *w)
{
    list_for_each (pos, &w->files)
        if (logfile_memory_waiting(&container_of(pos, struct item, node)->memory) > 0)
            return false;
    return true;
}

bool
logfile_write_all(int fd)
{
    struct writer w = {.fd = fd};
    bool done;

    list_init(&w.files);
    list_init(&w.active);
    (void)umask(0);
    (void)signal(SIGXFSZ, SIG_IGN);
    /* Meant for the supervisor, which tells us when it is time. */
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    while (!w.over && !(w.finish && is_done(&w))) {
        wake(&w);
        if (list_empty(&w.active))
            sleep_until(&w, w.next_us);
        while (receive(&w))
            ;
        if (!w.over && !list_empty(&w.active))
            item_turn(container_of(w.active.next, struct item, active));
    }
    done = is_done(&w);
    list_for_each_safe (pos, &w.files)
        item_destroy(container_of(pos, struct item, node));
    table_finish(&w.by_id);
    return done;
}
