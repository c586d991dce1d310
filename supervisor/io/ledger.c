/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "supervisor/io/ledger_internal.h"
#include "supervisor/probe/history_json.h"

/* ---- books ---------------------------------------------------------------------------------- */

struct ledger_book *
ledger_find(const struct ledger *l, const char *service)
{
    for (struct table_node *n = l ? table_find(&l->by_name, table_key(service)) : NULL; n;
         n = table_next(n)) {
        struct ledger_book *b = container_of(n, struct ledger_book, by_name);

        if (strcmp(b->service, service) == 0)
            return b;
    }
    return NULL;
}

struct ledger_book *
ledger_make(struct ledger *l, const char *service)
{
    struct ledger_book *b = ledger_find(l, service);

    if (b || l->n_books >= LEDGER_SERVICES || strlen(service) >= sizeof(b->service))
        return b;
    b = calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    (void)snprintf(b->service, sizeof(b->service), "%s", service);
    list_add(&l->books, &b->node);
    table_add(&l->by_name, &b->by_name, table_key(service));
    l->n_books++;
    return b;
}

const struct history *
ledger_book(const struct ledger *l, const char *service)
{
    const struct ledger_book *b = ledger_find(l, service);

    return b ? &b->history : NULL;
}

/* ---- lines ------------------------------------------------------------------------------------ */

static int64_t
number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* What a kind of thread is called, as well as it is known. */
static const char *
called(const struct history_group *g)
{
    return g->name[0] ? g->name : g->start[0] ? g->start : g->key;
}

static void
on_news(void *env, enum history_news news, const struct history_group *group,
        const struct history_sighting *seen)
{
    struct ledger_news *n = env;
    size_t at = strlen(n->trend);

    if (news != NEWS_RISING || at + 80 > sizeof(n->trend))
        return;
    (void)snprintf(
        n->trend + at, sizeof(n->trend) - at,
        "%sthreads `%s`%s%s are more and more: %u now, %s%" PRId64 ".%" PRId64 " with each",
        at ? "; " : "", called(group), group->creator[0] ? " started by " : "", group->creator,
        history_last(seen->state == HISTORY_LEAKED ? &seen->leaked : &seen->all),
        group->growth_milli >= 0 ? "+" : "", group->growth_milli / 1000,
        (group->growth_milli < 0 ? -group->growth_milli : group->growth_milli) % 1000 / 100);
}

/* The first look of a generation while it lives is compared with the one before it. */
static bool
is_first(const struct history *h, uint64_t generation)
{
    for (unsigned i = 0; i < h->n_looked; i++)
        if (h->looked[i].generation >= generation)
            return false;
    return h->n_looked > 0;
}

static bool
take_look(struct ledger_book *b, const json_t *line, struct ledger_news *news)
{
    uint64_t generation = (uint64_t)number(line, "generation");
    bool first = is_first(&b->history, generation);
    struct sight sight = {0};
    int r = sight_read(json_object_get(line, "look"), generation, (pid_t)number(line, "pid"),
                       number(line, "at_wall_us"), &sight);

    if (r < 0)
        return r != -EINVAL;
    r = history_look(&b->history, &sight, news ? on_news : NULL, news);
    (void)r; /* no memory: a part may be missing, and the book is in order */
    if (news && first && !sight.asked)
        ledger_compare(&b->history, generation, news->compare, sizeof(news->compare));
    sight_finish(&sight);
    return true;
}

static bool
take_certificate(struct ledger_book *b, const json_t *saved)
{
    struct certificate c;

    if (certificate_load(saved, &c) < 0)
        return false;
    for (unsigned i = 0; i < b->history.n_certificates; i++)
        if (b->history.certificates[i].generation == c.generation)
            return true; /* a master was killed over it */
    history_certify(&b->history, &c);
    return true;
}

static bool
take_history(struct ledger_book *b, const json_t *saved)
{
    struct history h;

    if (history_load(saved, &h) < 0)
        return false;
    history_finish(&b->history);
    b->history = h;
    return true;
}

bool
ledger_take(struct ledger *l, const json_t *line, struct ledger_news *news)
{
    const char *service = json_string_value(json_object_get(line, "service"));
    struct ledger_book *b = service && service[0] ? ledger_make(l, service) : NULL;
    const json_t *o;

    if (!b)
        return service != NULL && l->n_books >= LEDGER_SERVICES;
    if (json_object_get(line, "look"))
        return take_look(b, line, news);
    if ((o = json_object_get(line, "retained")) != NULL)
        return retained_load(o, (uint64_t)number(line, "generation"), number(line, "at_wall_us"),
                             &b->history) != -EINVAL;
    if ((o = json_object_get(line, "certificate")) != NULL)
        return take_certificate(b, o);
    if ((o = json_object_get(line, "history")) != NULL)
        return take_history(b, o);
    if (json_object_get(line, "overruns"))
        return ledger_overruns_take(b, line);
    if (!json_is_integer(json_object_get(line, "gone")))
        return false;
    history_gone(&b->history, (pid_t)number(line, "gone"),
                 json_is_true(json_object_get(line, "killed")), number(line, "at_wall_us"), NULL,
                 NULL);
    return true;
}

/* Taken in and written down are the same line, so a replay makes the same book. */
static void
enter(struct ledger *l, json_t *line, struct ledger_news *news)
{
    if (line && ledger_take(l, line, news))
        ledger_write(l, line);
    json_decref(line);
}

/* A report without what the book does not take. */
static json_t *
in_short(const json_t *report)
{
    static const char *const left_out[] = {"threads", "cycles",    "scopes",
                                           "summary", "processes", "overruns"};
    json_t *o = json_copy((json_t *)(uintptr_t)report); /* it only lacks a const */

    for (size_t i = 0; o && i < ARRAY_LEN(left_out); i++)
        (void)json_object_del(o, left_out[i]);
    return o;
}

void
ledger_look(struct ledger *l, const char *service, uint64_t generation, pid_t pid,
            const json_t *report, struct ledger_news *ret)
{
    *ret = (struct ledger_news){.compare = ""};
    if (!l || !report || !json_object_get(report, "groups")) /* nothing was seen */
        return;
    enter(l,
          json_pack("{s:s, s:I, s:i, s:I, s:o}", "service", service, "generation",
                    (json_int_t)generation, "pid", (int)pid, "at_wall_us",
                    (json_int_t)wall_now_us(), "look", in_short(report)),
          ret);
}

static bool
was_seen(const struct history *h, pid_t pid)
{
    for (size_t i = 0; i < h->n_groups; i++)
        for (unsigned k = 0; k < h->groups[i].n_seen; k++)
            if (h->groups[i].seen[k].pid == pid && !h->groups[i].seen[k].process_gone)
                return true;
    for (size_t i = 0; i < h->n_retained; i++)
        if (h->retained[i].pid == pid && h->retained[i].over_wall_us == 0)
            return true;
    return false;
}

void
ledger_retain(struct ledger *l, const char *service, uint64_t generation, const json_t *process)
{
    if (l && process)
        enter(l,
              json_pack("{s:s, s:I, s:I, s:O}", "service", service, "generation",
                        (json_int_t)generation, "at_wall_us", (json_int_t)wall_now_us(), "retained",
                        process),
              NULL);
}

void
ledger_gone(struct ledger *l, const char *service, pid_t pid, bool killed)
{
    const struct history *h = ledger_book(l, service);

    if (h && was_seen(h, pid))
        enter(l,
              json_pack("{s:s, s:i, s:b, s:I}", "service", service, "gone", (int)pid, "killed",
                        killed, "at_wall_us", (json_int_t)wall_now_us()),
              NULL);
}

bool
ledger_overrun(struct ledger *l, const char *service, uint64_t generation, pid_t pid,
               const struct overruns *o)
{
    json_t *line = ledger_overruns_line(l, service, generation, pid, o);
    bool fresh = line != NULL;

    enter(l, line, NULL);
    return fresh || !l;
}

void
ledger_certify(struct ledger *l, const char *service, const struct ledger_certificate *c)
{
    const struct history *h = ledger_book(l, service);
    struct certificate full = {
        .generation = c->generation,
        .at_wall_us = wall_now_us(),
        .pids_gone = c->pids_gone,
        .cgroup_empty = c->cgroup_empty,
        .fds_returned = c->fds_returned,
        .threads_joined = c->threads_joined,
        .threads_known = c->threads_known,
        .processes = c->processes,
        .leaks = c->leaks,
        .killed = c->killed,
        .escapees = c->escapees,
        .unread = c->unread,
        .grade = !c->pids_gone     ? CERTIFICATE_ASSUMED
                 : c->cgroup_empty ? CERTIFICATE_CGROUP
                                   : CERTIFICATE_PIDS,
    };

    if (!l)
        return;
    for (unsigned i = 0; h && i < h->n_certificates; i++)
        if (h->certificates[i].generation == c->generation)
            return;
    for (size_t i = 0; i < CERTIFICATE_HOWS; i++)
        (void)snprintf(full.how[i], sizeof(full.how[i]), "%s", c->how[i] ? c->how[i] : "none");
    (void)snprintf(full.text, sizeof(full.text), "%s", c->text);
    enter(l, json_pack("{s:s, s:o}", "service", service, "certificate", certificate_save(&full)),
          NULL);
}

/* ---- life --------------------------------------------------------------------------------------- */

int
ledger_open(const char *path, void (*say)(void *env, const char *sentence), void *env,
            struct ledger **ret)
{
    struct ledger *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    list_init(&l->books);
    l->fd = -1;
    l->say = say;
    l->env = env;
    l->path = path ? strdup(path) : NULL;
    if (path && !l->path) {
        free(l);
        return -ENOMEM;
    }
    if (l->path)
        ledger_read(l);
    *ret = l;
    return 0;
}

void
ledger_close(struct ledger *l)
{
    if (!l)
        return;
    list_for_each_safe (n, &l->books) {
        struct ledger_book *b = container_of(n, struct ledger_book, node);

        history_finish(&b->history);
        ledger_overruns_free(b);
        free(b);
    }
    table_finish(&l->by_name);
    (void)fd_close(l->fd);
    free(l->path);
    free(l);
}
