/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_logs.h"
#include "supervisor/io/master_state.h"

/* The logs of the services: what waits for a file is kept, and comes back with the name it is for. */

#define KIND "log"
#define LINT "lint" /* what is counted of all of them */

static int
on_keep(void *env, uint64_t id, int fd)
{
    struct master *m = env;
    char name[KEEPER_NAME_MAX];
    int r = fdstore_put(m->fdstore, fdstore_name(name, KIND, id), fd);

    if (r < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_kept",
                    "%s: no memory: its lines are lost should the master be killed", name);
    return r;
}

static void
on_drop(void *env, uint64_t id)
{
    keep_drop(env, KIND, id);
}

static void
on_keep_lint(void *env, int fd)
{
    struct master *m = env;

    if (fdstore_put(m->fdstore, LINT, fd) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_kept",
                    LINT ": no memory: what is counted of lines is lost should the master be "
                         "killed");
}

int
master_logs(struct master *m)
{
    const struct logs_options options = {.loop = m->loop,
                                         .journal = m->journal,
                                         .keep = on_keep,
                                         .drop = on_drop,
                                         .keep_lint = on_keep_lint,
                                         .env = m};
    int lint = fdstore_take(m->fdstore, LINT);
    int r = logs_create(&options, &m->logs);
    const char *name;

    while (r == 0 && (name = fdstore_next(m->fdstore, KIND ".")) != NULL) {
        uint64_t id = strtoull(name + strlen(KIND "."), NULL, 10);

        logs_adopt(m->logs, id, fdstore_take(m->fdstore, name));
    }
    if (r == 0)
        logs_keep_lint(m->logs, lint);
    return r;
}

/* ---- a worker's lines ------------------------------------------------------------------------------ */

static void
on_room(struct log_waiter *w)
{
    struct hand *h = container_of(w, struct hand, waits);

    capture_resume(h->capture);
    if (h->dead) { /* it has more to say before it is buried */
        h->master->graves = true;
        h->master->graves_wait = false;
    }
}

void
hand_log_open(struct hand *h)
{
    h->log = logs_get(h->master->logs, h->service);
    log_waiter_init(&h->waits, on_room);
}

void
hand_log_close(struct hand *h)
{
    log_waiter_finish(&h->waits);
    log_unref(h->log);
    h->log = NULL;
}

bool
hand_log_has_room(void *hand, size_t n)
{
    struct hand *h = hand;

    return !h->log || log_has_room(h->log, &h->waits, n);
}
