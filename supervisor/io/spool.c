/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/io/spool_internal.h"

/* ---- one spool ------------------------------------------------------------------------------ */

static struct spool *
spool_new(struct spools *sp, uint64_t id)
{
    struct spool *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->spools = sp;
    s->id = id;
    s->memory.fd = -1;
    list_init(&s->owing);
    list_add(&sp->all, &s->node);
    table_add(&sp->by_id, &s->by_id, id);
    if (id > sp->last_id)
        sp->last_id = id;
    return s;
}

void
spool_destroy(struct spool *s)
{
    struct spools *sp = s->spools;

    list_del(&s->node);
    list_del(&s->owing);
    table_remove(&sp->by_id, &s->by_id);
    logfile_memory_close(&s->memory);
    free(s);
}

void
spool_gone(struct spool *s)
{
    struct spools *sp = s->spools;

    if (sp->hooks.drop)
        sp->hooks.drop(sp->hooks.env, s->id);
    spool_destroy(s);
    if (list_empty(&sp->all))
        spools_end_writer(sp);
}

void
spool_owe(struct spool *s, unsigned what)
{
    s->owes |= what;
    list_del(&s->owing);
    list_add(&s->spools->owing, &s->owing);
    spools_watch(s->spools);
}

int
spool_create(struct spools *sp, const struct logfile_config *c, size_t room, struct spool **ret,
             struct error *reterr)
{
    struct spool *s = spool_new(sp, sp->last_id + 1);
    int r;

    if (!s)
        return error_set(reterr, -ENOMEM, "make a log");
    r = logfile_memory_create(&s->memory, room, reterr);
    if (r < 0) {
        spool_destroy(s);
        return r;
    }
    logfile_memory_configure(&s->memory, c);
    if (sp->hooks.keep)
        (void)sp->hooks.keep(sp->hooks.env, s->id, s->memory.fd); /* not: said by who keeps */
    spool_owe(s, SPOOL_OWES_ADD);
    *ret = s;
    return 0;
}

int
spool_adopt(struct spools *sp, uint64_t id, int fd, struct spool **ret, struct error *reterr)
{
    struct spool *s = spool_new(sp, id);
    int r = s ? logfile_memory_adopt(&s->memory, fd, reterr)
              : error_set(reterr, -ENOMEM, "take over a log");

    if (r < 0) {
        (void)fd_close(fd);
        if (s)
            spool_destroy(s);
        return r;
    }
    spool_owe(s, SPOOL_OWES_ADD);
    *ret = s;
    return 0;
}

void
spool_own(struct spool *s, void *owner)
{
    s->owner = owner;
}

void
spool_configure(struct spool *s, const struct logfile_config *c)
{
    const struct logfile_config *is = logfile_memory_config(&s->memory);

    if (memcmp(is, c, sizeof(*c)) == 0)
        return;
    logfile_memory_configure(&s->memory, c);
    spool_owe(s, SPOOL_OWES_CONFIG);
}

void
spool_reopen(struct spool *s)
{
    spool_owe(s, SPOOL_OWES_REOPEN);
}

void
spool_retire(struct spool *s)
{
    s->owner = NULL;
    s->retired = true;
    spool_owe(s, SPOOL_OWES_REMOVE);
}

uint64_t
spool_id(const struct spool *s)
{
    return s->id;
}

struct logfile_memory *
spool_memory(struct spool *s)
{
    return &s->memory;
}

void
spool_put(struct spool *s, const struct iovec *parts, size_t n_parts)
{
    if (logfile_memory_put(&s->memory, parts, n_parts))
        spool_owe(s, SPOOL_OWES_KICK);
}

void
spool_hunger(struct spool *s)
{
    struct logfile_shared *sh = s->memory.shared;

    atomic_store(&sh->hungry, ++s->hunger);
    if (logfile_memory_waiting(&s->memory) <= s->memory.room / 2 &&
        atomic_exchange(&sh->hungry, 0) && s->owner) /* it became so before the writer saw that */
        s->spools->hooks.room(s->owner);
}

struct spool *
spools_next(const struct spools *sp, const struct spool *s)
{
    struct list *pos = s ? s->node.next : sp->all.next;

    return pos == &sp->all ? NULL : container_of(pos, struct spool, node);
}

/* ---- all ------------------------------------------------------------------------------------ */

static void
on_prepare(EV_P_ ev_prepare *w, int revents)
{
    struct spools *sp = container_of(w, struct spools, turn);

    (void)loop;
    (void)revents;
    spools_send(sp);
}

int
spools_create(struct ev_loop *loop, const struct spools_hooks *hooks, struct spools **ret)
{
    struct spools *sp = calloc(1, sizeof(*sp));

    if (!sp)
        return -ENOMEM;
    sp->loop = loop;
    sp->hooks = *hooks;
    list_init(&sp->all);
    list_init(&sp->owing);
    list_init(&sp->writers);
    ev_prepare_init(&sp->turn, on_prepare);
    ev_set_priority(&sp->turn, EV_MINPRI); /* after whoever still puts something */
    ev_prepare_start(loop, &sp->turn);
    spools_init_writer(sp);
    *ret = sp;
    return 0;
}

void
spools_destroy(struct spools *sp)
{
    if (!sp)
        return;
    ev_prepare_stop(sp->loop, &sp->turn);
    spools_finish_writers(sp);
    list_for_each_safe (pos, &sp->all)
        spool_destroy(container_of(pos, struct spool, node));
    table_finish(&sp->by_id);
    free(sp);
}
