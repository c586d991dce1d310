/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "supervisor/io/ledger_internal.h"
#include "supervisor/probe/history_json.h"

/* The books for people: what leaked, what is more, and how each generation ended. */

#define DIFFERENCES 16

static const char *const change_names[] = {
    [CHANGE_GONE] = "gone", [CHANGE_NEW] = "new", [CHANGE_MORE] = "more", [CHANGE_LESS] = "less"};

/* The newest before @generation that was looked at while it lived; 0 = none. */
static uint64_t
before(const struct history *h, uint64_t generation)
{
    uint64_t found = 0;

    for (unsigned i = 0; i < h->n_looked; i++)
        if (h->looked[i].generation < generation && h->looked[i].generation > found)
            found = h->looked[i].generation;
    return found;
}

static const char *
called(const struct history_group *g)
{
    return g->name[0] ? g->name : g->start[0] ? g->start : g->key;
}

void
ledger_compare(const struct history *h, uint64_t generation, char *buf, size_t room)
{
    struct history_difference d[DIFFERENCES];
    uint64_t old = before(h, generation);
    size_t n = old ? history_diff(h, old, generation, d, DIFFERENCES) : 0;
    auto_text struct text words = TEXT_INIT;

    buf[0] = '\0';
    if (!old)
        return;
    text_addf(&words,
              n == 0 ? "the same kinds of threads as generation %" PRIu64
                     : "unlike generation %" PRIu64 ":",
              old);
    for (size_t i = 0; i < n && i < DIFFERENCES; i++)
        text_addf(&words, "%s `%s` %u (%u)", i ? "," : "", called(d[i].group), d[i].after,
                  d[i].before);
    if (n > DIFFERENCES)
        text_addf(&words, " and %zu more", n - DIFFERENCES);
    (void)snprintf(buf, room, "%s", text_str(&words));
}

json_t *
ledger_diff(const struct ledger *l, const char *service, uint64_t generation)
{
    const struct history *h = ledger_book(l, service);
    struct history_difference d[DIFFERENCES];
    uint64_t old = h ? before(h, generation) : 0;
    bool looked = false;
    size_t n;
    json_t *kinds;

    for (unsigned i = 0; h && i < h->n_looked; i++)
        looked = looked || h->looked[i].generation == generation;
    if (!old || !looked)
        return NULL;
    kinds = json_array();
    n = history_diff(h, old, generation, d, DIFFERENCES);
    for (size_t i = 0; i < n && i < DIFFERENCES; i++)
        (void)json_array_append_new(/* NULL: no memory, and then there are fewer */
                                    kinds,
                                    json_pack("{s:s, s:s, s:s, s:i, s:i}", "change",
                                              change_names[d[i].change], "name", called(d[i].group),
                                              "creator", d[i].group->creator, "before",
                                              (int)d[i].before, "after", (int)d[i].after));
    return json_pack("{s:I, s:I, s:o}", "before", (json_int_t)old, "after", (json_int_t)generation,
                     "kinds", kinds);
}

static json_t *
book_of(const struct ledger_book *b)
{
    json_t *o = history_save(&b->history);

    if (o)
        (void)json_object_set_new(o, "service", json_string(b->service));
    return o;
}

json_t *
ledger_report(const struct ledger *l, const char *service)
{
    json_t *services = json_array();

    if (l)
        list_for_each (n, &l->books) {
            const struct ledger_book *b = container_of(n, struct ledger_book, node);

            if (!service || strcmp(b->service, service) == 0)
                (void)json_array_append_new(/* NULL: no memory, and then there are fewer */
                                            services, book_of(b));
        }
    return json_pack("{s:s, s:o}", "schema", "stint.leaks/1", "services", services);
}
