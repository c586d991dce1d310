/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/probe/judge_trend.h"

#include "supervisor/probe/pure.h"

#define STALE_US (10 * US_PER_S) /* a beat since a look that is older says little of now */

static const struct history_beat *
find_beat(const struct history *h, pid_t pid, pid_t tid, uint64_t start_time)
{
    for (size_t i = 0; i < h->n_beats; i++)
        if (h->beats[i].pid == pid && h->beats[i].tid == tid &&
            h->beats[i].start_time == start_time)
            return &h->beats[i];
    return NULL;
}

static bool
in_sight(const struct sight *s, const struct history_beat *b)
{
    for (size_t i = 0; i < s->n_beats; i++)
        if (s->beats[i].tid == b->tid && s->beats[i].start_time == b->start_time)
            return true;
    return false;
}

/* Those of this process that are not there any more make room. */
static void
forget_gone(struct history *h, const struct sight *s)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_beats; i++)
        if (h->beats[i].pid != s->pid || in_sight(s, &h->beats[i]))
            h->beats[n++] = h->beats[i];
    h->n_beats = n;
}

int
history_beats(struct history *h, const struct sight *sight)
{
    forget_gone(h, sight);
    if (sight->n_beats == 0)
        return 0;
    if (!h->beats)
        h->beats = calloc(HISTORY_BEATS, sizeof(*h->beats));
    if (!h->beats)
        return -ENOMEM;
    for (size_t i = 0; i < sight->n_beats; i++) {
        const struct sight_beat *from = &sight->beats[i];
        const struct history_beat *known = find_beat(h, sight->pid, from->tid, from->start_time);
        struct history_beat *to = known ? &h->beats[known - h->beats] : NULL;

        if (!to && h->n_beats == HISTORY_BEATS)
            continue;
        if (to && to->beats == from->beats)
            continue;
        if (!to)
            to = &h->beats[h->n_beats++];
        *to = (struct history_beat){.pid = sight->pid,
                                    .tid = from->tid,
                                    .start_time = from->start_time,
                                    .beats = from->beats,
                                    .since_us = sight->at_us};
    }
    return 0;
}

void
history_beats_gone(struct history *h, pid_t pid)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_beats; i++)
        if (h->beats[i].pid != pid)
            h->beats[n++] = h->beats[i];
    h->n_beats = n;
}

/*
 * The same number of beats as then: it has been silent since. More: it got on, if that was not long
 * ago; else the two samples of this look know better.
 */
void
history_remind(const struct history *h, struct process_facts *facts)
{
    for (size_t i = 0; i < facts->n; i++) {
        struct thread_facts *t = &facts->threads[i];
        const struct history_beat *b =
            t->claimed ? find_beat(h, facts->pid, t->tid, t->start_time) : NULL;

        if (!b || b->since_us <= 0 || b->since_us >= facts->at_us)
            continue;
        if (t->claim.beats != b->beats && facts_span(b->since_us, facts->at_us) > STALE_US)
            continue;
        if (t->claim.beats_before_us != 0 && t->claim.beats_before_us < b->since_us)
            continue;
        t->claim.beats_before = b->beats;
        t->claim.beats_before_us = b->since_us;
    }
}
