/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_usage.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/io/master_state.h"
#include "supervisor/io/report.h"
#include "supervisor/probe/proc.h"
#include "supervisor/probe/registry.h"

/*
 * Requests and memory are looked at every so often (`restart_after: {every: 10s}`), where somebody
 * has such a limit; who has none is woken up for nothing. Neither look waits for the worker. Age is
 * a deadline of the core.
 */

#define PER_TURN 256 /* of a turn of the loop; a look takes some 10 µs */

static bool
is_limited(const struct worker *w)
{
    const struct service_spec *spec = w->generation->spec;

    return (spec->restart_requests > 0 || spec->restart_rss_bytes > 0) &&
           w->state == WORKER_READY && !w->relieved && !w->escapee &&
           w->generation->state == GENERATION_SERVING;
}

static void
read_usage(const struct hand *h, const struct service_spec *spec, struct report_usage *ret)
{
    *ret = (struct report_usage){0};
    ret->has_requests = spec->restart_requests > 0 && h->registry_fd >= 0 &&
                        registry_served(h->registry_fd, &ret->requests) == 0;
    ret->has_rss = spec->restart_rss_bytes > 0 && proc_rss_read(h->pid, &ret->rss_bytes) == 0;
}

static void
look(struct hand *h, const struct worker *w)
{
    struct event ev = {.type = EVENT_USAGE, .worker = h->worker};
    struct report_usage usage;
    bool over;

    read_usage(h, w->generation->spec, &usage);
    over = worker_outlived(w, usage.requests, usage.rss_bytes) != RELIEF_NONE;
    if (over == h->usage.over)
        return;
    h->usage.over = over;
    ev.usage.requests = usage.requests;
    ev.usage.rss_bytes = usage.rss_bytes;
    master_post(h->master, &ev);
}

/* When this one is to be looked at; looks, when that is now. */
static int64_t
take_turn(struct hand *h, const struct worker *w, int64_t now_us, unsigned *budget)
{
    int64_t every_us = w->generation->spec->restart_every_us;

    if (h->usage.due_us == 0 || h->usage.due_us > now_us + every_us)
        h->usage.due_us = now_us + every_us;
    if (h->usage.due_us > now_us || *budget == 0)
        return h->usage.due_us;
    --*budget;
    h->usage.due_us = now_us + every_us;
    look(h, w);
    return h->usage.due_us;
}

static void
on_timer(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, usage_timer);
    int64_t now_us = mono_now_us(), next_us = TIME_NEVER;
    unsigned budget = PER_TURN;

    (void)revents;
    list_for_each_safe (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);
        const struct worker *w = core_worker(m->core, h->worker);
        int64_t due_us = w && is_limited(w) ? take_turn(h, w, now_us, &budget) : TIME_NEVER;

        next_us = due_us < next_us ? due_us : next_us;
    }
    if (next_us == TIME_NEVER)
        return;
    ev_timer_set(t, next_us > now_us ? (double)(next_us - now_us) / US_PER_S : 0., 0.);
    ev_timer_start(EV_A_ t);
}

void
usage_wake(struct master *m)
{
    ev_timer_stop(m->loop, &m->usage_timer);
    ev_timer_init(&m->usage_timer, on_timer, 0., 0.); /* whoever records may have no usage_init() */
    ev_timer_start(m->loop, &m->usage_timer);
}

void
usage_init(struct master *m)
{
    ev_timer_init(&m->usage_timer, on_timer, 0., 0.);
}

void
usage_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->usage_timer);
}

void
usage_of_worker(void *env, const struct worker *w, struct report_usage *ret)
{
    const struct hand *h = hand_find(env, w->id);

    *ret = (struct report_usage){0};
    if (h)
        read_usage(h, w->generation->spec, ret);
}
