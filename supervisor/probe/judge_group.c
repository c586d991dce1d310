/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/probe/judge_trial.h"

#include "supervisor/probe/pure.h"

#define CROWD         50 /* threads; fewer in one place are nothing strange */
#define CROWD_PERCENT 90

/* ---- what makes a kind ---------------------------------------------------------------------- */

/*
 * A place without lines and addresses, which change from version to version: a function, else a place
 * in a file.
 */
static void
key_place(char *buf, size_t room, const struct place *p)
{
    if (p->function[0] != '\0')
        (void)snprintf(buf, room, "%.60s", p->function);
    else if (p->module[0] != '\0')
        (void)snprintf(buf, room, "%.40s+0x%llx", p->module, (unsigned long long)p->offset);
    else if (p->unmapped)
        (void)snprintf(buf, room, "unmapped");
    else
        (void)snprintf(buf, room, "?");
}

/* "flush-2" and "flush-17" are of one kind. */
static void
key_name(char *buf, size_t room, const char *name)
{
    size_t n = 0;

    for (; *name != '\0' && n + 1 < room; name++) {
        bool digit = *name >= '0' && *name <= '9';

        if (!digit)
            buf[n++] = *name;
        else if (n == 0 || buf[n - 1] != '#')
            buf[n++] = '#';
    }
    buf[n] = '\0';
}

static void
key_creator(char *buf, size_t room, const struct claim *c)
{
    if (c->creator_function[0] != '\0')
        (void)snprintf(buf, room, "%.47s", c->creator_function);
    else if (c->creator_file[0] != '\0')
        (void)snprintf(buf, room, "%.60s:%u", file_name_of(c->creator_file), c->creator_line);
    else
        buf[0] = '\0';
}

static const struct place *
business_of(const struct thread_facts *f)
{
    return f->business >= 0 && (unsigned)f->business < f->n_frames && f->business < FACTS_FRAMES_MAX
               ? &f->frames[f->business]
               : NULL;
}

/* Who spins, or works in turns, is somewhere else each time. */
static void
key_wait(char *buf, size_t room, const struct thread_facts *f, enum conduct conduct)
{
    const struct place *at = business_of(f);
    char place[64] = "";

    if (conduct == CONDUCT_SPINNING) {
        (void)snprintf(buf, room, "running");
        return;
    }
    if (at)
        key_place(place, sizeof(place), at);
    else if (f->claim.wait_text[0] != '\0')
        (void)snprintf(place, sizeof(place), "%.60s", f->claim.wait_text);
    (void)snprintf(
        buf, room, "%s@%s",
        conduct == CONDUCT_SLEEPING && f->wait == WAIT_RUNNING ? "sleep" : wait_class_name(f->wait),
        conduct == CONDUCT_SLEEPING && !f->still ? "" : place);
}

static void
key_start(const struct trial *t, char *buf, size_t room, const struct thread_facts *f, bool told)
{
    if (f->main)
        (void)snprintf(buf, room, "main");
    else if (f->start.function[0] != '\0' || f->start.module[0] != '\0' || f->start.unmapped)
        key_place(buf, room, &f->start);
    else
        key_name(buf, room, told ? f->claim.name : f->comm);
    (void)t;
}

static void
key_of(const struct trial *t, const struct judgement *j, char key[256])
{
    char start[64] = "", creator[64] = "", wait[96] = "ended";
    const struct claim *c = NULL;

    if (j->thread != NOBODY) {
        const struct thread_facts *f = &t->facts->threads[j->thread];

        key_start(t, start, sizeof(start), f, t->of[j->thread].told);
        key_wait(wait, sizeof(wait), f, j->conduct);
        c = t->of[j->thread].told ? &f->claim : NULL;
    } else {
        c = &t->facts->dead[j->dead].claim;
        key_name(start, sizeof(start), c->name);
    }
    if (c)
        key_creator(creator, sizeof(creator), c);
    (void)snprintf(key, 256, "%s<%s|%s", start, creator, wait);
    for (char *s = key; *s != '\0'; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
}

/* ---- groups --------------------------------------------------------------------------------- */

struct keyed {
    size_t of; /* index in judgements */
    enum verdict verdict;
    char key[256];
};

static int64_t
born(const struct trial *t, const struct judgement *j)
{
    if (j->thread == NOBODY)
        return t->facts->dead[j->dead].claim.started_us;
    return t->facts->threads[j->thread].started_us;
}

static pid_t
tid_of(const struct trial *t, const struct judgement *j)
{
    return j->thread == NOBODY ? t->facts->dead[j->dead].tid : t->facts->threads[j->thread].tid;
}

/* By kind, and of one kind the cause first and then the oldest. */
static int
by_kind(const void *a, const void *b, void *trial)
{
    const struct trial *t = trial;
    const struct keyed *x = a, *y = b;
    const struct judgement *jx = &t->ret->of[x->of], *jy = &t->ret->of[y->of];
    int r = (int)x->verdict - (int)y->verdict;

    if (r == 0)
        r = strcmp(x->key, y->key);
    if (r == 0)
        r = (int)jy->culprit - (int)jx->culprit;
    if (r == 0)
        r = (born(t, jx) > born(t, jy)) - (born(t, jx) < born(t, jy));
    if (r == 0)
        r = (tid_of(t, jx) > tid_of(t, jy)) - (tid_of(t, jx) < tid_of(t, jy));
    return r != 0 ? r : (x->of > y->of) - (x->of < y->of);
}

/* The certain before the concluded, what is wrong before what is merely so. */
static const unsigned char ranks[VERDICT_COUNT] = {
    [VERDICT_DEADLOCK] = 1,         [VERDICT_ORPHAN_LOCK] = 2,     [VERDICT_LEAKED_SPINNING] = 3,
    [VERDICT_LEAKED_BLOCKED] = 3,   [VERDICT_LEAKED_SLEEPING] = 3, [VERDICT_LEAKED_REQUEST] = 3,
    [VERDICT_DEAD_WATCHER] = 4,     [VERDICT_STUCK_KERNEL] = 5,    [VERDICT_STOPPED] = 6,
    [VERDICT_PROCESS_RETAINED] = 7, [VERDICT_UNJOINED] = 8,        [VERDICT_UNREGISTERED] = 9,
    [VERDICT_SHIELDED] = 10,        [VERDICT_DRAINING] = 11,       [VERDICT_EXEMPT] = 12,
    [VERDICT_RUNTIME] = 13,         [VERDICT_CLEAN] = 14,
};

static int
by_weight(const void *a, const void *b)
{
    const struct judgement_group *x = a, *y = b;
    bool lx = verdict_is_leak(x->verdict), ly = verdict_is_leak(y->verdict);

    if (lx != ly)
        return lx ? -1 : 1;
    if (x->culprit != y->culprit)
        return x->culprit ? -1 : 1;
    if (ranks[x->verdict] != ranks[y->verdict])
        return ranks[x->verdict] < ranks[y->verdict] ? -1 : 1;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    if (x->verdict != y->verdict)
        return x->verdict < y->verdict ? -1 : 1;
    return strcmp(x->key, y->key);
}

static void
number_groups(struct judgements *js, const struct keyed *keys)
{
    /* Sorting moved them: each finds its members again by the first of them. */
    for (size_t g = 0; g < js->n_groups; g++)
        js->of[js->groups[g].first].group = g;
    for (size_t i = 0, g = 0; i < js->n; i++) {
        if (i == 0 || keys[i].verdict != keys[i - 1].verdict ||
            strcmp(keys[i].key, keys[i - 1].key) != 0)
            g = js->of[keys[i].of].group;
        js->of[keys[i].of].group = g;
    }
}

int
trial_groups(struct trial *t)
{
    struct judgements *js = t->ret;
    struct keyed *keys = calloc(js->n + 1, sizeof(*keys));

    js->groups = calloc(js->n + 1, sizeof(*js->groups));
    if (!keys || !js->groups) {
        free(keys);
        return -ENOMEM;
    }
    for (size_t i = 0; i < js->n; i++) {
        keys[i].of = i;
        keys[i].verdict = js->of[i].verdict;
        key_of(t, &js->of[i], keys[i].key);
    }
    qsort_r(keys, js->n, sizeof(*keys), by_kind, t);
    for (size_t i = 0; i < js->n; i++) {
        struct judgement_group *g = js->n_groups > 0 ? &js->groups[js->n_groups - 1] : NULL;

        if (!g || g->verdict != keys[i].verdict || strcmp(g->key, keys[i].key) != 0) {
            g = &js->groups[js->n_groups++];
            *g = (struct judgement_group){.verdict = keys[i].verdict, .first = keys[i].of};
            memcpy(g->key, keys[i].key, sizeof(g->key));
        }
        g->count++;
        g->culprit |= js->of[keys[i].of].culprit;
    }
    qsort(js->groups, js->n_groups, sizeof(*js->groups), by_weight);
    number_groups(js, keys);
    free(keys);
    return 0;
}

size_t
judge_generations(const struct process_facts *facts, const struct judgements *judgements,
                  size_t group, struct judged_generation *ret, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < judgements->n; i++) {
        const struct judgement *j = &judgements->of[i];
        const struct claim *c =
            j->thread < facts->n ? &facts->threads[j->thread].claim : &facts->dead[j->dead].claim;
        size_t at = 0;

        if (j->group != group || c->generation == 0 || facts->untrusted)
            continue;
        while (at < n && ret[at].generation < c->generation)
            at++;
        if (at < n && ret[at].generation == c->generation) {
            ret[at].count++;
            continue;
        }
        if (at == max)
            continue;
        if (n == max)
            n--; /* the highest gives way */
        memmove(&ret[at + 1], &ret[at], (n - at) * sizeof(*ret));
        ret[at] = (struct judged_generation){.generation = c->generation, .count = 1};
        n++;
    }
    return n;
}

/* ---- a crowd -------------------------------------------------------------------------------- */

/* Many in one place and nobody to blame: what they wait for is what the process is short of. */
void
trial_notice(struct trial *t)
{
    struct judgements *js = t->ret;
    size_t counted = 0, most = 0, where = NOBODY;
    char place[64] = "";

    for (size_t i = 0; i < t->facts->n; i++)
        counted += !t->of[i].runtime && t->of[i].conduct != CONDUCT_ENDED;
    for (size_t g = 0; g < js->n_groups; g++) {
        const struct judgement *j = &js->of[js->groups[g].first];

        if (verdict_is_leak(js->groups[g].verdict) || j->thread == NOBODY ||
            t->of[j->thread].runtime || js->groups[g].count <= most)
            continue;
        most = js->groups[g].count;
        where = j->thread;
    }
    if (where == NOBODY || counted < CROWD || most * 100 < counted * CROWD_PERCENT)
        return;
    if (business_of(&t->facts->threads[where]))
        key_place(place, sizeof(place), business_of(&t->facts->threads[where]));
    (void)snprintf(js->notice, sizeof(js->notice),
                   "%zu %% of its %zu threads wait in one place: %s%s%s", most * 100 / counted,
                   counted, wait_class_name(t->facts->threads[where].wait),
                   place[0] != '\0' ? " in " : "", place);
}
