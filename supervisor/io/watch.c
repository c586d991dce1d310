/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/watch.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/watch_dirs.h"
#include "supervisor/io/watch_tag.h"

#define BURST      256 /* events a turn */
#define DEAD_MAX   64  /* entries of the library we bear before we start it anew */
#define POLL_S     1.0
#define RETRY_POLL 10 /* polls between two tries to watch */

struct watch {
    struct ev_loop *loop; /* borrowed */
    void (*on_hint)(void *env, uint32_t tag, const char *path);
    void *env;
    struct watch_dirs dirs;
    struct list tags;
    ev_io io;      /* the library's descriptor is readable */
    ev_timer more; /* its buffer is not empty: next turn, please; the descriptor may stay silent */
    ev_timer poll; /* runs while a tag is polled */
    unsigned polls;
    bool renew; /* the watch cannot be trusted any more */
    struct watch_stats stats;
    char broken[160]; /* why there is no inotify at all, or "" */
};

static struct watch *the_one; /* the library is a global */

static struct watch_tag *
tag_find(const struct watch *w, uint32_t id)
{
    list_for_each (pos, &w->tags) {
        struct watch_tag *t = container_of(pos, struct watch_tag, node);

        if (t->id == id)
            return t;
    }
    return NULL;
}

static void
arm(struct watch *w, struct watch_tag *t)
{
    if (!tag_arm(t, &w->dirs, w->broken))
        ev_timer_start(w->loop, &w->more); /* once more, next turn */
}

/* tidy - after arming: let go what nobody needs, poll what has to be polled. */
static void
tidy(struct watch *w)
{
    dirs_sweep(&w->dirs);
    if (w->dirs.doubt) { /* something may have been missed: not much, but who knows what */
        w->dirs.doubt = false;
        list_for_each (pos, &w->tags) {
            tag_hint(container_of(pos, struct watch_tag, node), NULL, NULL);
        }
        ev_timer_start(w->loop, &w->more);
    }
    w->stats.polled = 0;
    list_for_each (pos, &w->tags) {
        w->stats.polled += container_of(pos, struct watch_tag, node)->polled;
    }
    if (w->stats.polled > 0 && !ev_is_active(&w->poll))
        ev_timer_again(w->loop, &w->poll);
    else if (w->stats.polled == 0)
        ev_timer_stop(w->loop, &w->poll);
}

static void
source_start(struct watch *w)
{
    struct error err;

    if (source_open(&w->dirs.source, &err) < 0) {
        (void)snprintf(w->broken, sizeof(w->broken), "%.150s", err.text);
        return;
    }
    w->broken[0] = '\0';
    ev_io_set(&w->io, w->dirs.source.fd, EV_READ);
    ev_io_start(w->loop, &w->io);
}

/* renew - everything from scratch: after an overflow even the end of a watch may have been missed. */
static void
renew(struct watch *w)
{
    w->renew = false;
    w->stats.renewals++;
    ev_io_stop(w->loop, &w->io);
    dirs_finish(&w->dirs);
    source_close(&w->dirs.source);
    source_start(w);
    list_for_each (pos, &w->tags) {
        struct watch_tag *t = container_of(pos, struct watch_tag, node);

        t->again = true;
        tag_hint(t, NULL, NULL);
    }
}

/* settle - arm what has to be armed, let go what nobody needs, then give the hints. */
static void
settle(struct watch *w)
{
    bool armed = w->renew;

    if (w->renew)
        renew(w);
    list_for_each (pos, &w->tags) {
        struct watch_tag *t = container_of(pos, struct watch_tag, node);

        if (t->again) {
            arm(w, t);
            armed = true;
        }
    }
    if (armed)
        tidy(w);
    for (struct list *pos = w->tags.next; pos != &w->tags;) {
        struct watch_tag *t = container_of(pos, struct watch_tag, node);

        pos = pos->next;
        if (!t->hinted)
            continue;
        auto_free char *path = steal(t->hint);

        t->hinted = false;
        w->stats.hints++;
        w->on_hint(w->env, t->id, path);
        pos = w->tags.next; /* the callback may have changed the list; hinted ones come once */
    }
}

static void
take(struct watch *w, const struct inotify_event *e)
{
    const char *name = e->len > 0 ? e->name : "";
    struct watch_dir *dir = e->wd >= 0 ? dirs_find(&w->dirs, e->wd) : NULL;

    w->stats.events++;
    if (e->mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) {
        w->stats.overflows += (e->mask & IN_Q_OVERFLOW) != 0;
        w->renew = true;
        return;
    }
    if (!dir) /* a watch of ours that we let go */
        return;
    list_for_each (pos, &dir->needs) {
        struct watch_need *n = container_of(pos, struct watch_need, in_dir);
        bool itself = name[0] == '\0';

        if (!itself && (n->self || (n->name && strcmp(n->name, name) != 0)))
            continue;
        /* what was only written to stays where it was; in a tree a new entry may be a link */
        if (!(e->mask & IN_CLOSE_WRITE) &&
            (itself || n->name || e->mask & (IN_ISDIR | IN_CREATE | IN_MOVED_TO)))
            n->tag->again = true;
        tag_hint(n->tag, dir, name);
    }
    if (e->mask & IN_IGNORED) /* the directory is gone, and so is the kernel's watch */
        dirs_forget(&w->dirs, dir);
}

static void
drain(struct watch *w)
{
    const struct inotify_event *e = NULL;

    for (int i = 0; i < BURST && !w->renew; i++) {
        e = source_next(&w->dirs.source);
        if (!e)
            break;
        take(w, e);
    }
    if (e && !w->renew)
        ev_timer_start(w->loop, &w->more);
    if (w->dirs.source.dead > DEAD_MAX)
        w->renew = true;
    settle(w);
}

static void
on_readable(EV_P_ ev_io *io, int revents)
{
    (void)loop; /* the watch knows it */
    (void)revents;
    drain(container_of(io, struct watch, io));
}

static void
on_more(EV_P_ ev_timer *timer, int revents)
{
    (void)loop; /* the watch knows it */
    (void)revents;
    drain(container_of(timer, struct watch, more));
}

static void
on_poll(EV_P_ ev_timer *timer, int revents)
{
    struct watch *w = container_of(timer, struct watch, poll);

    (void)loop; /* the watch knows it */
    (void)revents;
    w->polls++;
    list_for_each (pos, &w->tags) {
        struct watch_tag *t = container_of(pos, struct watch_tag, node);

        if (!t->polled)
            continue;
        if (tag_moved(t)) {
            t->again = true;
            tag_hint(t, NULL, NULL);
        } else if (w->polls % RETRY_POLL == 0) {
            t->again = true; /* perhaps there are watches again */
        }
    }
    settle(w);
}

int
watch_create(struct ev_loop *loop, void (*on_hint)(void *env, uint32_t tag, const char *path),
             void *env, struct watch **ret, struct error *reterr)
{
    struct watch *w;

    if (the_one)
        return error_say(reterr, -EBUSY, "there is a watch already");
    w = calloc(1, sizeof(*w));
    if (!w)
        return error_set(reterr, -ENOMEM, "open the watch");
    w->loop = loop;
    w->on_hint = on_hint;
    w->env = env;
    list_init(&w->tags);
    dirs_init(&w->dirs);
    ev_init(&w->io, on_readable);
    ev_timer_init(&w->more, on_more, 0., 0.);
    ev_timer_init(&w->poll, on_poll, 0., POLL_S);
    source_start(w);
    the_one = w;
    *ret = w;
    return 0;
}

void
watch_destroy(struct watch *w)
{
    if (!w)
        return;
    ev_io_stop(w->loop, &w->io);
    ev_timer_stop(w->loop, &w->more);
    ev_timer_stop(w->loop, &w->poll);
    list_for_each_safe (pos, &w->tags) {
        tag_destroy(container_of(pos, struct watch_tag, node));
    }
    dirs_finish(&w->dirs);
    source_close(&w->dirs.source);
    free(w);
    the_one = NULL;
}

int
watch_set(struct watch *w, uint32_t tag, const char *const *paths, size_t n, struct error *reterr)
{
    struct watch_tag *t = tag_find(w, tag);
    int r = 0;

    for (size_t i = 0; i < n; i++)
        if (paths[i][0] != '/')
            return error_say(reterr, -EINVAL, "watch '%s': the path is not absolute", paths[i]);
    if (n == 0) {
        watch_clear(w, tag);
        return 0;
    }
    if (t) {
        r = tag_set(t, paths, n);
    } else {
        r = tag_create(tag, paths, n, &t);
        if (r == 0) {
            list_add(&w->tags, &t->node);
            w->stats.tags++;
        }
    }
    if (r < 0)
        return error_set(reterr, r, "watch %zu paths", n);
    arm(w, t);
    tidy(w);
    return 0;
}

void
watch_clear(struct watch *w, uint32_t tag)
{
    struct watch_tag *t = tag_find(w, tag);

    if (!t)
        return;
    tag_destroy(t);
    w->stats.tags--;
    tidy(w);
}

const char *
watch_mode(const struct watch *w, uint32_t tag)
{
    const struct watch_tag *t = tag_find(w, tag);

    return t ? t->mode : "none";
}

struct watch_stats
watch_stats(const struct watch *w)
{
    struct watch_stats s = w->stats;

    s.watches = w->dirs.n;
    return s;
}

int
watch_fd(const struct watch *w)
{
    return w->dirs.source.fd;
}
