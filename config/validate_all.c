/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services against each other: addresses that clash, dependencies that are unknown or in a circle. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/text.h"
#include "config/load.h"

/* One address that somebody binds. */
struct claim {
    const char *address;       /* borrowed from the spec */
    int family;                /* only those of one family and port can clash */
    const char *port;          /* within @address; "" for a unix socket */
    bool every_host;           /* 0.0.0.0 or [::], beside which no other host can be bound */
    const struct entry *entry; /* whose it is */
    const char *listener;      /* its name; NULL for the probe_listener */
    size_t order;              /* of appearance */
};

/* Port 0 is another port each time: no claim. */
static void
claim_add(struct claim *claims, size_t *n, const char *address, const struct entry *entry,
          const char *listener)
{
    bool tcp = strncmp(address, "tcp://", 6) == 0;
    const char *port = tcp ? strrchr(address, ':') : "";

    if (strcmp(port, ":0") == 0)
        return;
    claims[*n] = (struct claim){
        .address = address,
        .family = !tcp                ? AF_UNIX
                  : address[6] == '[' ? AF_INET6
                                      : AF_INET,
        .port = port,
        .every_host =
            strncmp(address, "tcp://0.0.0.0:", 14) == 0 || strncmp(address, "tcp://[::]:", 11) == 0,
        .entry = entry,
        .listener = listener,
        .order = *n,
    };
    ++*n;
}

/* What can clash stands together, and who takes every host comes first. */
static int
by_address(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int order = x->family - y->family;

    if (order == 0)
        order = strcmp(x->port, y->port);
    if (order == 0)
        order = y->every_host - x->every_host;
    if (order == 0)
        order = strcmp(x->address, y->address);
    return order ? order : x->order < y->order ? -1 : 1;
}

static bool
clash(const struct claim *first, const struct claim *other)
{
    return strcmp(first->address, other->address) == 0 ||
           (first->every_host && first->family == other->family &&
            strcmp(first->port, other->port) == 0);
}

static const struct node *
claim_node(const struct load *l, const struct claim *c)
{
    const struct node *at = entry_node(l, c->entry, c->listener ? "listen" : "probe_listener");
    const struct node *listener = c->listener ? node_get(at, c->listener) : NULL;
    const struct node *address = node_get(listener, "address");

    return address ? address : listener ? listener : at;
}

/* At the later one of the two. */
static void
report_clash(struct load *l, const struct claim *a, const struct claim *b)
{
    const struct claim *first = a->order < b->order ? a : b, *second = first == a ? b : a;
    const struct node *there = claim_node(l, first);
    auto_text struct text how = TEXT_INIT;

    if (strcmp(first->address, second->address) == 0)
        text_add(&how, "is already");
    else
        text_addf(&how, "cannot be bound beside %s,", first->address);
    (void)finding(&l->reader, claim_node(l, second), NULL,
                  "address %s %s that of %s%s%s of service '%s' (%s:%u:%u)", second->address,
                  text_str(&how), first->listener ? "listener '" : "",
                  first->listener ? first->listener : "the probe_listener",
                  first->listener ? "'" : "", first->entry->spec->name, there->source->name,
                  there->line, there->column);
}

void
validate_addresses(struct load *l)
{
    auto_free struct claim *claims = NULL;
    const struct claim *first = NULL;
    size_t n = 0, room = 1;

    for (size_t i = 0; i < l->n_entries; i++)
        room += l->entries[i].spec ? l->entries[i].spec->n_listen + 1 : 0;
    claims = calloc(room, sizeof(*claims));
    if (!claims) {
        (void)no_memory(&l->reader);
        return;
    }
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct service_spec *s = l->entries[i].spec;

        for (size_t j = 0; s && j < s->n_listen; j++)
            claim_add(claims, &n, s->listen[j].address, &l->entries[i], s->listen[j].name);
        if (s && s->probe_listener)
            claim_add(claims, &n, s->probe_listener, &l->entries[i], NULL);
    }
    qsort(claims, n, sizeof(*claims), by_address);
    for (size_t i = 0; i < n; i++) {
        if (first && clash(first, &claims[i]))
            report_clash(l, first, &claims[i]);
        else
            first = &claims[i];
    }
}

/* The place of one name in depends_on. */
static const struct node *
dependency_node(const struct load *l, const struct entry *e, size_t i)
{
    const struct node *n = entry_node(l, e, "depends_on");

    if (n->kind == NODE_SCALAR || i >= n->n)
        return n;
    return n->kind == NODE_MAP ? n->keys[i] : n->items[i];
}

/* Who stays is ready, and who ends has completed. */
static void
check_awaited(struct load *l, const struct entry *e, const struct entry *on, const struct node *at)
{
    const char *name = on->name->text;
    bool completed = service_awaits_completion(e->spec, name);

    if (!on->spec || completed == (on->spec->type == TYPE_ONESHOT))
        return;
    if (completed)
        (void)finding(&l->reader, at, NULL,
                      "'%s' is no 'type: oneshot' and never completes: write {%s: ready}", name,
                      name);
    else
        (void)finding(&l->reader, at, NULL,
                      "'%s' is a 'type: oneshot' and never ready: write {%s: completed}", name,
                      name);
}

static void
check_known(struct load *l, const struct entry *e)
{
    for (size_t i = 0; i < e->spec->depends_on.n; i++) {
        const char *name = e->spec->depends_on.items[i];
        struct suggestion s = {.wanted = name};

        if (entry_find(l, name)) {
            check_awaited(l, e, entry_find(l, name), dependency_node(l, e, i));
            continue;
        }
        for (size_t j = 0; j < l->n_entries && !findings_full(&l->reader); j++)
            suggest(&s, l->entries[j].name->text);
        (void)finding(&l->reader, dependency_node(l, e, i), s.best,
                      "service '%s' depends on '%s', which there is not", e->spec->name, name);
    }
}

/* A walk along depends_on, with the way back on a stack of our own: chains may be long. */
struct walk {
    unsigned char *colour; /* by entry: 0 not seen, 1 on the way, 2 done */
    size_t *way;           /* entries from the start to here */
    size_t *next;          /* which of its dependencies comes next */
    size_t depth;
};

static void
report_cycle(struct load *l, const struct walk *w, size_t back_to)
{
    enum { SHOWN = 10 };
    const struct entry *last = &l->entries[w->way[w->depth - 1]];
    auto_text struct text circle = TEXT_INIT;
    size_t from = 0;

    while (w->way[from] != back_to)
        from++;
    for (size_t i = from; i < w->depth && i < from + SHOWN; i++)
        text_addf(&circle, "%s → ", l->entries[w->way[i]].spec->name);
    if (w->depth - from > SHOWN)
        text_add(&circle, "… → ");
    (void)finding(&l->reader, dependency_node(l, last, w->next[w->depth - 1] - 1), NULL,
                  "services wait for each other: %s%s", text_str(&circle),
                  l->entries[back_to].spec->name);
}

static void
walk_from(struct load *l, struct walk *w, size_t start)
{
    w->way[0] = start;
    w->next[0] = 0;
    w->depth = 1;
    w->colour[start] = 1;
    while (w->depth > 0) {
        size_t here = w->way[w->depth - 1];
        const struct strv *to = &l->entries[here].spec->depends_on;
        const struct entry *there;
        size_t i;

        if (w->next[w->depth - 1] == to->n) {
            w->colour[here] = 2;
            w->depth--;
            continue;
        }
        there = entry_find(l, to->items[w->next[w->depth - 1]++]);
        if (!there || !there->spec)
            continue;
        i = (size_t)(there - l->entries);
        if (w->colour[i] == 1) {
            report_cycle(l, w, i);
        } else if (w->colour[i] == 0) {
            w->colour[i] = 1;
            w->way[w->depth] = i;
            w->next[w->depth++] = 0;
        }
    }
}

void
validate_dependencies(struct load *l)
{
    auto_free unsigned char *colour = calloc(l->n_entries + 1, sizeof(*colour));
    auto_free size_t *way = calloc(l->n_entries + 1, sizeof(*way));
    auto_free size_t *next = calloc(l->n_entries + 1, sizeof(*next));
    struct walk w = {.colour = colour, .way = way, .next = next};

    if (!colour || !way || !next) {
        (void)no_memory(&l->reader);
        return;
    }
    for (size_t i = 0; i < l->n_entries; i++)
        if (l->entries[i].spec)
            check_known(l, &l->entries[i]);
    for (size_t i = 0; i < l->n_entries; i++)
        if (l->entries[i].spec && colour[i] == 0)
            walk_from(l, &w, i);
}
