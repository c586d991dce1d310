/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/units.h"
#include "config/deadlines.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_deadlines.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/report_internal.h"

/* `deadlines` of a service in the status: what is configured, and what came of it. */
#define ROWS_TOLD 64

static void
put_ms(struct object *o, const char *key, int64_t us)
{
    if (us > 0)
        object_number(o, key, us / US_PER_MS);
}

/* ---- Overruns ----------------------------------------------------------------------------------- */

static json_t *
overrun_json(const struct overrun *one, const struct hand *h, int64_t now_us)
{
    struct object o = object_new();

    object_text(&o, "thread", one->thread);
    object_text_unless_empty(&o, "creator", one->creator);
    object_text(&o, "task", one->task);
    object_text(&o, "scope", one->scope);
    object_text_unless_empty(&o, "trace_id", one->trace_id);
    object_number(&o, "over_ms", one->over_us / US_PER_MS);
    object_number(&o, "most_ms", one->most_us / US_PER_MS);
    object_number(&o, "count", (int64_t)one->count);
    object_bool(&o, "live", one->live);
    object_ago_ms(&o, "last_ago_ms", one->last_us, now_us);
    if (one->live && h) {
        object_number(&o, "generation", (int64_t)h->generation);
        object_number(&o, "slot", h->slot);
        object_number(&o, "pid", h->pid);
        object_number(&o, "tid", one->tid);
    }
    return object_take(&o);
}

/* One of its workers: is there anything to be read? Of a service without deadlines a word of the header tells. */
static bool
is_read(const struct hand *h)
{
    if (!h || h->registry_fd < 0 || h->deadlines.closed || !h->spec || !h->spec->libstint)
        return false;
    return deadlines_configured(h->spec) || overruns_any(h->registry_fd);
}

/* What has ended goes into @sum. Return: how many have not, and (@rows not NULL) a row for each of them. */
static size_t
gather_worker(const struct hand *h, json_t *rows, struct overruns *sum, int64_t now_us)
{
    struct overruns all;
    size_t n_live;

    if (!is_read(h) ||
        overruns_read(h->registry_fd, now_us, h->spec->deadlines.tolerance_us, &all, NULL) < 0)
        return 0;
    n_live = all.n_live;
    for (size_t i = 0; rows && i < n_live && json_array_size(rows) < ROWS_TOLD; i++)
        (void)array_add(rows, overrun_json(&all.of[i], h, now_us)); /* or it is missing */
    memmove(all.of, all.of + n_live, (all.n - n_live) * sizeof(*all.of));
    all.n -= n_live;
    all.n_live = 0;
    overruns_add(sum, &all);
    overruns_finish(&all);
    return n_live;
}

static size_t
gather_all(struct master *m, const struct service *s, json_t *rows, struct overruns *sum,
           int64_t now_us)
{
    const struct overruns *gone = ledger_overruns(m->leaks.ledger, s->name);
    size_t live = 0;

    if (gone)
        overruns_add(sum, gone);
    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);

        list_for_each (pos, &g->workers)
            live += gather_worker(hand_find(m, container_of(pos, struct worker, node)->id), rows,
                                  sum, now_us);
    }
    return live;
}

void
deadlines_sum(struct master *m, const struct service *s, struct overruns *sum, unsigned *ret_live)
{
    *ret_live = (unsigned)gather_all(m, s, NULL, sum, mono_now_us());
}

/* Live ones of all workers, then what has ended, which is left in @sum; callers, too. */
static json_t *
gather(struct master *m, const struct service *s, struct overruns *sum, int64_t now_us)
{
    json_t *rows = json_array();

    (void)gather_all(m, s, rows, sum, now_us);
    for (size_t i = 0; i < sum->n && json_array_size(rows) < ROWS_TOLD; i++)
        (void)array_add(rows, overrun_json(&sum->of[i], NULL, now_us));
    return rows;
}

/* ---- Edges -------------------------------------------------------------------------------------- */

struct edges {
    const struct service *service;
    const struct overruns *seen;
    json_t *rows;
    bool told[ROWS_TOLD]; /* of seen->callers */
};

/* What arrived, against what was declared. */
static void
say_seen(const struct deadline_edge *e, const struct overrun_caller *c, char *text, size_t size)
{
    char one[32], other[32];

    text[0] = '\0';
    if (c->without > 0 && e->budget_us == 0)
        (void)snprintf(text, size,
                       "%" PRIu64 " calls said no timeout, and '%s' has no limit at all",
                       c->without, e->callee);
    else if (e->timeout_us > 0 && c->without > 0 && e->budget_us > e->timeout_us)
        (void)snprintf(text, size,
                       "%" PRIu64 " calls said no timeout, and were worked on for up to %s, where "
                       "the caller waits no longer than %s",
                       c->without, duration_human(e->budget_us, one, sizeof(one)),
                       duration_human(e->timeout_us, other, sizeof(other)));
    else if (e->timeout_us > 0 && c->most_us > e->timeout_us)
        (void)snprintf(text, size, "a call came with a timeout of %s, where %s is declared",
                       duration_human(c->most_us, one, sizeof(one)),
                       duration_human(e->timeout_us, other, sizeof(other)));
}

static void
add_edge(struct edges *edges, const struct deadline_edge *e, const struct overrun_caller *c)
{
    struct object o = object_new();
    char fault[512];

    deadline_edge_say(e, fault, sizeof(fault));
    if (c && !fault[0])
        say_seen(e, c, fault, sizeof(fault));
    object_text(&o, "caller", e->caller);
    put_ms(&o, "client_timeout_ms", e->timeout_us);
    put_ms(&o, "budget_ms", e->budget_us);
    if (c) {
        object_number(&o, "calls", (int64_t)c->calls);
        object_number(&o, "without_timeout", (int64_t)c->without);
        object_number(&o, "malformed", (int64_t)c->malformed);
        object_number(&o, "expired", (int64_t)c->expired);
        object_number(&o, "cut", (int64_t)c->cut);
        object_number(&o, "overruns", (int64_t)c->overruns);
        put_ms(&o, "shortest_ms", c->least_us);
        put_ms(&o, "longest_ms", c->most_us);
    }
    object_text_unless_empty(&o, "fault", fault);
    (void)array_add(edges->rows, object_take(&o));
}

static const struct overrun_caller *
seen_of(struct edges *edges, const char *name)
{
    for (size_t i = 0; i < edges->seen->n_callers && i < ROWS_TOLD; i++)
        if (strcmp(edges->seen->callers[i].name, name) == 0) {
            edges->told[i] = true;
            return &edges->seen->callers[i];
        }
    return NULL;
}

static void
on_edge(void *env, const struct deadline_edge *e)
{
    struct edges *edges = env;

    if (strcmp(e->callee, edges->service->name) == 0)
        add_edge(edges, e, seen_of(edges, e->caller));
}

json_t *
deadlines_edges(const struct master *m, const struct service *s, const struct overruns *seen)
{
    struct edges edges = {.service = s, .seen = seen, .rows = json_array()};

    deadline_edges(m->spec, on_edge, &edges);
    for (size_t i = 0; i < seen->n_callers && i < ROWS_TOLD; i++) {
        const struct overrun_caller *c = &seen->callers[i];
        struct deadline_edge e = {.caller = c->name,
                                  .callee = s->name,
                                  .timeout_us = deadline_client_us(s->spec, c->name),
                                  .budget_us = deadline_budget_us(s->spec),
                                  .none = s->spec->deadlines.none};

        if (!edges.told[i])
            add_edge(&edges, &e, c);
    }
    return edges.rows;
}

/* ---- All of it ---------------------------------------------------------------------------------- */

static json_t *
headers_of(const struct deadline_policy *d)
{
    json_t *all = json_object();

    for (size_t i = 0; i < d->n_headers; i++) /* or it is missing */
        (void)json_object_set_new(all, d->headers[i].name,
                                  json_string(timeout_unit_name(d->headers[i].unit)));
    return all;
}

json_t *
deadlines_of_service(void *env, const struct service *s)
{
    struct master *m = env;
    const struct deadline_policy *d = &s->spec->deadlines;
    struct overruns sum = {.n = 0};
    json_t *rows, *edges;
    struct object o;

    rows = gather(m, s, &sum, mono_now_us());
    if (!deadlines_configured(s->spec) && !d->none && json_array_size(rows) == 0 &&
        sum.n_callers == 0) {
        json_decref(rows);
        overruns_finish(&sum);
        return NULL;
    }
    edges = deadlines_edges(m, s, &sum);
    o = object_new();
    object_bool(&o, "configured", deadlines_configured(s->spec));
    if (d->none)
        object_text(&o, "none", d->none);
    put_ms(&o, "default_ms", d->default_us);
    put_ms(&o, "max_ms", d->max_us);
    object_number(&o, "reserve_ms", d->reserve_us / US_PER_MS);
    object_number(&o, "tolerance_ms", d->tolerance_us / US_PER_MS);
    if (d->n_headers > 0)
        object_set(&o, "headers", headers_of(d));
    object_number(&o, "overruns_total", (int64_t)sum.total);
    object_set(&o, "overruns", rows);
    object_set(&o, "edges", edges);
    overruns_finish(&sum);
    return object_take(&o);
}

/* ---- In the history of leaks --------------------------------------------------------------------- */

/* The entry of @name in stint.leaks/1, made where nobody was looked at yet; NULL: no memory. */
static json_t *
entry_of(json_t *services, const char *name)
{
    json_t *one;
    size_t i;

    json_array_foreach(services, i, one)
    {
        const char *is = json_string_value(json_object_get(one, "service"));

        if (is && strcmp(is, name) == 0)
            return one;
    }
    one = json_pack("{s:s, s:i, s:[], s:[], s:[]}", "service", name, "looks", 0, "groups",
                    "retained", "certificates");
    return json_array_append_new(services, one) == 0 ? one : NULL;
}

json_t *
deadlines_add(struct master *m, const char *service, json_t *leaks)
{
    json_t *services = json_object_get(leaks, "services");

    list_for_each (n, &m->core->services) {
        const struct service *s = container_of(n, struct service, node);
        struct overruns sum = {.n = 0};
        json_t *rows, *entry;

        if (!services || (service && strcmp(s->name, service) != 0))
            continue;
        rows = gather(m, s, &sum, mono_now_us());
        entry = json_array_size(rows) > 0 ? entry_of(services, s->name) : NULL;
        if (entry) /* or it is missing */
            (void)json_object_set(entry, "overruns", rows);
        json_decref(rows);
        overruns_finish(&sum);
    }
    return leaks;
}
