/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/fdstore.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/fdstore_internal.h"

#define TAKEOVER_US (10 * US_PER_S)
#define BURST       64 /* messages a turn */

char *
fdstore_name(char buf[KEEPER_NAME_MAX], const char *kind, uint64_t id)
{
    (void)snprintf(buf, KEEPER_NAME_MAX, "%s.%" PRIu64, kind, id);
    return buf;
}

struct kept *
fdstore_kept_find(const struct fdstore *fs, const char *name)
{
    for (struct table_node *n = table_find(&fs->by_name, table_key(name)); n; n = table_next(n))
        if (strcmp(container_of(n, struct kept, by_name)->name, name) == 0)
            return container_of(n, struct kept, by_name);
    return NULL;
}

struct kept *
fdstore_kept_make(struct fdstore *fs, const char *name)
{
    struct kept *k = fdstore_kept_find(fs, name);

    if (k)
        return k;
    k = calloc(1, sizeof(*k));
    if (!k)
        return NULL;
    list_init(&k->node);
    list_add(&fs->all, &k->all);
    k->fd = -1;
    (void)snprintf(k->name, sizeof(k->name), "%s", name);
    table_add(&fs->by_name, &k->by_name, table_key(name));
    fs->n_kept++;
    return k;
}

void
fdstore_kept_free(struct fdstore *fs, struct kept *k)
{
    table_remove(&fs->by_name, &k->by_name);
    list_del(&k->all);
    list_del(&k->node);
    fs->n_kept--;
    fs->n_refused -= k->refused;
    fd_close(k->fd);
    free(k);
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    struct fdstore *fs = container_of(io, struct fdstore, readable);

    (void)loop;
    (void)revents;
    for (int i = 0; i < BURST && fs->fd != -1; i++) {
        int r = fdstore_hear(fs);

        if (r < 0)
            fdstore_gone(fs);
        if (r <= 0)
            return;
    }
}

static void
on_writable(EV_P_ ev_io *io, int revents)
{
    struct fdstore *fs = container_of(io, struct fdstore, writable);

    (void)revents;
    if (fdstore_send(fs) == 0)
        ev_io_stop(loop, io);
}

static void
on_tell(EV_P_ ev_timer *t, int revents)
{
    struct fdstore *fs = container_of(t, struct fdstore, tell);

    (void)loop;
    (void)revents;
    list_for_each_safe (n, &fs->early) {
        struct early *e = container_of(n, struct early, node);

        list_del(n);
        fs->hooks.on_obituary(fs->hooks.env, &e->obituary);
        free(e);
    }
    if (fs->lost) {
        fs->lost = false;
        fs->hooks.on_lost(fs->hooks.env);
    }
}

void
fdstore_tell_soon(struct fdstore *fs)
{
    ev_timer_stop(fs->loop, &fs->tell);
    ev_timer_set(&fs->tell, 0., 0.);
    ev_timer_start(fs->loop, &fs->tell);
}

/* ---- beginning and end ------------------------------------------------------------------------------ */

static int
takeover(struct fdstore *fs, struct error *reterr)
{
    const struct keeper_hello hello = {KEEPER_MAJOR, (uint32_t)getpid()};
    int64_t end_us = mono_now_us() + TAKEOVER_US;
    int r = fdstore_say(fs, KEEPER_HELLO, &hello, sizeof(hello), -1);

    while (r >= 0 && !fs->ended) {
        struct pollfd p = {.fd = fs->fd, .events = POLLIN};
        int64_t left_us = end_us - mono_now_us();

        r = fdstore_hear(fs);
        if (r == 0 && left_us <= 0)
            r = -ETIMEDOUT;
        else if (r == 0)
            (void)poll(&p, 1, (int)(left_us / US_PER_MS) + 1);
    }
    if (r < 0)
        return error_set(reterr, r, "take over from the keeper");
    if (fs->welcome.major != KEEPER_MAJOR)
        return error_say(reterr, -EPROTO, "the keeper speaks version %u, this master version %d",
                         fs->welcome.major, KEEPER_MAJOR);
    return 0;
}

int
fdstore_open(int fd, struct fdstore **ret, struct error *reterr)
{
    struct fdstore *fs = calloc(1, sizeof(*fs));
    int r;

    if (!fs) {
        fd_close(fd);
        return error_set(reterr, -ENOMEM, "take over from the keeper");
    }
    fs->fd = fd;
    list_init(&fs->all);
    list_init(&fs->given);
    list_init(&fs->unsent);
    list_init(&fs->early);
    ev_timer_init(&fs->tell, on_tell, 0., 0.);
    r = fd_cloexec(fd, 1);
    if (r == 0)
        r = takeover(fs, reterr);
    if (r < 0) {
        fdstore_close(fs);
        return r;
    }
    *ret = fs;
    return 0;
}

void
fdstore_begin(struct fdstore *fs, struct ev_loop *loop, const struct fdstore_hooks *hooks)
{
    if (!fs)
        return;
    fs->loop = loop;
    fs->hooks = *hooks;
    ev_io_init(&fs->readable, on_readable, fs->fd, EV_READ);
    ev_io_init(&fs->writable, on_writable, fs->fd, EV_WRITE);
    if (fs->fd != -1)
        ev_io_start(loop, &fs->readable);
    if (fs->fd != -1 && !list_empty(&fs->unsent))
        ev_io_start(loop, &fs->writable);
    fdstore_tell_soon(fs);
}

void
fdstore_close(struct fdstore *fs)
{
    if (!fs)
        return;
    fdstore_gone(fs);
    if (fs->loop)
        ev_timer_stop(fs->loop, &fs->tell);
    list_for_each_safe (n, &fs->early) {
        list_del(n);
        free(container_of(n, struct early, node));
    }
    list_for_each_safe (n, &fs->all)
        fdstore_kept_free(fs, container_of(n, struct kept, all));
    table_finish(&fs->by_name);
    free(fs);
}

const struct keeper_welcome *
fdstore_welcome(const struct fdstore *fs)
{
    return fs ? &fs->welcome : NULL;
}

pid_t
fdstore_run_pid(const struct fdstore *fs)
{
    return fs ? getppid() : getpid();
}

int
fdstore_take(struct fdstore *fs, const char *name)
{
    struct kept *k = fs ? fdstore_kept_find(fs, name) : NULL;

    if (!k)
        return -1;
    list_del(&k->node);
    return steal_fd(k->fd);
}

const char *
fdstore_after(const struct fdstore *fs, const char *prefix, const char *name)
{
    bool past = !name;

    if (!fs)
        return NULL;
    list_for_each (n, &fs->given) {
        const struct kept *k = container_of(n, struct kept, node);

        if (past && strncmp(k->name, prefix, strlen(prefix)) == 0)
            return k->name;
        past = past || strcmp(k->name, name) == 0;
    }
    return NULL;
}

const char *
fdstore_next(const struct fdstore *fs, const char *prefix)
{
    return fdstore_after(fs, prefix, NULL);
}

struct fdstore_counts
fdstore_counts(const struct fdstore *fs)
{
    if (!fs)
        return (struct fdstore_counts){0};
    return (struct fdstore_counts){fs->n_kept, fs->n_refused, fs->n_unsent};
}
