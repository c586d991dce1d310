/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CONFIG_RANDOM_PREFLIGHT_H
#define STINT_TESTS_CONFIG_RANDOM_PREFLIGHT_H

#include "tests/unit/config/random_words.h"

/* {} and everything that it may say. */
static inline void
random_preflight(struct service_spec *s)
{
    struct preflight_spec *p = &s->preflight;

    p->may = random_below(2) || s->ready.mode == READY_FILE;
    if (!p->may)
        return;
    s->require_preflight = random_below(2);
    p->requests = 1 + (unsigned)random_below(1000000);
    p->reloads = 1 + (unsigned)random_below(1000);
    p->load_timeout_us = 10 * US_PER_MS + random_us(3000 * US_PER_S);
    p->workers = (unsigned)random_below(65);
    p->hooks = random_below(2);
    random_strings(&p->command, 0, 3);
    random_strings(&p->load, 0, 3);
    p->ready_file = s->ready.mode == READY_FILE ? nasty(false) : nasty_or_null();
    if (p->load.n == 0 && random_below(2))
        p->url = strdup("http://127.0.0.1:8080/a?b=\"c\"");
    if (random_below(2))
        ck_assert_int_eq(strv_add(&p->listens, "tcp://[::1]:*"), 0);
    p->n_headers = random_below(2);
    p->headers = calloc(1, sizeof(*p->headers));
    if (p->n_headers)
        p->headers[0] = (struct environment_entry){strdup("X-Request-Timeout"), nasty(true)};
    p->n_environment = random_below(2);
    p->environment = calloc(1, sizeof(*p->environment));
    if (p->n_environment)
        p->environment[0] = (struct environment_entry){strdup("REHEARSED"), nasty(true)};
}

static inline void
random_timeouts(struct named_timeouts *t)
{
    t->of = calloc(3, sizeof(*t->of));
    for (size_t n = random_below(3); t->n < n; t->n++)
        ck_assert_int_ge(asprintf(&t->of[t->n].name, "%zu: #é", t->n), 0);
    for (size_t i = 0; i < t->n; i++)
        t->of[i].us = US_PER_MS + random_us(3000 * US_PER_S);
}

static inline void
random_deadlines(struct deadline_policy *d)
{
    d->default_us = random_us(3000 * US_PER_S);
    d->max_us = random_below(2) ? d->default_us + random_us(3000 * US_PER_S) : 0;
    if (d->default_us == 0 && d->max_us == 0 && random_below(2)) {
        d->none = strdup("it streams, \"for ever\"");
        ck_assert_ptr_nonnull(d->none);
    }
    d->reserve_us = random_us(60 * US_PER_S);
    d->tolerance_us = random_us(3000 * US_PER_S);
    d->look_us = random_us(3000 * US_PER_S);
    d->headers = calloc(3, sizeof(*d->headers));
    for (size_t n = random_below(3); d->n_headers < n; d->n_headers++) {
        ck_assert_int_ge(asprintf(&d->headers[d->n_headers].name, "x-%zu", d->n_headers), 0);
        d->headers[d->n_headers].unit = (enum timeout_unit)random_below(4);
    }
    random_timeouts(&d->clients);
    random_timeouts(&d->calls);
}

#endif
