/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/judge_history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/probe/judge_trend.h"

#include "supervisor/probe/pure.h"

const char *
history_state_name(enum history_state state)
{
    static const char *const names[HISTORY_STATE_COUNT] = {[HISTORY_SEEN] = "seen",
                                                           [HISTORY_LEAKED] = "leaked",
                                                           [HISTORY_RECOVERED] = "recovered",
                                                           [HISTORY_KILLED] = "killed"};

    return names[state];
}

const char *
certificate_grade_name(enum certificate_grade grade)
{
    static const char *const names[] = {[CERTIFICATE_ASSUMED] = "assumed",
                                        [CERTIFICATE_PIDS] = "pids",
                                        [CERTIFICATE_CGROUP] = "cgroup"};

    return names[grade];
}

static void
group_finish(struct history_group *g)
{
    free(g->key);
    free(g->text);
}

void
history_finish(struct history *h)
{
    for (size_t i = 0; i < h->n_groups; i++)
        group_finish(&h->groups[i]);
    free(h->groups);
    free(h->beats);
    history_retained_finish(h);
    *h = (struct history){0};
}

/* It leaks as long as some process of it does; else what happened last. */
enum history_state
history_state_of(const struct history_group *g)
{
    enum history_state state = HISTORY_SEEN;

    for (unsigned i = 0; i < g->n_seen; i++) {
        if (g->seen[i].state == HISTORY_LEAKED)
            return HISTORY_LEAKED;
        if (g->seen[i].state != HISTORY_SEEN)
            state = g->seen[i].state;
    }
    return state;
}

/* ---- places ----------------------------------------------------------------------------------- */

static struct history_group *
find_group(struct history *h, const char *key)
{
    for (size_t i = 0; i < h->n_groups; i++)
        if (strcmp(h->groups[i].key, key) == 0)
            return &h->groups[i];
    return NULL;
}

/* Whom can the book do without? Who never leaked, then who does not any more; the longest ago. */
static bool
goes_before(const struct history_group *a, const struct history_group *b)
{
    static const int worth[HISTORY_STATE_COUNT] = {
        [HISTORY_SEEN] = 0, [HISTORY_RECOVERED] = 1, [HISTORY_KILLED] = 1, [HISTORY_LEAKED] = 2};
    int x = worth[history_state_of(a)], y = worth[history_state_of(b)];

    return x != y ? x < y : a->last_wall_us < b->last_wall_us;
}

static struct history_group *
place_for(struct history *h, bool leak)
{
    struct history_group *least;

    if (!h->groups)
        h->groups = calloc(HISTORY_GROUPS, sizeof(*h->groups));
    if (!h->groups)
        return NULL;
    if (h->n_groups < HISTORY_GROUPS)
        return &h->groups[h->n_groups++];
    h->dropped++;
    least = &h->groups[0];
    for (size_t i = 1; i < h->n_groups; i++)
        if (goes_before(&h->groups[i], least))
            least = &h->groups[i];
    if (!leak && history_state_of(least) != HISTORY_SEEN)
        return NULL; /* what leaked is worth more than what is merely there */
    group_finish(least);
    return least;
}

static struct history_group *
add_group(struct history *h, const struct sight_group *from, const struct sight *s)
{
    char *key = strdup(from->key);
    struct history_group *g = key ? place_for(h, verdict_is_leak(from->verdict)) : NULL;

    if (!g) {
        free(key);
        return NULL;
    }
    *g = (struct history_group){
        .key = key, .first_generation = s->generation, .first_wall_us = s->at_wall_us};
    return g;
}

static struct history_sighting *
sighting_of(struct history_group *g, uint64_t generation, pid_t pid, bool add)
{
    for (unsigned i = g->n_seen; i-- > 0;)
        if (g->seen[i].pid == pid && g->seen[i].generation == generation &&
            !g->seen[i].process_gone)
            return &g->seen[i];
    if (!add)
        return NULL;
    if (g->n_seen == HISTORY_SIGHTINGS) {
        memmove(&g->seen[0], &g->seen[1], sizeof(g->seen) - sizeof(g->seen[0]));
        g->n_seen--;
    }
    g->seen[g->n_seen] = (struct history_sighting){.generation = generation, .pid = pid};
    return &g->seen[g->n_seen++];
}

/* ---- a look ----------------------------------------------------------------------------------- */

static void
add_count(struct history_counts *c, unsigned count)
{
    c->most = count > c->most ? count : c->most;
    if (c->n > 0 && c->recent[c->n - 1] == count)
        return;
    if (c->n == HISTORY_RECENT) {
        memmove(&c->recent[0], &c->recent[1], sizeof(c->recent) - sizeof(c->recent[0]));
        c->n--;
    }
    c->recent[c->n++] = count;
}

/* Of those that leak there is a count from the first on that does. */
static void
add_counts(struct history_sighting *s, unsigned all, unsigned leaked)
{
    add_count(&s->all, all);
    if (leaked > 0 || s->leaked.n > 0)
        add_count(&s->leaked, leaked);
}

/* All groups of a look that have one key: its threads may have different verdicts. */
struct kind {
    const struct sight_group *worst;
    unsigned count, leaked;
};

static struct kind
kind_of(const struct sight *s, const char *key)
{
    struct kind k = {0};

    for (size_t i = 0; i < s->n_groups; i++) {
        const struct sight_group *g = &s->groups[i];
        bool leak = verdict_is_leak(g->verdict);

        if (strcmp(g->key, key) != 0)
            continue;
        if (!k.worst || (leak && !verdict_is_leak(k.worst->verdict)))
            k.worst = g;
        k.count += g->count;
        k.leaked += leak ? g->count : 0;
    }
    return k;
}

static void
note_group(struct history_group *g, const struct kind *k, const struct sight *s)
{
    g->last_generation = s->generation;
    g->last_wall_us = s->at_wall_us;
    g->looks++;
    g->culprit = k->worst->culprit;
    memcpy(g->name, k->worst->name, sizeof(g->name));
    memcpy(g->start, k->worst->start, sizeof(g->start));
    memcpy(g->creator, k->worst->creator, sizeof(g->creator));
    if (k->leaked > 0 && k->worst->text) {
        char *text = strdup(k->worst->text);

        if (text) {
            free(g->text);
            g->text = text;
        }
    }
}

static void
over(struct history_group *g, struct history_sighting *seen, enum history_state how,
     int64_t at_wall_us, history_tell tell, void *env)
{
    seen->state = how;
    seen->over_wall_us = at_wall_us;
    if (tell)
        tell(env, NEWS_RECOVERED, g, seen);
}

static int
take_kind(struct history *h, const char *key, const struct sight *s, history_tell tell, void *env)
{
    struct kind k = kind_of(s, key);
    struct history_group *g = find_group(h, key);
    struct history_sighting *seen;

    if (!g)
        g = add_group(h, k.worst, s);
    if (!g)
        return h->groups && h->n_groups == HISTORY_GROUPS ? 0 : -ENOMEM;
    note_group(g, &k, s);
    seen = sighting_of(g, s->generation, s->pid, true);
    if (seen->first_wall_us == 0)
        seen->first_wall_us = s->at_wall_us;
    seen->last_wall_us = s->at_wall_us;
    seen->asked = s->asked;
    add_counts(seen, k.count, k.leaked);
    if (k.leaked > 0 || seen->state == HISTORY_SEEN)
        seen->verdict = k.worst->verdict;
    if (k.leaked > 0 && seen->state != HISTORY_LEAKED) {
        seen->state = HISTORY_LEAKED;
        seen->leaked_wall_us = s->at_wall_us;
        seen->over_wall_us = 0;
        if (tell)
            tell(env, NEWS_LEAKED, g, seen);
    } else if (k.leaked == 0 && seen->state == HISTORY_LEAKED) {
        over(g, seen, HISTORY_RECOVERED, s->at_wall_us, tell, env);
    }
    return 0;
}

/* Kinds that this process had, and has not any more. */
static void
miss_others(struct history *h, const struct sight *s, history_tell tell, void *env)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct history_group *g = &h->groups[i];
        struct history_sighting *seen = sighting_of(g, s->generation, s->pid, false);

        if (!seen || kind_of(s, g->key).worst)
            continue;
        add_counts(seen, 0, 0);
        if (seen->state == HISTORY_LEAKED)
            over(g, seen, HISTORY_RECOVERED, s->at_wall_us, tell, env);
    }
}

/* A process that went on as another generation (`handoff: signal`): what leaked before may be over. */
static void
recover_earlier(struct history *h, const struct sight *s, history_tell tell, void *env)
{
    for (size_t i = 0; i < h->n_groups; i++) {
        struct history_group *g = &h->groups[i];

        for (unsigned k = 0; k < g->n_seen; k++) {
            struct history_sighting *seen = &g->seen[k];

            if (seen->pid == s->pid && seen->generation != s->generation && !seen->process_gone &&
                seen->state == HISTORY_LEAKED && kind_of(s, g->key).leaked == 0)
                over(g, seen, HISTORY_RECOVERED, s->at_wall_us, tell, env);
        }
    }
}

static void
note_generation(struct history *h, const struct sight *s)
{
    unsigned n = h->n_looked;

    for (unsigned i = 0; i < n; i++)
        if (h->looked[i].generation == s->generation && h->looked[i].asked == s->asked)
            return;
    if (n == HISTORY_LOOKED) {
        memmove(&h->looked[0], &h->looked[1], sizeof(h->looked) - sizeof(h->looked[0]));
        n--;
    }
    h->looked[n].generation = s->generation;
    h->looked[n].asked = s->asked;
    h->n_looked = n + 1;
}

int
history_look(struct history *h, const struct sight *sight, history_tell tell, void *env)
{
    int r = history_beats(h, sight);

    h->looks++;
    note_generation(h, sight);
    for (size_t i = 0; i < sight->n_groups; i++) {
        bool first = true;
        int now;

        for (size_t k = 0; k < i && first; k++)
            first = strcmp(sight->groups[k].key, sight->groups[i].key) != 0;
        if (!first)
            continue;
        now = take_kind(h, sight->groups[i].key, sight, tell, env);
        r = r < 0 ? r : now;
    }
    miss_others(h, sight, tell, env);
    recover_earlier(h, sight, tell, env);
    history_trends(h, sight, tell, env);
    return r;
}

void
history_gone(struct history *h, pid_t pid, bool killed, int64_t at_wall_us, history_tell tell,
             void *env)
{
    for (size_t i = 0; i < h->n_groups; i++)
        for (unsigned k = 0; k < h->groups[i].n_seen; k++) {
            struct history_sighting *seen = &h->groups[i].seen[k];

            if (seen->pid != pid || seen->process_gone)
                continue;
            seen->process_gone = true;
            if (seen->state == HISTORY_LEAKED)
                over(&h->groups[i], seen, killed ? HISTORY_KILLED : HISTORY_RECOVERED, at_wall_us,
                     killed ? NULL : tell, env);
        }
    history_beats_gone(h, pid);
    (void)history_retained_gone(h, 0, pid, killed, at_wall_us);
}

/* Who was left of it and was not seen to end has ended with it; but who is there yet is not gone. */
void
history_certify(struct history *h, const struct certificate *c)
{
    if (c->pids_gone)
        (void)history_retained_gone(h, c->generation, 0, c->killed > 0, c->at_wall_us);
    if (h->n_certificates == HISTORY_CERTIFICATES) {
        memmove(&h->certificates[0], &h->certificates[1],
                sizeof(h->certificates) - sizeof(h->certificates[0]));
        h->n_certificates--;
    }
    h->certificates[h->n_certificates++] = *c;
}
