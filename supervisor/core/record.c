/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

void
copy_text(char *to, size_t room, const char *s)
{
    size_t n = s ? strlen(s) : 0;

    if (n >= room) {
        n = room - 1;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) /* not inside a character */
            n--;
    }
    if (n > 0)
        memcpy(to, s, n);
    to[n] = '\0';
}

static struct record *
record_add(struct core *c, enum record_kind kind)
{
    struct record *r = calloc(1, sizeof(*r));
    struct effect *e;

    if (!r) {
        c->fx->lost++;
        return NULL;
    }
    e = effects_add(c->fx, FX_RECORD);
    if (!e) { /* effects_add counted it */
        free(r);
        return NULL;
    }
    e->record = r;
    r->kind = kind;
    r->at_us = c->now_us;
    return r;
}

struct record *
record_service(struct core *c, enum record_kind kind, const struct service *s)
{
    struct record *r = record_add(c, kind);

    if (!r)
        return NULL;
    r->service_id = s->id;
    copy_text(r->service, sizeof(r->service), s->name);
    if (s->reload.state != RELOAD_IDLE) {
        r->reload = s->reload.id;
        memcpy(r->trace, s->reload.trace, sizeof(r->trace));
    }
    return r;
}

struct record *
record_generation(struct core *c, enum record_kind kind, const struct generation *g)
{
    struct record *r = record_service(c, kind, g->service);

    if (!r)
        return NULL;
    r->generation = g->number;
    r->reload = g->reload;
    memcpy(r->trace, g->trace, sizeof(r->trace));
    return r;
}

struct record *
record_worker(struct core *c, enum record_kind kind, const struct worker *w)
{
    struct record *r = record_generation(c, kind, w->generation);

    if (!r)
        return NULL;
    r->worker = w->id;
    r->slot = w->slot;
    r->pid = w->pid;
    return r;
}

void
record_text(struct record *r, const char *fmt, ...)
{
    va_list ap;

    if (!r)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof(r->text), fmt, ap); /* a cut sentence is still one */
    va_end(ap);
}

void
record_bug(struct core *c, const struct service *s, const char *life, const char *state, int event)
{
    struct record *r = record_service(c, RECORD_BUG, s);

    if (r)
        r->warning = true;
    record_text(r, "%s in state %s cannot take event %d; ignored", life, state, event);
}
