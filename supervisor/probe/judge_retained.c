/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/judge_history.h"

#include "supervisor/probe/pure.h"

/* The page of the book for processes that were left behind. */

static struct history_retained *
find(const struct history *h, pid_t pid, uint64_t start_time)
{
    for (size_t i = 0; i < h->n_retained; i++)
        if (h->retained[i].pid == pid && h->retained[i].start_time == start_time)
            return &h->retained[i];
    return NULL;
}

/* Who is gone goes before who is there; the oldest of them. */
static void
make_room(struct history *h)
{
    size_t at = 0;

    while (at < h->n_retained && h->retained[at].over_wall_us == 0)
        at++;
    if (at == h->n_retained)
        at = 0;
    free(h->retained[at].text);
    memmove(&h->retained[at], &h->retained[at + 1],
            (h->n_retained - at - 1) * sizeof(h->retained[0]));
    h->n_retained--;
}

int
history_retain(struct history *h, const struct history_retained *found)
{
    struct history_retained *r = find(h, found->pid, found->start_time);
    char *text = strdup(found->text ? found->text : "");

    if (!h->retained && text)
        h->retained = calloc(HISTORY_RETAINED, sizeof(*h->retained));
    if (!text || !h->retained) {
        free(text);
        return -ENOMEM;
    }
    if (r) { /* seen again: what is known of it now */
        free(r->text);
        r->text = text;
        r->last_wall_us = found->last_wall_us;
        return 0;
    }
    if (h->n_retained == HISTORY_RETAINED)
        make_room(h);
    r = &h->retained[h->n_retained++];
    *r = *found;
    r->text = text;
    r->state = HISTORY_LEAKED;
    r->over_wall_us = 0;
    return 0;
}

bool
history_retained_gone(struct history *h, uint64_t generation, pid_t pid, bool killed,
                      int64_t at_wall_us)
{
    bool any = false;

    for (size_t i = 0; i < h->n_retained; i++) {
        struct history_retained *r = &h->retained[i];

        if (r->over_wall_us != 0 || (pid != 0 ? r->pid != pid : r->generation != generation))
            continue;
        r->state = killed ? HISTORY_KILLED : HISTORY_RECOVERED;
        r->over_wall_us = at_wall_us;
        any = true;
    }
    return any;
}

void
history_retained_finish(struct history *h)
{
    for (size_t i = 0; i < h->n_retained; i++)
        free(h->retained[i].text);
    free(h->retained);
    h->retained = NULL;
    h->n_retained = 0;
}
