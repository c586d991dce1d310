/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "supervisor/probe/judge_trend.h"

#include "supervisor/probe/pure.h"

#define RISE_LEAK 3 /* values, each more than the one before: of what leaks already */
#define RISE_SEEN 4 /* … of what may be a pool that warms up */
#define RISE_MOST HISTORY_LOOKED

struct series {
    unsigned value[RISE_MOST]; /* the newest last */
    unsigned n;
};

/* How many of the newest values rise, each over the one before: 1 = none does. */
static unsigned
rise(const struct series *s)
{
    unsigned n = s->n > 0 ? 1 : 0;

    while (n > 0 && n < s->n && s->value[s->n - n - 1] < s->value[s->n - n])
        n++;
    return n;
}

static int64_t
slope_milli(const struct series *s, unsigned n)
{
    int64_t from = s->value[s->n - n], to = s->value[s->n - 1];

    return n > 1 ? (to - from) * 1000 / (n - 1) : 0;
}

/*
 * One value for each generation that was looked at in the same condition: live ones are compared with
 * live ones, those that were asked to leave with their like. Of what leaks those that leak are counted,
 * in all of them.
 */
static struct series
over_generations(const struct history *h, const struct history_group *g, bool asked, bool leak)
{
    struct series s = {0};

    for (unsigned i = 0; i < h->n_looked; i++) {
        unsigned most = 0;

        if (h->looked[i].asked != asked)
            continue;
        for (unsigned k = 0; k < g->n_seen; k++) {
            const struct history_sighting *seen = &g->seen[k];
            unsigned last = history_last(leak ? &seen->leaked : &seen->all);

            if (seen->generation == h->looked[i].generation && seen->asked == asked && last > most)
                most = last;
        }
        s.value[s.n++] = most;
    }
    return s;
}

static struct series
over_looks(const struct history_counts *counts)
{
    struct series s = {.n = counts->n};

    memcpy(s.value, counts->recent, sizeof(counts->recent));
    return s;
}

/* A kind that is new in each generation has a first value of its own: nothing is not less than one. */
static bool
rises(const struct series *s, bool leak, int64_t *ret_milli)
{
    unsigned n = rise(s);

    if (n > 1 && s->value[s->n - n] == 0)
        n--;
    if (n < (leak ? RISE_LEAK : RISE_SEEN))
        return false;
    *ret_milli = slope_milli(s, n);
    return true;
}

void
history_trends(struct history *h, const struct sight *sight, history_tell tell, void *env)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct history_group *g = &h->groups[i];
        struct history_sighting *seen = NULL;
        struct series generations, looks;
        bool was = g->rising, leak;

        for (unsigned k = 0; k < g->n_seen; k++)
            if (g->seen[k].pid == sight->pid && g->seen[k].generation == sight->generation)
                seen = &g->seen[k];
        if (!seen)
            continue;
        leak = seen->state == HISTORY_LEAKED;
        generations = over_generations(h, g, sight->asked, leak);
        looks = over_looks(leak ? &seen->leaked : &seen->all);
        g->rising =
            rises(&generations, true, &g->growth_milli) || rises(&looks, leak, &g->growth_milli);
        if (g->rising && !was && tell)
            tell(env, NEWS_RISING, g, seen);
    }
}

/* ---- two generations --------------------------------------------------------------------------- */

static unsigned
count_in(const struct history_group *g, uint64_t generation)
{
    unsigned most = 0;

    for (unsigned k = 0; k < g->n_seen; k++)
        if (g->seen[k].generation == generation && history_last(&g->seen[k].all) > most)
            most = history_last(&g->seen[k].all);
    return most;
}

static enum history_change
change_of(unsigned before, unsigned after)
{
    if (before == 0)
        return CHANGE_NEW;
    if (after == 0)
        return CHANGE_GONE;
    return after > before ? CHANGE_MORE : CHANGE_LESS;
}

size_t
history_diff(const struct history *h, uint64_t before, uint64_t after,
             struct history_difference *ret, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_groups && n < max; i++) {
        unsigned a = count_in(&h->groups[i], before), b = count_in(&h->groups[i], after);

        if (a == b)
            continue;
        ret[n++] = (struct history_difference){
            .group = &h->groups[i], .change = change_of(a, b), .before = a, .after = b};
    }
    return n;
}
