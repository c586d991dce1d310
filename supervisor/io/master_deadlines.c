/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/master_deadlines.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "config/deadlines.h"
#include "supervisor/io/ledger.h"
#include "supervisor/io/master_state.h"

/*
 * Threads that work past the deadline of their request are looked for every so often (`deadlines:
 * {look: 1s}`), where a service has deadlines and links libstint; nobody else is woken up. A look is
 * a few reads of a memfd and does not wait for the worker. What has ended by then was counted by the
 * worker itself.
 */

#define PER_TURN 64 /* of a turn of the loop; a look takes some 20 µs */

/* How often; 0: it is not looked at. That may change while it runs, what it was told of deadlines not. */
static int64_t
every_us(const struct hand *h)
{
    const struct worker *w = core_worker(h->master->core, h->worker);

    if (!w || !h->spec || !h->spec->libstint || h->registry_fd < 0 || h->pid <= 0 || h->dead)
        return 0;
    return deadlines_configured(w->generation->spec) ? w->generation->spec->deadlines.look_us : 0;
}

static void
look(struct hand *h, int64_t now_us)
{
    const int64_t tolerance_us = h->spec->deadlines.tolerance_us;
    struct overruns all = {.n = 0};
    unsigned live = 0;
    uint64_t total = 0;

    if (overruns_look(h->registry_fd, &h->master->deadlines.copy, now_us, tolerance_us, &live,
                      &total) < 0)
        return; /* it has not written it yet, or wrote nonsense into it */
    if (live == 0 && total == h->deadlines.total)
        return;
    if (overruns_read(h->registry_fd, now_us, tolerance_us, &all, NULL) < 0)
        return;
    deadlines_tell(h, &all);
    overruns_finish(&all);
}

/* When this one is to be looked at; looks, when that is now. */
static int64_t
take_turn(struct hand *h, int64_t now_us, int64_t every, unsigned *budget)
{
    if (h->deadlines.due_us == 0 || h->deadlines.due_us > now_us + every)
        h->deadlines.due_us = now_us + every;
    if (h->deadlines.due_us > now_us || *budget == 0)
        return h->deadlines.due_us;
    --*budget;
    h->deadlines.due_us = now_us + every;
    look(h, now_us);
    return h->deadlines.due_us;
}

static void
on_timer(EV_P_ ev_timer *t, int revents)
{
    struct master *m = container_of(t, struct master, deadlines.timer);
    int64_t now_us = mono_now_us(), next_us = TIME_NEVER;
    unsigned budget = PER_TURN;

    (void)revents;
    list_for_each_safe (n, &m->hands) {
        struct hand *h = container_of(n, struct hand, node);
        int64_t every = every_us(h);
        int64_t due_us = every > 0 ? take_turn(h, now_us, every, &budget) : TIME_NEVER;

        next_us = due_us < next_us ? due_us : next_us;
    }
    if (next_us == TIME_NEVER)
        return;
    ev_timer_set(t, next_us > now_us ? (double)(next_us - now_us) / US_PER_S : 0., 0.);
    ev_timer_start(EV_A_ t);
}

void
deadlines_wake(struct master *m)
{
    ev_timer_stop(m->loop, &m->deadlines.timer);
    ev_timer_init(&m->deadlines.timer, on_timer, 0., 0.); /* whoever records may have no init() */
    ev_timer_start(m->loop, &m->deadlines.timer);
}

void
deadlines_init(struct master *m)
{
    list_init(&m->deadlines.books);
    ev_timer_init(&m->deadlines.timer, on_timer, 0., 0.);
}

void
deadlines_finish(struct master *m)
{
    ev_timer_stop(m->loop, &m->deadlines.timer);
    registry_copy_finish(&m->deadlines.copy);
    deadlines_books_finish(m);
}

void
deadlines_hand_gone(struct hand *h)
{
    struct overruns all = {.n = 0};

    if (h->deadlines.closed || h->pid <= 0 || h->registry_fd < 0 || !h->spec || !h->spec->libstint)
        return;
    h->deadlines.closed = true;
    if (overruns_read(h->registry_fd, h->dead_us > 0 ? h->dead_us : mono_now_us(),
                      h->spec->deadlines.tolerance_us, &all, NULL) < 0)
        return;
    if ((all.n > 0 || all.n_callers > 0) &&
        ledger_overrun(h->master->leaks.ledger, h->service, h->generation, h->pid, &all) &&
        all.n > 0)
        deadlines_tell(h, &all);
    overruns_finish(&all);
}
