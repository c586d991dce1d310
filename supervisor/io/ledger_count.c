/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/io/ledger_internal.h"

/* What of a book can be counted. */

/* The verdict that is the @i-th leak; VERDICT_COUNT: there are not so many. */
static enum verdict
leak(unsigned i)
{
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        if (verdict_is_leak((enum verdict)v) && i-- == 0)
            return (enum verdict)v;
    return VERDICT_COUNT;
}

const char *
ledger_leak_name(unsigned i)
{
    enum verdict v = leak(i);

    return v < VERDICT_COUNT ? verdict_name(v) : NULL;
}

static unsigned
leaked_of(const struct history *h, enum verdict v)
{
    unsigned n = 0;

    for (size_t i = 0; i < h->n_groups; i++)
        for (unsigned k = 0; k < h->groups[i].n_seen; k++) {
            const struct history_sighting *s = &h->groups[i].seen[k];

            if (s->state == HISTORY_LEAKED && !s->process_gone && s->verdict == v)
                n += history_last(&s->leaked);
        }
    return n;
}

bool
ledger_count(const struct ledger *l, const char *service, struct ledger_counts *ret)
{
    const struct history *h = ledger_book(l, service);

    *ret = (struct ledger_counts){.retained = 0};
    if (!h)
        return false;
    for (unsigned i = 0; i < LEDGER_LEAKS && leak(i) < VERDICT_COUNT; i++)
        ret->leaked[i] = leaked_of(h, leak(i));
    for (size_t i = 0; i < h->n_groups; i++)
        ret->rising += h->groups[i].rising;
    for (size_t i = 0; i < h->n_retained; i++)
        ret->retained += h->retained[i].state == HISTORY_LEAKED;
    return true;
}
