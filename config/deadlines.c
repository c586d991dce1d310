/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/deadlines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"
#include "config/spec.h"

static const struct service_spec *
service_of(const struct spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (strcmp(spec->services[i]->name, name) == 0)
            return spec->services[i];
    return NULL;
}

static int64_t
timeout_of(const struct named_timeouts *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->of[i].name, name) == 0)
            return t->of[i].us;
    return 0;
}

bool
deadlines_configured(const struct service_spec *s)
{
    const struct deadline_policy *d = &s->deadlines;

    return d->default_us > 0 || d->max_us > 0 || d->n_headers > 0 || d->clients.n > 0 ||
           d->calls.n > 0;
}

int64_t
deadline_budget_us(const struct service_spec *s)
{
    return s->deadlines.default_us > 0 ? s->deadlines.default_us : s->deadlines.max_us;
}

int64_t
deadline_client_us(const struct service_spec *s, const char *caller)
{
    int64_t us = timeout_of(&s->deadlines.clients, caller);

    return us > 0 ? us : timeout_of(&s->deadlines.clients, "*");
}

/* @from: the caller, where it is one of ours. The worst comes first. */
static enum edge_fault
fault_of(struct deadline_edge *e, const struct service_spec *from, int64_t said_us)
{
    const int64_t own_us = from ? deadline_budget_us(from) : 0;

    if (e->budget_us == 0)
        return EDGE_UNBOUNDED;
    if (e->budget_us > e->timeout_us)
        return EDGE_TOO_LONG;
    e->other_us = said_us;
    if (said_us > 0 && said_us != e->timeout_us)
        return EDGE_DISPUTED;
    e->other_us = own_us;
    return own_us > 0 && own_us < e->timeout_us ? EDGE_UNREAL : EDGE_FINE;
}

struct walk {
    const struct spec *spec;
    void (*each)(void *env, const struct deadline_edge *edge);
    void *env;
};

/* What is called elsewhere has a limit that nobody here knows: only the caller's own counts. */
static void
tell_call(const struct walk *w, const struct service_spec *from, const struct named_timeout *call)
{
    const struct service_spec *to = service_of(w->spec, call->name);
    struct deadline_edge e = {.caller = from->name,
                              .callee = call->name,
                              .timeout_us = call->us,
                              .budget_us = to ? deadline_budget_us(to) : call->us,
                              .none = to ? to->deadlines.none : NULL,
                              .said = call};

    e.fault = fault_of(&e, from, to ? timeout_of(&to->deadlines.clients, from->name) : 0);
    w->each(w->env, &e);
}

static void
tell_client(const struct walk *w, const struct service_spec *to, const struct named_timeout *client)
{
    const struct service_spec *from = service_of(w->spec, client->name);
    struct deadline_edge e = {.caller = client->name,
                              .callee = to->name,
                              .timeout_us = client->us,
                              .budget_us = deadline_budget_us(to),
                              .none = to->deadlines.none,
                              .said = client};

    if (from && timeout_of(&from->deadlines.calls, to->name) > 0)
        return; /* told from the caller's side */
    e.fault = fault_of(&e, from, 0);
    w->each(w->env, &e);
}

void
deadline_edges(const struct spec *spec, void (*each)(void *env, const struct deadline_edge *edge),
               void *env)
{
    const struct walk w = {spec, each, env};

    for (size_t i = 0; i < spec->n_services; i++) {
        const struct deadline_policy *d = &spec->services[i]->deadlines;

        for (size_t j = 0; j < d->calls.n; j++)
            tell_call(&w, spec->services[i], &d->calls.of[j]);
        for (size_t j = 0; j < d->clients.n; j++)
            tell_client(&w, spec->services[i], &d->clients.of[j]);
    }
}

static const char *
who(const struct deadline_edge *e, char *text, size_t size)
{
    if (strcmp(e->caller, "*") == 0)
        return "a caller";
    (void)snprintf(text, size, "'%s'", e->caller);
    return text;
}

void
deadline_edge_say(const struct deadline_edge *e, char *text, unsigned size)
{
    char name[96], timeout[32], budget[32], other[32];
    const char *caller = who(e, name, sizeof(name));

    duration_format(e->timeout_us, timeout, sizeof(timeout));
    duration_format(e->budget_us, budget, sizeof(budget));
    duration_format(e->other_us, other, sizeof(other));
    text[0] = '\0';
    switch (e->fault) {
    case EDGE_FINE:
        break;
    case EDGE_UNBOUNDED:
        if (e->none)
            (void)snprintf(text, size,
                           "%s waits no longer than %s for '%s', which has no deadline on purpose "
                           "(%s): give its 'deadlines' a 'default', or the caller more patience",
                           caller, timeout, e->callee, e->none);
        else
            (void)snprintf(
                text, size,
                "%s waits no longer than %s for '%s', which has no limit at all: give its "
                "'deadlines' a 'default'",
                caller, timeout, e->callee);
        break;
    case EDGE_TOO_LONG:
        (void)snprintf(text, size,
                       "%s waits no longer than %s for '%s', which works up to %s for a call that "
                       "says nothing of a timeout: lower 'default' of its 'deadlines' to %s",
                       caller, timeout, e->callee, budget, timeout);
        break;
    case EDGE_UNREAL:
        (void)snprintf(text, size,
                       "%s waits up to %s for '%s', and may take no more than %s itself: lower "
                       "'%s' in its 'calls'",
                       caller, timeout, e->callee, other, e->callee);
        break;
    case EDGE_DISPUTED:
        (void)snprintf(
            text, size,
            "%s calls '%s' with a timeout of %s, where 'client_timeout' of '%s' says %s: "
            "one of them is wrong",
            caller, e->callee, timeout, e->callee, other);
        break;
    }
}

static void
warn(void *env, const struct deadline_edge *e)
{
    char text[512];

    if (e->fault == EDGE_FINE)
        return;
    deadline_edge_say(e, text, sizeof(text));
    if (e->said && e->said->file) /* without memory it is missing */
        (void)strv_addf(env, "%s:%u:%u: deadlines: %s", e->said->file, e->said->line,
                        e->said->column, text);
    else
        (void)strv_addf(env, "deadlines: %s", text);
}

void
deadline_warnings(const struct spec *spec, struct strv *ret)
{
    deadline_edges(spec, warn, ret);
}
