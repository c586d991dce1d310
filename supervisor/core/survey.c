/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/spec.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

/*
 * The end of a generation. That each of its processes was seen to end is known here; whether anybody
 * else of it is there, in its cgroup or holding what it was given, is looked at by the rim, and the
 * certificate waits for that: for a short time, and never beyond what a stop allows. Without an answer
 * it says what it concludes, and that it does.
 */

/* A machine may be busy, and the helper gives way to all others. */
#define SURVEY_WAIT_US (10 * US_PER_S)

void
survey_note(struct generation *g, const struct worker *w, const struct event *ev)
{
    if (w->escapee)
        return;
    g->deaths++;
    g->unseen += ev->death.unknown;
    if (!ev->death.registry)
        return;
    g->registries++;
    g->unjoined += ev->death.unjoined;
    if (ev->death.unjoined > 0 && g->threads[0] == '\0' && ev->death.threads)
        copy_text(g->threads, sizeof(g->threads), ev->death.threads);
}

/* ---- what it comes to ------------------------------------------------------------------------- */

/* By the books alone: who is dead holds nothing. */
static void
conclude(const struct generation *g, struct survey *s)
{
    *s = (struct survey){.left = 0};
    s->good[FINDING_PIDS] = s->good[FINDING_FDS] = true;
    s->how[FINDING_PIDS] = g->unseen > 0 ? KNOWN_CONCLUDED : KNOWN_SEEN;
    s->how[FINDING_FDS] = KNOWN_CONCLUDED;
}

/* By the registries that the dead left; one that was not read may have had others. */
static void
count_threads(const struct generation *g, struct survey *s)
{
    bool all = g->registries >= g->deaths;

    if (!g->spec->libstint)
        return;
    s->good[FINDING_THREADS] = g->unjoined == 0 && (all || (g->leaks == 0 && g->thread_leaks == 0));
    s->how[FINDING_THREADS] = all || g->unjoined > 0 ? KNOWN_SEEN : KNOWN_CONCLUDED;
}

static void
certify(struct core *c, struct generation *g, const struct survey *s, const char *text)
{
    struct record *r = record_generation(c, RECORD_CERTIFICATE, g);
    char taken[48], begins[48];
    bool joined = s->how[FINDING_THREADS] == KNOWN_NOT || s->good[FINDING_THREADS];

    if (r) {
        r->count = g->leaks;
        r->warning = g->leaks > 0 || g->escapees > 0 || s->left > 0 || !s->good[FINDING_FDS] ||
                     g->unjoined > 0;
        r->duration_us = c->now_us - g->drain_us;
    }
    record_toll(r, g);
    if (r)
        r->toll.survey = *s;
    (void)snprintf(begins, sizeof(begins), "%s is gone",
                   s->how[FINDING_PIDS] == KNOWN_REFUSED ? "every process known of it"
                                                         : "every process");
    if (s->left > 0)
        (void)snprintf(begins, sizeof(begins), "%u %s left", s->left,
                       s->left == 1 ? "process is" : "processes are");
    record_text(r, "%s: %u started%s, %u past the drain deadline, %u killed, %u escaped%s%s%s%s%s",
                begins, g->spawns, generation_taken_text(g, taken, sizeof(taken)), g->leaks,
                g->kills, g->escapees, g->aborted ? " (aborted)" : "", text[0] ? "; " : "", text,
                joined || !g->threads[0] ? "" : "; not joined: ", joined ? "" : g->threads);
    g->survey_us = TIME_NEVER;
    (void)hook_begin(c, g, HOOK_RETIRED); /* what it was made from is needed for that */
}

static void
survey_over(struct core *c, struct generation *g, const struct survey *found, const char *text)
{
    struct survey s;

    conclude(g, &s);
    if (found) {
        bool unseen = g->unseen > 0;

        s = *found;
        if (unseen && s.how[FINDING_PIDS] == KNOWN_SEEN && s.good[FINDING_PIDS])
            s.how[FINDING_PIDS] = KNOWN_CONCLUDED;
    }
    count_threads(g, &s);
    certify(c, g, &s, text ? text : "");
}

/* ---- asking ------------------------------------------------------------------------------------- */

/* False: there is no time, or no memory. */
static bool
ask(struct core *c, struct generation *g)
{
    struct effect *e;

    g->survey_us = earlier(c->now_us + SURVEY_WAIT_US, stop_end_us(c));
    e = g->survey_us > c->now_us ? effects_add(c->fx, FX_SURVEY) : NULL;
    if (!e)
        return false;
    e->service = g->service->id;
    e->generation = g->number;
    e->snapshot = g->snapshot;
    e->deadline_us = g->survey_us;
    return true;
}

void
survey_begin(struct core *c, struct generation *g)
{
    g->deadline_us = TIME_NEVER;
    if (!ask(c, g))
        survey_over(c, g, NULL, NULL);
}

void
survey_resume(struct core *c, struct generation *g)
{
    if (g->survey_us != TIME_NEVER && !ask(c, g))
        g->survey_us = c->now_us; /* a resume asks and decides nothing */
}

void
survey_answered(struct core *c, const struct service *s, const struct event *ev)
{
    struct generation *g = service_generation(s, ev->surveyed.generation);

    if (g && g->survey_us != TIME_NEVER)
        survey_over(c, g, ev->surveyed.seen ? &ev->surveyed.found : NULL, ev->surveyed.text);
}

void
survey_tick(struct core *c, struct generation *g)
{
    if (g->survey_us <= c->now_us)
        survey_over(c, g, NULL, NULL);
}

bool
service_surveyed(const struct service *s)
{
    list_for_each (n, &s->generations)
        if (container_of(n, struct generation, node)->survey_us != TIME_NEVER)
            return true;
    return false;
}
