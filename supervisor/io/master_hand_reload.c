/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/child.h"
#include "supervisor/io/master_books.h"
#include "supervisor/io/master_reload.h"
#include "supervisor/io/ready.h"

/* handoff: signal: a worker is told to reload, and looked at from outside. */

#define AFTER_ALL_US (250 * US_PER_MS) /* the core's own deadline comes first */

static void
hand_on_rewritten(void *env)
{
    struct hand *h = env;
    struct event ev = {.type = EVENT_REWRITTEN, .worker = h->worker};

    master_post(h->master, &ev);
}

void
hand_watch_rewrite(struct hand *h, const struct worker *w, bool told)
{
    struct ready_request rq = {
        .spec = &h->spec->ready,
        .slot = h->slot,
        .pid = h->pid,
        .spawned_us = w->asked_us,
        .fd = -1,
        .rewritten = !told,
        .until_us = w->assume_us + AFTER_ALL_US,
        .directory = h->spec->directory,
        .on_ready = hand_on_rewritten,
        .env = h,
    };
    struct error err = {0};

    if (h->spec->ready.mode != READY_FILE)
        return; /* the others ask a worker that is ready already, and would be told so at once */
    ready_stop(steal(h->ready));
    if (ready_start(h->master->loop, &rq, &h->ready, &err) < 0) /* it will be assumed */
        journal_say(h->master->journal, LOG_LEVEL_ERROR, "probe_failed", "%s/%u: %s", h->service,
                    h->slot, err.text);
}

/* Whether the master before us had sent it nobody knows. A reload twice does no harm, but is said. */
static void
say_repeated(const struct hand *h)
{
    const struct journal_field fields[] = {
        FIELD_TEXT("service", h->service), FIELD_NUMBER("gen", (int64_t)h->generation),
        FIELD_NUMBER("slot", h->slot),     FIELD_NUMBER("pid", h->pid),
        FIELD_NUMBER("repeated", 1),       FIELD_TEXT("msg", "the reload signal is sent again"),
    };

    journal_event(h->master->journal, LOG_LEVEL_INFO, "reload_signal", fields, ARRAY_LEN(fields));
}

void
hand_reload(struct master *m, const struct effect *e)
{
    struct hand *h = hand_find(m, e->worker);
    const struct worker *w = core_worker(m->core, e->worker);
    struct event ev = {.type = EVENT_UNSENT, .worker = e->worker};
    bool repeated = e->number && e->number <= m->restored_effect;

    if (!h || h->dead || !w || !h->spec)
        return;
    if (repeated && w->asked_us == 0)
        return; /* its run is over: nobody waits for it */
    if (repeated)
        say_repeated(h);
    if (w->asked_us > 0)
        hand_watch_rewrite(h, w, repeated);
    ev.unsent.error = child_signal(h->pidfd, e->signo);
    if (ev.unsent.error < 0 && ev.unsent.error != -ESRCH) /* its death is on the way to us */
        master_post(m, &ev);
}

void
hands_renumber(struct master *m, const struct record *r)
{
    const struct service *s = core_service(m->core, r->service_id);
    const struct generation *g = s ? service_generation(s, r->generation) : NULL;

    if (!g)
        return;
    list_for_each (n, &g->workers) {
        struct hand *h = hand_find(m, container_of(n, struct worker, node)->id);

        if (h)
            h->generation = g->number;
    }
}

bool
hands_outdated(const struct master *m, uint32_t service)
{
    const struct service *s = core_service(m->core, service);
    const struct generation *g = s ? service_serving(s) : NULL;

    if (!g)
        return false;
    list_for_each (n, &g->workers) {
        const struct hand *h = hand_find(m, container_of(n, struct worker, node)->id);

        if (h && h->outdated.n > 0)
            return true;
    }
    return false;
}
