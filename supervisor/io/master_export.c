/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_export.h"
#include "supervisor/io/fdstore.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_state.h"

/* What waits for a collector is kept, like what waits for the log files. */

#define NAME "export"

static void
on_keep(void *env, int fd)
{
    struct master *m = env;

    if (fdstore_put(m->fdstore, NAME, fd) < 0)
        journal_say(m->journal, LOG_LEVEL_ERROR, "not_kept",
                    NAME ": no memory: what waits is lost should the master be killed");
}

static void
on_drop(void *env)
{
    struct master *m = env;

    fdstore_drop(m->fdstore, NAME);
}

int
master_export(struct master *m)
{
    const struct exporter_options options = {.loop = m->loop,
                                             .journal = m->journal,
                                             .spans = m->spans,
                                             .keep = on_keep,
                                             .drop = on_drop,
                                             .env = m};
    int r = exporter_create(&options, &m->exporter);
    int fd = r == 0 ? fdstore_take(m->fdstore, NAME) : -1;

    if (fd >= 0)
        exporter_adopt(m->exporter, fd);
    return r;
}

json_t *
source_export(void *env)
{
    const struct master *m = env;

    return exporter_status(m->exporter);
}
