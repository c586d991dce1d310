/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/error.h"
#include "base/list.h"
#include "base/units.h"
#include "supervisor/core/image.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* A core that came out of an image: what is derived, and what has to be asked for once more. */

int
image_restored(struct core *c, struct error *reterr)
{
    if (!agenda_link_all(c))
        return error_set(reterr, -ENOMEM, "link the services of an image");
    places_restore(c);
    agenda_restore(c);
    return 0;
}

static void
resume_generation(struct core *c, struct generation *g)
{
    if (g->hook != HOOK_NONE)
        hook_ask(c, g);
    survey_resume(c, g);
    list_for_each (n, &g->workers) {
        struct worker *w = container_of(n, struct worker, node);

        if (w->state == WORKER_LEAKED && !w->evidence) /* nobody could answer meanwhile */
            worker_ask_evidence(c, w, w->deadline_us > c->now_us ? w->deadline_us : c->now_us);
        if (w->answer_us != TIME_NEVER) { /* the same here */
            w->answer_us = TIME_NEVER;
            w->inspect_us = c->now_us;
        }
    }
}

static void
resume_service(struct core *c, struct service *s)
{
    if (s->reload.state == RELOAD_LOOKING || s->reload.state == RELOAD_CHECKING)
        (void)reload_ask(c, s); /* lost for want of memory: its deadline makes up for it */
    if (s->reload.state == RELOAD_ASKING)
        reload_signal_resume(c, s);
    list_for_each (n, &s->generations)
        resume_generation(c, container_of(n, struct generation, node));
}

void
core_resume(struct core *c, int64_t now_us, struct effects *fx)
{
    c->now_us = now_us;
    c->fx = fx;
    list_for_each (n, &c->services)
        resume_service(c, container_of(n, struct service, node));
    agenda_add_all(c);
    c->fx = NULL;
}
