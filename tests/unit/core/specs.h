/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_SPECS_H
#define STINT_TESTS_CORE_SPECS_H

/*
 * Specs made in memory, without YAML, for the tests of the core and for the simulation. They are
 * handed over like those of config_load(): spec_destroy() frees them. A test that is out of memory
 * has nothing left to say, so it aborts.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "config/spec.h"

static inline void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static inline void
must_add(struct strv *v, const char *s)
{
    if (strv_add(v, s) < 0)
        abort();
}

/* service_new - short times, so that tests read well: ms for waits, s for deadlines. One reference. */
static inline struct service_spec *
service_new(const char *name)
{
    struct service_spec *s = must(calloc(1, sizeof(*s)));

    s->references = 1;
    s->name = must(strdup(name));
    must_add(&s->command, "/bin/worker");
    s->directory = must(strdup("/"));
    s->umask = (mode_t)-1;
    s->ready.mode = READY_NOTIFY;
    s->workers = 1;
    s->watch_binary = true;
    s->settle_us = 200 * US_PER_MS;
    s->check_timeout_us = 10 * US_PER_S;
    for (int h = HOOK_NONE + 1; h < HOOK_COUNT; h++)
        s->hooks[h].timeout_us = 10 * US_PER_S;
    s->handoff = HANDOFF_OVERLAP;
    s->signal_fallback = HANDOFF_REPLACE;
    s->reload_signal = SIGHUP;
    s->reload_timeout_us = 30 * US_PER_S;
    s->reload_assume_us = 2 * US_PER_S;
    s->start_timeout_us = 10 * US_PER_S;
    s->drain_signal = SIGTERM;
    s->drain_timeout_us = 30 * US_PER_S;
    s->stop_signal = SIGTERM;
    s->leak_grace_us = 5 * US_PER_S;
    s->leak_every_us = 60 * US_PER_S;
    s->max_draining = 2;
    s->backoff_first_us = 100 * US_PER_MS;
    s->backoff_max_us = 30 * US_PER_S;
    s->limit_count = 5;
    s->limit_within_us = 30 * US_PER_S;
    s->restart_every_us = 10 * US_PER_S;
    s->log.buffer = 256 << 10;
    return s;
}

/* service_argument - a change of the launch part. */
static inline void
service_argument(struct service_spec *s, const char *argument)
{
    must_add(&s->command, argument);
}

static inline struct spec *
spec_new(int64_t stop_budget_us)
{
    struct spec *c = must(calloc(1, sizeof(*c)));

    c->path = must(strdup("/etc/stint/stint.yaml"));
    c->runtime_dir = must(strdup("/run/stint"));
    c->state_dir = must(strdup("/var/lib/stint"));
    c->stop_budget_us = stop_budget_us;
    return c;
}

/* spec_take - add a service; the configuration takes the caller's reference. */
static inline void
spec_take(struct spec *c, struct service_spec *s)
{
    c->services = must(realloc(c->services, (c->n_services + 1) * sizeof(struct service_spec *)));
    c->services[c->n_services++] = s;
}

#endif
