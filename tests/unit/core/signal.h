/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_SIGNAL_H
#define STINT_TESTS_CORE_SIGNAL_H

/* A service that reloads itself, and what its workers say: for the tests of handoff: signal. */
#include "tests/unit/core/rim.h"

static struct rim rim;
static struct rim *const r = &rim;

static inline struct service_spec *
reloader(unsigned workers)
{
    struct service_spec *s = service_new("proxy");

    s->handoff = HANDOFF_SIGNAL;
    s->workers = workers;
    return s;
}

static inline void
setup(void)
{
    rim_init(r);
}

static inline void
teardown(void)
{
    rim_finish(r);
}

/* Generation 1 serves with workers 1 to @workers; then its input changes. */
static inline void
asked_to_reload(struct service_spec *s)
{
    rim_config(r, s);
    rim_forget(r);
    rim_ask(r, EVENT_RELOAD, "proxy", true);
}

static inline void
reloading(uint64_t worker, int64_t at_us)
{
    rim_step(r, (struct event){
                    .type = EVENT_RELOADING, .worker = worker, .reloading = {.at_us = at_us}});
}

static inline void
reloads(uint64_t worker)
{
    reloading(worker, 0);
    rim_ready(r, worker);
}

static inline void
rewritten(uint64_t worker)
{
    rim_step(r, (struct event){.type = EVENT_REWRITTEN, .worker = worker});
}

#endif
