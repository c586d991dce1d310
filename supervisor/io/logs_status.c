/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/logs_internal.h"

/* How it is with the log of a service. */

bool
logs_status(const struct logs *ls, const char *service, struct log_status *ret)
{
    const struct log *l = ls ? log_find(ls, service) : NULL;
    const struct logfile_memory *m = l && l->spool ? spool_memory(l->spool) : NULL;

    if (!l)
        return false;
    *ret = (struct log_status){
        .to = l->to,
        .file = l->to == LOG_TO_FILE && l->config ? l->config->path : NULL,
        .state = l->failed       ? "failed"
                 : l->dropping   ? "dropping"
                 : l->blocked_us ? "waiting"
                                 : "ok",
        .error = l->failed ? (l->why ? l->why : "out of memory") : NULL,
        .lines = l->lines,
        .bytes = l->bytes,
        .dropped_lines = l->dropped_lines,
        .dropped_bytes = l->dropped_bytes,
        .waiting = m ? logfile_memory_waiting(m) : 0,
        .size = m ? atomic_load(&m->shared->size) : 0,
        .rotations = m ? atomic_load(&m->shared->rotations) : 0,
    };
    return true;
}

const struct lint *
logs_lint(const struct logs *ls, const char *service)
{
    const struct log *l = ls ? log_find(ls, service) : NULL;

    return l ? l->lint : NULL;
}
