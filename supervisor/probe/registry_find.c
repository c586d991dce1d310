/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <unistd.h>

#include "supervisor/probe/registry.h"

static const struct registry_thread *
last_of_tid(const struct registry_view *v, pid_t tid)
{
    size_t low = 0, high = v->n; /* behind the last with this or a lower tid */

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (v->threads[middle].tid <= tid)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && v->threads[low - 1].tid == tid ? &v->threads[low - 1] : NULL;
}

const struct registry_thread *
registry_find(const struct registry_view *v, pid_t tid, uint64_t start_time)
{
    const struct registry_thread *t = last_of_tid(v, tid);
    long hz = sysconf(_SC_CLK_TCK);

    return t && t->alive_ns / (1000000000U / (uint64_t)(hz > 0 ? hz : 100)) >= start_time ? t
                                                                                          : NULL;
}

void
registry_view_finish(struct registry_view *v)
{
    free(v->threads);
    free(v->ended);
    free(v->scopes);
    *v = (struct registry_view){0};
}
