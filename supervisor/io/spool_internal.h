/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_IO_SPOOL_INTERNAL_H
#define STINT_IO_SPOOL_INTERNAL_H

/* What spool.c (the spools), spool_writer.c (the process that writes them) and spool_flush.c (the end) share. */
#include <ev.h>

#include "base/list.h"
#include "base/table.h"
#include "supervisor/io/logfile_writer.h"
#include "supervisor/io/spool.h"

struct helper;

#define SPOOL_WRITERS_MAX 4 /* more that hang get no successor: it would only hang, too */

/* Messages the writer has to get, in this order. */
enum spool_owes {
    SPOOL_OWES_ADD = 1,
    SPOOL_OWES_CONFIG = 2,
    SPOOL_OWES_REOPEN = 4,
    SPOOL_OWES_REMOVE = 8,
    SPOOL_OWES_KICK = 16
};

struct spool {
    struct list node;  /* in spools.all */
    struct list owing; /* in spools.owing, or alone */
    struct table_node by_id;
    struct spools *spools;
    void *owner; /* borrowed; NULL: nobody's any more */
    uint64_t id;
    struct logfile_memory memory; /* owned */
    uint64_t hunger;              /* the number of the last one */
    unsigned owes;
    uint64_t seen_done; /* where it was when the watch looked … */
    int64_t seen_us;    /* … CLOCK_MONOTONIC: since then */
    bool retired;
    bool hangs; /* … and that was said */
};

/* One process; only the newest is spoken to, an older one hangs and ends when it can. */
struct writer_process {
    struct list node; /* in spools.writers */
    struct spools *spools;
    struct helper *helper; /* owned by its own end */
    int fd;                /* owned; -1: it is to end */
    ev_io readable, writable;
};

struct spools {
    struct ev_loop *loop; /* borrowed */
    struct spools_hooks hooks;
    struct list all, owing;
    struct table by_id;
    uint64_t last_id;
    ev_prepare turn;
    struct list writers;
    struct writer_process *writer; /* the newest; NULL: there is none */
    ev_timer again;                /* start one, after one that died */
    ev_timer watch;                /* looks whether it hangs, while something waits */
    int64_t started_us;
    unsigned n_writers;
};

void spool_destroy(struct spool *s);
void spool_gone(struct spool *s); /* nobody needs it any more, the keeper neither */
void spool_owe(struct spool *s, unsigned what);

/* ---- spool_writer.c */
void spools_init_writer(struct spools *sp);
void spools_send(struct spools *sp); /* what is owed, as far as the socket takes it */
int spools_start_writer(struct spools *sp);
void spools_take_reply(struct spools *sp, const struct logfile_message *msg);
void spools_end_writer(struct spools *sp); /* there is nothing to write any more, or it is dead */
void spools_finish_writers(struct spools *sp);
void spools_watch(struct spools *sp); /* something waits from now on */

#endif
