/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/keeper/keeper.h"
#include "supervisor/keeper/log.h"
#include "supervisor/keeper/state.h"

#define REFUSALS_SAID 8 /* of one master; the others are counted */
#define ALIVE_MIN_US  (100 * US_PER_MS)

/* ---- What it says ------------------------------------------------------------------------- */

static void
refuse(struct keeper *k, const char *why)
{
    struct link *l = &k->link;
    unsigned type = k->in.n >= sizeof(struct keeper_frame) ? frame_head(&k->in)->type : 0;

    if (++l->refused <= REFUSALS_SAID)
        keeper_log("warning", "frame_refused", k->master.pid, "type=%u bytes=%zu msg=\"%s\"", type,
                   k->in.n, why);
}

static void
hear_hello(struct keeper *k)
{
    const struct keeper_hello *hello = frame_body(&k->in);

    if (k->link.phase != LINK_NEW) {
        refuse(k, "HELLO was said already");
    } else if (hello->major != KEEPER_MAJOR) {
        keeper_log("error", "master_refused", k->master.pid,
                   "msg=\"it speaks another protocol: %u, not %u\"", hello->major, KEEPER_MAJOR);
        master_kill(k);
    } else {
        k->link.phase = LINK_TAKEOVER;
        kept_rewind(&k->kept);
    }
}

/* Sockets have an inode each; for other things this would not tell two open files apart. */
static bool
same_file(int a, int b)
{
    struct stat sa, sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && S_ISSOCK(sa.st_mode) &&
           sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static int
keep(struct keeper *k, const char *name)
{
    struct kept_entry *e = kept_find(&k->kept, name);
    int r;

    if (e && same_file(e->fd, k->in.fd)) { /* systemd shall not be without it for a moment */
        e->given = k->facts.masters;
        return e->mirror == MIRROR_NONE ? systemd_mirror(&k->systemd, e) : 0;
    }
    if (e)
        systemd_unmirror(&k->systemd, e);
    r = kept_put(&k->kept, name, k->in.fd, k->facts.masters, &e);
    if (r < 0)
        return r;
    k->in.fd = -1;
    k->facts.restart.stored = true;
    return systemd_mirror(&k->systemd, e);
}

static void
drop(struct keeper *k, const char *name)
{
    struct kept_entry *e = kept_find(&k->kept, name);

    if (!e)
        return;
    systemd_unmirror(&k->systemd, e);
    kept_drop(&k->kept, e);
}

static void
upgrade(struct keeper *k, uint64_t number)
{
    int r = upgrade_ask(k, k->in.fd, frame_body(&k->in), number);

    if (r == 0)
        k->in.fd = -1;
    else
        link_ack(&k->link, number, r);
}

static void
hear(struct keeper *k)
{
    uint64_t number = frame_head(&k->in)->number;
    int type = frame_check(&k->in);
    const void *body = frame_body(&k->in);
    const struct keeper_buried *buried = body;

    if (type < 0) {
        refuse(k, k->in.wrong);
        if (k->in.n >= sizeof(struct keeper_frame) && (frame_head(&k->in)->type == KEEPER_STORE ||
                                                       frame_head(&k->in)->type == KEEPER_UPGRADE))
            link_ack(&k->link, number, -EBADMSG); /* it waits for an answer */
        return;
    }
    if (k->link.phase == LINK_NEW &&
        (type == KEEPER_STORE || type == KEEPER_DROP || type == KEEPER_UPGRADE)) {
        refuse(k, "HELLO comes first");
        return;
    }
    if (k->link.finished && type == KEEPER_ALIVE) /* its loop turns; a STORE comes before that */
        upgrade_proved(k);
    switch (type) {
    case KEEPER_HELLO:
        hear_hello(k);
        break;
    case KEEPER_STORE:
        link_ack(&k->link, number, keep(k, body));
        break;
    case KEEPER_DROP:
        drop(k, body);
        break;
    case KEEPER_BURIED:
        obituaries_bury(&k->obituaries, buried->pid, buried->start_time);
        break;
    case KEEPER_NOTIFY:
        systemd_tell(&k->systemd, body);
        break;
    case KEEPER_UPGRADE:
        upgrade(k, number);
        break;
    case KEEPER_LEAVING:
        k->master.leaving = true;
        k->master.status = ((const struct keeper_leaving *)body)->status;
        break;
    default: /* ALIVE, and what a later release says: it was heard, that is all */
        break;
    }
}

void
talk_hear(struct keeper *k, int max, int64_t now_us)
{
    while (max-- > 0 && link_receive(&k->link, &k->in) == 1) {
        k->link.heard_us = now_us;
        hear(k);
        k->in.fd = fd_close(k->in.fd);
    }
}

/* ---- What we say -------------------------------------------------------------------------- */

static int
say_welcome(struct keeper *k)
{
    const struct facts *f = &k->facts;
    int64_t patience_us = k->options->patience_us;
    int64_t alive_us = patience_us / 3 > ALIVE_MIN_US ? patience_us / 3 : ALIVE_MIN_US;
    struct keeper_welcome w = {
        .major = KEEPER_MAJOR,
        .flags = f->why | (restart_distrust(&f->restart) ? KEEPER_DISTRUST : 0U) |
                 (k->systemd.fd >= 0 ? KEEPER_SYSTEMD : 0U) | (f->stopping ? KEEPER_STOPPING : 0U),
        .masters = f->masters,
        .wait_status = f->wait_status,
        .died_us = f->died_us,
        .began_us = f->began_us,
        .alive_us = patience_us > 0 ? alive_us : 0,
        .lost = k->obituaries.lost,
        .room = k->kept.room,
        .listeners = k->systemd.store_max,
    };
    int r = link_send(&k->link, &(struct frame_out){KEEPER_WELCOME, sizeof w, 0, &w, -1, false});

    if (r == 0) {
        k->link.welcomed = true;
        k->facts.pending &= ~(1U << SIGTERM | 1U << SIGINT); /* KEEPER_STOPPING has said it */
    }
    return r;
}

static int
say_kept(struct keeper *k)
{
    struct kept_entry *e;

    while ((e = kept_next_to_give(&k->kept, k->facts.masters))) {
        int r = link_send(&k->link, &(struct frame_out){KEEPER_GIVE, (uint32_t)strlen(e->name) + 1,
                                                        0, e->name, e->fd, true});
        if (r < 0)
            return r;
        e->given = k->facts.masters;
    }
    return 0;
}

static int
say_obituaries(struct keeper *k)
{
    const struct keeper_obituary *o;

    while ((o = obituaries_from(&k->obituaries, &k->link.obituary))) {
        int r =
            link_send(&k->link, &(struct frame_out){KEEPER_OBITUARY, sizeof *o, 0, o, -1, false});

        if (r < 0)
            return r;
        k->link.obituary++;
    }
    return 0;
}

/* The order of wire.h. Where it stops for want of room, the next turn goes on. */
static int
say(struct keeper *k)
{
    struct link *l = &k->link;
    int r;

    if (!l->welcomed && (r = say_welcome(k)) < 0)
        return r;
    if ((r = link_send_acks(l)) < 0 || (l->phase == LINK_TAKEOVER && (r = say_kept(k)) < 0) ||
        (r = say_obituaries(k)) < 0)
        return r;
    if (l->phase == LINK_TAKEOVER) {
        r = link_send(l, &(struct frame_out){KEEPER_END, 0, 0, "", -1, false});
        if (r < 0)
            return r;
        l->phase = LINK_LIVE;
        l->finished = true;
    }
    return 0;
}

void
talk_say(struct keeper *k, int64_t now_us)
{
    struct link *l = &k->link;

    if (l->phase < LINK_TAKEOVER || l->deaf ||
        now_us < (l->retry_us == TIME_NEVER ? 0 : l->retry_us))
        return;
    l->full = false;
    l->retry_us = TIME_NEVER;
    (void)say(k); /* l->full and l->retry_us say when to go on */
    if (l->phase == LINK_LIVE)
        signals_forward(k);
}
