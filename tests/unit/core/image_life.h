/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_IMAGE_LIFE_H
#define STINT_TESTS_CORE_IMAGE_LIFE_H

/*
 * A life in which most of what can happen to four services happens, as a list of acts: between any
 * two of them a core may be taken apart and put together again.
 */
#include "base/mem.h"
#include "tests/unit/core/rim.h"

static inline void
life_configure(struct rim *r, unsigned workers, bool api)
{
    struct service_spec *web = service_new("web"), *queue = service_new("queue");
    struct service_spec *last = service_new("api"), *proxy = service_new("proxy");

    web->workers = workers;
    web->soak_us = US_PER_S;
    web->libstint = true;
    web->stop_signal = SIGINT;
    web->announce_delay_us = 500 * US_PER_MS;
    queue->handoff = HANDOFF_REPLACE;
    must_add(&queue->check, "/bin/check");
    must_add(&last->depends_on, "web");
    proxy->workers = 2;
    proxy->handoff = HANDOFF_SIGNAL;
    if (api) {
        rim_config(r, web, queue, last, proxy);
        return;
    }
    service_spec_unref(last);
    rim_config(r, web, queue, proxy);
}

/* Of the newest generation; from 0. */
static inline uint64_t
life_worker(const struct rim *r, const char *name, unsigned at)
{
    const struct service *s = rim_service(r, name);
    const struct generation *g = container_of(s->generations.prev, struct generation, node);

    list_for_each (n, &g->workers)
        if (at-- == 0)
            return container_of(n, struct worker, node)->id;
    ck_abort_msg("%s has no such worker", name);
}

static inline uint64_t
life_oldest(const struct rim *r, const char *name)
{
    const struct service *s = rim_service(r, name);
    const struct generation *g = container_of(s->generations.next, struct generation, node);

    return container_of(g->workers.next, struct worker, node)->id;
}

static inline void
life_first_looks(struct rim *r)
{
    r->look = false;
    life_configure(r, 2, true);
    rim_ask(r, EVENT_RELOAD, "api", false); /* it waits for web */
}

static inline void
life_starts(struct rim *r)
{
    r->ready = r->check = false;
    rim_looked(r, "web");
    rim_looked(r, "queue");
    rim_looked(r, "proxy");
}

static inline void
life_serves(struct rim *r)
{
    rim_ready(r, life_worker(r, "web", 0));
    rim_ready(r, life_worker(r, "web", 1));
    rim_ready(r, life_worker(r, "proxy", 0));
    rim_ready(r, life_worker(r, "proxy", 1));
    rim_wait(r, US_PER_S); /* its probation passes */
    rim_looked(r, "api");
}

static inline void
life_queue_serves(struct rim *r)
{
    r->ready = true;
    rim_checked(r, "queue", true);
}

static inline void
life_settles(struct rim *r)
{
    rim_edit(r, "web");
}

static inline void
life_looks(struct rim *r)
{
    rim_wait(r, 200 * US_PER_MS);
}

static inline void
life_settles_again(struct rim *r)
{
    rim_looked_not(r, "web", LOOK_UNSETTLED);
}

static inline void
life_hands(struct rim *r)
{
    r->ready = r->spawn = false; /* nobody is born yet */
    rim_wait(r, 200 * US_PER_MS);
    rim_looked(r, "web");
}

static inline void
life_falters(struct rim *r)
{
    r->spawn = true;
    for (unsigned i = 0; i < 2; i++)
        rim_step(r, (struct event){.type = EVENT_SPAWNED,
                                   .worker = life_worker(r, "web", i),
                                   .spawned = {.pid = (pid_t)(50 + i)}});
    rim_ready(r, life_worker(r, "web", 0));
    rim_dies(r, life_worker(r, "web", 1), SIGSEGV);        /* once more at once … */
    rim_exec_error(r, life_worker(r, "web", 1), -ETXTBSY); /* … then after a wait by chance */
}

static inline void
life_soaks(struct rim *r)
{
    r->ready = true;
    r->exit = false;
    rim_wait(r, 200 * US_PER_MS);
    rim_step(r, (struct event){.type = EVENT_STATUS,
                               .worker = life_worker(r, "web", 0),
                               .status = {.text = "warm"}});
}

static inline void
life_announces(struct rim *r)
{
    rim_wait(r, US_PER_S);
}

static inline void
life_drains(struct rim *r)
{
    rim_wait(r, US_PER_S);
    rim_step(r, (struct event){
                    .type = EVENT_EXTEND, .worker = life_oldest(r, "web"), .extend = {40000000}});
}

static inline void
life_leaks(struct rim *r)
{
    r->evidence = false;
    rim_wait(r, 30 * US_PER_S); /* its sister has asked for more */
}

static inline void
life_is_accused(struct rim *r)
{
    rim_step(r, (struct event){
                    .type = EVENT_EVIDENCE,
                    .worker = life_oldest(r, "web") + 1,
                    .evidence = {2, "thread 'flush' in read(9)"}
    });
}

static inline void
life_is_killed(struct rim *r)
{
    rim_wait(r, 10 * US_PER_S); /* … and is accused by now */
}

static inline void
life_is_abandoned(struct rim *r)
{
    rim_wait(r, 20 * US_PER_S);
}

static inline void
life_is_certified(struct rim *r)
{
    uint64_t first = life_oldest(r, "web");

    rim_dies(r, first, SIGKILL);
    rim_dies(r, first + 1, SIGKILL);
}

static inline void
life_checks(struct rim *r)
{
    rim_edit(r, "queue");
    rim_wait(r, 200 * US_PER_MS);
    rim_looked(r, "queue");
}

static inline void
life_trails(struct rim *r)
{
    rim_edit(r, "queue");
    rim_ask(r, EVENT_RELOAD, "queue", true);
}

static inline void
life_relieves(struct rim *r)
{
    rim_checked(r, "queue", true);
}

static inline void
life_parks(struct rim *r)
{
    r->ready = false;
    rim_dies(r, life_oldest(r, "queue"), 0);
}

static inline void
life_fails(struct rim *r)
{
    rim_exec_error(r, life_worker(r, "queue", 0), -ETXTBSY); /* its writer has it open: once more */
    rim_exec_error(r, life_worker(r, "queue", 0), -ENOEXEC);
}

static inline void
life_restores(struct rim *r)
{
    const struct service *s = rim_service(r, "queue");

    r->exit = r->ready = true;
    list_for_each (n, &s->generations) {
        const struct generation *g = container_of(n, struct generation, node);

        if (generation_cell(g->state, GE_ALL_READY, &(enum generation_state){0}) &&
            !list_empty(&g->workers)) {
            rim_ready(r, container_of(g->workers.next, struct worker, node)->id);
            return;
        }
    }
}

static inline void
life_is_asked(struct rim *r)
{
    rim_ask(r, EVENT_RELOAD, "proxy", true);
    rim_looked(r, "proxy");
}

static inline void
life_reloads(struct rim *r)
{
    rim_step(r, (struct event){.type = EVENT_RELOADING, .worker = life_worker(r, "proxy", 0)});
}

static inline void
life_has_reloaded(struct rim *r)
{
    rim_ready(r, life_worker(r, "proxy", 0));
}

static inline void
life_is_handed_over(struct rim *r)
{
    rim_step(r, (struct event){.type = EVENT_REWRITTEN, .worker = life_worker(r, "proxy", 1)});
}

static inline void
life_escapes(struct rim *r)
{
    r->exit = false;
    rim_step(r, (struct event){
                    .type = EVENT_ESCAPEE,
                    .worker = life_worker(r, "web", 1),
                    .escapee = {.pid = 77, .name = "sh"}
    });
    rim_dies(r, life_worker(r, "web", 1), SIGSEGV);
}

static inline void
life_scales(struct rim *r)
{
    r->exit = true;
    life_configure(r, 4, true);
}

static inline void
life_shrinks(struct rim *r)
{
    r->exit = false;
    life_configure(r, 1, true);
}

static inline void
life_is_stopped(struct rim *r)
{
    rim_ask(r, EVENT_STOP, "api", false);
}

static inline void
life_is_removed(struct rim *r)
{
    life_configure(r, 1, false);
}

static inline void
life_ends(struct rim *r)
{
    rim_step(r, (struct event){.type = EVENT_STOP_ALL, .request = {.cause = "the end"}});
}

static inline void
life_hurries(struct rim *r)
{
    rim_wait(r, 49 * US_PER_S);
}

static inline void
life_is_over(struct rim *r)
{
    rim_wait(r, 30 * US_PER_S);
}

#define LIFE_ACT(name)     \
    {                      \
#name, life_##name \
    }
static const struct {
    const char *name;
    void (*play)(struct rim *r);
} life_acts[] = {
    LIFE_ACT(first_looks),   LIFE_ACT(starts),       LIFE_ACT(queue_serves),
    LIFE_ACT(serves),        LIFE_ACT(settles),      LIFE_ACT(looks),
    LIFE_ACT(settles_again), LIFE_ACT(hands),        LIFE_ACT(falters),
    LIFE_ACT(soaks),         LIFE_ACT(announces),    LIFE_ACT(drains),
    LIFE_ACT(leaks),         LIFE_ACT(is_accused),   LIFE_ACT(is_killed),
    LIFE_ACT(is_abandoned),  LIFE_ACT(is_certified), LIFE_ACT(checks),
    LIFE_ACT(trails),        LIFE_ACT(relieves),     LIFE_ACT(parks),
    LIFE_ACT(fails),         LIFE_ACT(restores),     LIFE_ACT(is_asked),
    LIFE_ACT(reloads),       LIFE_ACT(has_reloaded), LIFE_ACT(is_handed_over),
    LIFE_ACT(escapes),       LIFE_ACT(scales),       LIFE_ACT(shrinks),
    LIFE_ACT(is_stopped),    LIFE_ACT(is_removed),   LIFE_ACT(ends),
    LIFE_ACT(hurries),       LIFE_ACT(is_over),
};
#define LIFE_ACTS (sizeof(life_acts) / sizeof(life_acts[0]))

#endif
