/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/simulation/wish.h"

#include <stdio.h>

#include "tests/unit/core/specs.h"

static const char *const names[WISHES] = {"database", "cache", "api", "web", "queue", "mailer"};

const char *
wish_name(unsigned i)
{
    return names[i];
}

unsigned
wish_of(const char *name)
{
    unsigned i = 0;

    while (i < WISHES && strcmp(names[i], name) != 0)
        i++;
    return i;
}

enum handoff_mode
wish_starts(const struct wish *w)
{
    return w->handoff == HANDOFF_SIGNAL ? w->fallback : w->handoff;
}

static int64_t
one_of(struct random *r, const int64_t *values, size_t n)
{
    return values[random_below(r, n)];
}
#define ONE_OF(r, ...)                        \
    one_of(r, (const int64_t[]){__VA_ARGS__}, \
           sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void
make_policy(struct wish *w, struct random *r)
{
    w->check = random_chance(r, 40);
    w->handoff = random_chance(r, 30)   ? HANDOFF_REPLACE
                 : random_chance(r, 30) ? HANDOFF_SIGNAL
                                        : HANDOFF_OVERLAP;
    w->fallback = random_chance(r, 50) ? HANDOFF_REPLACE : HANDOFF_OVERLAP;
    w->reload_timeout_us = ONE_OF(r, 1 * US_PER_S, 10 * US_PER_S);
    w->reload_assume_us = ONE_OF(r, 300 * US_PER_MS, 1 * US_PER_S);
    w->workers = (unsigned)random_between(r, 1, 4);
    w->max_draining = (unsigned)random_between(r, 1, 3);
    w->limit_count = (unsigned)random_between(r, 1, 5);
    w->stop_signal = random_chance(r, 30) ? SIGINT : SIGTERM;
    w->settle_us = ONE_OF(r, 0, 200 * US_PER_MS, 1 * US_PER_S);
    w->soak_us = ONE_OF(r, 0, 0, 500 * US_PER_MS, 5 * US_PER_S);
    w->start_timeout_us = ONE_OF(r, 1 * US_PER_S, 10 * US_PER_S);
    w->drain_timeout_us = ONE_OF(r, 100 * US_PER_MS, 2 * US_PER_S, 30 * US_PER_S);
    w->leak_grace_us = ONE_OF(r, 0, 500 * US_PER_MS, 5 * US_PER_S);
    w->announce_delay_us = ONE_OF(r, 0, 0, 300 * US_PER_MS, 3 * US_PER_S);
    w->backoff_first_us = ONE_OF(r, 100 * US_PER_MS, 1 * US_PER_S);
    w->backoff_max_us = ONE_OF(r, 2 * US_PER_S, 30 * US_PER_S);
    w->limit_within_us = ONE_OF(r, 5 * US_PER_S, 60 * US_PER_S);
    w->leak_look_us = ONE_OF(r, 0, 300 * US_PER_MS, 3 * US_PER_S);
    w->leak_budget = random_chance(r, 20);
    w->give_up = random_chance(r, 25);
    w->restart_age_us = ONE_OF(r, 0, 0, 20 * US_PER_S, 200 * US_PER_S);
    w->restart_requests = random_chance(r, 30) ? 1000 : 0;
    w->restart_jitter = (unsigned)random_between(r, 0, 50);
    w->retry = random_chance(r, 30);
    w->hooks = 0;
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
        w->hooks |= random_chance(r, 25) ? 1U << h : 0;
    w->hook_timeout_us = ONE_OF(r, 500 * US_PER_MS, 5 * US_PER_S);
    w->run_timeout_us = ONE_OF(r, 0, 2 * US_PER_S, 10 * US_PER_S);
    w->door = random_chance(r, 25);
}

/* What config/ does: what it has no use for is as if nobody had said it. */
static void
settle_type(struct wish *w)
{
    if (!w->oneshot) {
        w->retry = false;
        w->run_timeout_us = 0;
        return;
    }
    w->hooks &= ~(1U << HOOK_ANNOUNCE);
    w->ready = READY_NOTIFY;
    w->handoff = HANDOFF_OVERLAP;
    w->gated = false;
    w->workers = 1;
    w->max_draining = 2;
    w->soak_us = w->announce_delay_us = 0;
}

static void
make_launch(struct wish *w, struct random *r)
{
    w->libstint = random_chance(r, 50);
    w->ready = random_chance(r, 15) ? READY_ASSUME : READY_NOTIFY;
    w->gated = w->libstint && random_chance(r, 50);
    w->assume_us = 400 * US_PER_MS;
    w->oneshot = random_chance(r, 25);
    w->launch++;
}

static void
make_dependencies(struct wishes *w, unsigned i, struct random *r)
{
    w->list[i].depends = 0;
    for (unsigned on = 0; on < i; on++)
        if (w->list[on].present && random_chance(r, 25))
            w->list[i].depends |= 1U << on;
}

/* A removed service is no one's dependency: config_load() would have refused that. */
static void
drop_dangling(struct wishes *w)
{
    for (unsigned i = 0; i < WISHES; i++)
        for (unsigned on = 0; on < WISHES; on++)
            if (!w->list[on].present)
                w->list[i].depends &= ~(1U << on);
}

void
wishes_make(struct wishes *w, struct random *r)
{
    unsigned n = (unsigned)random_between(r, 1, WISHES);

    w->max_starting = (unsigned)ONE_OF(r, 0, 1, 2, 4);
    w->stop_budget_us = ONE_OF(r, 2 * US_PER_S, 20 * US_PER_S, 120 * US_PER_S);
    for (unsigned i = 0; i < WISHES; i++) {
        make_launch(&w->list[i], r);
        make_policy(&w->list[i], r);
        settle_type(&w->list[i]);
        w->list[i].present = i < n;
        make_dependencies(w, i, r);
    }
}

void
wishes_change(struct wishes *w, struct random *r)
{
    unsigned i = (unsigned)random_below(r, WISHES);
    struct wish *one = &w->list[i];

    w->revision++;
    switch (random_below(r, 8)) {
    case 0:
    case 1:
        one->workers = (unsigned)random_between(r, 1, 4);
        break;
    case 2: {
        enum handoff_mode kept = one->handoff, fallback = one->fallback;

        make_policy(one, r);
        if (random_chance(r, 80)) {
            one->handoff = kept;
            one->fallback = fallback;
        }
        break;
    }
    case 3:
    case 4:
        make_launch(one, r);
        break;
    case 5:
        one->present = !one->present;
        make_dependencies(w, i, r);
        break;
    case 6:
        make_dependencies(w, i, r);
        break;
    default: /* the file was touched, nothing in it changed */
        break;
    }
    settle_type(one);
    drop_dangling(w);
}

void
wishes_without_limits(struct wishes *w)
{
    w->revision++;
    for (unsigned i = 0; i < WISHES; i++) {
        w->list[i].restart_age_us = w->list[i].restart_requests = 0;
        w->list[i].leak_budget = false;
    }
}

static void
must_budget(struct service_spec *s)
{
    s->leak_budget = calloc(1, sizeof(*s->leak_budget));
    if (!s->leak_budget)
        abort();
    s->n_leak_budget = 1;
    s->leak_budget[0] = (struct leak_budget){.thread = strdup("flush-*"), .max = 4};
}

static struct service_spec *
build(const struct wishes *all, unsigned i)
{
    const struct wish *w = &all->list[i];
    struct service_spec *s = service_new(wish_name(i));
    char argument[32];

    (void)snprintf(argument, sizeof(argument), "launch-%u", w->launch);
    service_argument(s, argument);
    s->type = w->oneshot ? TYPE_ONESHOT : TYPE_SERVICE;
    s->retry = w->retry;
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++) {
        s->hooks[h].timeout_us = w->hook_timeout_us;
        if (w->hooks & (1U << h))
            must_add(&s->hooks[h].command, "/bin/hook");
    }
    s->run_timeout_us = w->run_timeout_us;
    s->libstint = w->libstint;
    s->gated = w->gated;
    s->ready.mode = w->ready;
    s->ready.assume_us = w->ready == READY_ASSUME ? w->assume_us : 0;
    if (w->check)
        must_add(&s->check, "/bin/check");
    s->require_preflight = w->door && !w->oneshot; /* the configuration sees to that */
    s->handoff = w->handoff;
    s->signal_fallback = w->fallback;
    s->reload_timeout_us = w->reload_timeout_us;
    s->reload_assume_us = w->reload_assume_us;
    s->workers = w->workers;
    s->max_draining = w->max_draining;
    s->limit_count = w->limit_count;
    s->limit_within_us = w->limit_within_us;
    s->give_up = w->give_up;
    s->restart_age_us = w->restart_age_us;
    s->restart_requests = w->restart_requests;
    s->restart_jitter = w->restart_jitter;
    s->restart_every_us = 10 * US_PER_S;
    s->leak_look_us = w->leak_look_us;
    s->leak_every_us = 3600 * US_PER_S;
    if (w->leak_budget)
        must_budget(s);
    s->stop_signal = w->stop_signal;
    s->settle_us = w->settle_us;
    s->soak_us = w->soak_us;
    s->start_timeout_us = w->start_timeout_us;
    s->drain_timeout_us = w->drain_timeout_us;
    s->leak_grace_us = w->leak_grace_us;
    s->announce_delay_us = w->announce_delay_us;
    s->backoff_first_us = w->backoff_first_us;
    s->backoff_max_us = w->backoff_max_us;
    for (unsigned on = 0; on < WISHES; on++) {
        if (!(w->depends & (1U << on)))
            continue;
        must_add(&s->depends_on, wish_name(on));
        if (all->list[on].oneshot)
            must_add(&s->depends_completed, wish_name(on));
    }
    return s;
}

struct spec *
wishes_spec(const struct wishes *w)
{
    struct spec *c = spec_new(w->stop_budget_us);

    c->max_starting = w->max_starting;
    for (unsigned i = 0; i < WISHES; i++)
        if (w->list[i].present)
            spec_take(c, build(w, i));
    c->digest = digest_of(&w->revision, sizeof(w->revision));
    return c;
}

bool
wish_judges_otherwise(const struct wish *a, const struct wish *b)
{
    return a->launch != b->launch || a->check != b->check || a->soak_us != b->soak_us ||
           a->start_timeout_us != b->start_timeout_us || a->limit_count != b->limit_count ||
           a->limit_within_us != b->limit_within_us || a->give_up != b->give_up ||
           (a->hooks & (1U << HOOK_BEFORE_START)) != (b->hooks & (1U << HOOK_BEFORE_START)) ||
           a->hook_timeout_us != b->hook_timeout_us || a->retry != b->retry ||
           a->run_timeout_us != b->run_timeout_us;
}
