/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/keeper/obituaries.h"

#include <stddef.h>

static void
skip_buried(struct obituaries *o)
{
    while (o->first < o->next && o->ring[o->first % OBITUARIES_MAX].pid == 0)
        o->first++;
}

void
obituaries_add(struct obituaries *o, const struct keeper_obituary *of)
{
    if (o->next - o->first == OBITUARIES_MAX) {
        o->first++;
        o->lost++;
        skip_buried(o);
    }
    o->ring[o->next++ % OBITUARIES_MAX] = *of;
}

void
obituaries_bury(struct obituaries *o, int32_t pid, uint64_t start_time)
{
    for (uint64_t i = o->first; i < o->next; i++) {
        struct keeper_obituary *of = &o->ring[i % OBITUARIES_MAX];

        if (of->pid == pid && (of->start_time == start_time || of->start_time == 0)) {
            of->pid = 0;
            break;
        }
    }
    skip_buried(o);
}

const struct keeper_obituary *
obituaries_from(const struct obituaries *o, uint64_t *cursor)
{
    if (*cursor < o->first)
        *cursor = o->first;
    while (*cursor < o->next && o->ring[*cursor % OBITUARIES_MAX].pid == 0)
        (*cursor)++;
    return *cursor < o->next ? &o->ring[*cursor % OBITUARIES_MAX] : NULL;
}
