/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/units.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/* handoff: signal: the same processes, and a new number over them. */

const char *
generation_taken_text(const struct generation *g, char *buf, size_t room)
{
    buf[0] = '\0';
    if (g->taken > 0)
        (void)snprintf(buf, room, ", %u taken over", g->taken);
    return buf;
}

/* Its certificate: nobody of it is left, because all of it belongs to the next. */
void
generation_hand_on(struct core *c, struct generation *g)
{
    struct record *r = record_generation(c, RECORD_CERTIFICATE, g);
    char taken[48];

    if (r) {
        r->count = g->leaks;
        r->warning = g->leaks > 0 || g->escapees > 0;
        record_toll(r, g);
        r->toll.handed_to = g->service->last_generation;
    }
    record_text(r,
                "its workers were handed over to generation %" PRIu64
                ": %u started%s, %u past the drain deadline, %u killed, %u escaped",
                g->service->last_generation, g->spawns,
                generation_taken_text(g, taken, sizeof(taken)), g->leaks, g->kills, g->escapees);
}

/* What they were started from stays with them: it is alike, and their sockets and cgroup are its. */
static void
hand_belongings(struct generation *from, struct generation *to)
{
    struct service_spec *spec = to->spec;
    uint64_t snapshot = to->snapshot;
    unsigned n_slots = to->n_slots;
    struct slot *slots = to->slots;

    to->spec = from->spec;
    to->snapshot = from->snapshot;
    to->root = from->root;
    to->n_slots = from->n_slots;
    to->slots = from->slots;
    to->policy_rev = from->policy_rev;
    to->window_us = from->window_us;
    from->spec = spec;
    from->snapshot = 0;
    from->n_slots = n_slots;
    from->slots = slots;
    to->service->reload.snapshot = snapshot; /* given back when the run ends */
}

/* Everybody, also who is leaving. Return: how many have reloaded. */
static unsigned
hand_workers(struct generation *from, struct generation *to)
{
    unsigned reloaded = 0;

    list_for_each_safe (n, &from->workers) {
        struct worker *w = container_of(n, struct worker, node);

        list_del(&w->node);
        list_add(&to->workers, &w->node);
        w->generation = to;
        to->taken += worker_live(w) && !w->escapee;
        if (w->reloading != RELOADING_DONE)
            continue;
        reloaded++;
        if (to->grade == GRADE_NONE || w->grade < to->grade) /* no better than the weakest */
            to->grade = w->grade;
    }
    return reloaded;
}

/* What people are told of it, and above all that it is only assumed. */
static void
hand_verdict(const struct generation *g, unsigned reloaded, char *buf, size_t room)
{
    char spell[32];

    if (reloaded == 0) {
        (void)snprintf(buf, room, "whoever was sent SIG%s is gone, and its successor reads it anew",
                       sigabbrev_np(g->spec->reload_signal));
        return;
    }
    (void)duration_human(g->spec->reload_assume_us, spell, sizeof(spell));
    (void)snprintf(buf, room, "by SIG%s to %u worker%s: %s%s%s",
                   sigabbrev_np(g->spec->reload_signal), reloaded, reloaded == 1 ? "" : "s",
                   g->grade == GRADE_NOTIFY ? "RELOADING=1, then READY=1"
                   : g->grade == GRADE_FILE ? "the file of 'ready' was rewritten"
                                            : "assumed, since not all of them said so and all are "
                                              "alive ",
                   g->grade == GRADE_ASSUMED ? spell : "",
                   g->grade == GRADE_ASSUMED ? " later" : "");
}

void
reload_hand_over(struct core *c, struct service *s, struct generation *old)
{
    struct generation *g = generation_create(c, s);
    unsigned reloaded;
    char how[160];

    if (!g) {
        c->fx->lost++;
        reload_untried(c, s, "out of memory");
        return;
    }
    hand_belongings(old, g);
    reloaded = hand_workers(old, g);
    g->started_us = s->reload.started_us;
    record_text(record_generation(c, RECORD_STARTING, g), "%s", s->reload.cause);
    record_text(record_generation(c, RECORD_HANDED, g),
                "%u worker%s of generation %" PRIu64 " now of generation %" PRIu64, g->taken,
                g->taken == 1 ? "" : "s", old->number, g->number);
    (void)generation_step(c, old, GE_HAND);
    generation_destroy(old);
    (void)generation_step(c, g, GE_SERVE);
    generation_hasten(c, g); /* what they stumble over may be mended */
    s->input_rejected = false;
    s->rejected = (struct digest){0, 0};
    s->rejected_reason[0] = '\0';
    s->reload.grade = g->grade;
    hand_verdict(g, reloaded, how, sizeof(how));
    reload_end(c, s, OUTCOME_SERVING, how);
    service_apply_policy(c, s, "policy"); /* in case it changed since this run began */
}
