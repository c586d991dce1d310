/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The judge on what a certificate rests upon: somebody looked, was waited for, and is not misquoted. */
#include <inttypes.h>

#include "base/units.h"
#include "tests/simulation/judge.h"

#define WAIT_US (10 * US_PER_S)

void
judge_survey_asked(struct judge *j, const struct effect *e)
{
    struct stint *g = judge_stint(j, e->service, e->generation);

    if (!g || g->ended) {
        judge_say(j, LAW_CERTIFY, "generation %" PRIu64 " is looked at, and it is none that ends",
                  e->generation);
        return;
    }
    if (g->living > 0)
        judge_say(j, LAW_CERTIFY, "%s/%" PRIu64 " is looked at as if gone, and %u of it live",
                  wish_name(g->wish), g->number, g->living);
    g->survey_us = j->now_us;
    g->survey_told = false; /* another master asks again */
}

void
judge_survey_told(struct judge *j, const struct event *ev)
{
    struct stint *g = judge_stint(j, ev->service, ev->surveyed.generation);

    if (!g || g->ended || g->survey_us == 0 || g->survey_told)
        return;
    g->survey_told = true;
    g->survey_seen = ev->surveyed.seen;
    g->survey_left = ev->surveyed.found.left;
}

void
judge_survey_said(struct judge *j, struct stint *g, const struct record *r)
{
    const struct survey *s = &r->toll.survey;
    bool seen = g->survey_told && g->survey_seen;

    if (r->toll.handed_to)
        return;
    if (g->survey_us == 0 && j->stop_us == 0)
        judge_say(j, LAW_CERTIFY, "%s/%" PRIu64 " is certified, and nobody looked", r->service,
                  g->number);
    else if (!g->survey_told && j->stop_us == 0 && j->now_us < g->survey_us + WAIT_US)
        judge_say(j, LAW_CERTIFY, "%s/%" PRIu64 " is certified before the answer", r->service,
                  g->number);
    if (seen ? s->left != g->survey_left : s->left != 0)
        judge_say(j, LAW_CERTIFY, "%u of %s/%" PRIu64 " are left, and its certificate says %u",
                  g->survey_left, r->service, g->number, s->left);
    if (s->good[FINDING_PIDS] != (s->left == 0))
        judge_say(j, LAW_CERTIFY, "%s/%" PRIu64 " contradicts itself about its processes",
                  r->service, g->number);
    if (!seen && (s->how[FINDING_FDS] == KNOWN_SEEN || s->how[FINDING_CGROUP] == KNOWN_SEEN))
        judge_say(j, LAW_CERTIFY, "%s/%" PRIu64 " is certified by what nobody saw", r->service,
                  g->number);
}
