/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_CORE_CORE_H
#define STINT_CORE_CORE_H

/*
 * The part that decides. Pure: no syscall, no clock, no loop; the same events give the same effects.
 *
 *   rim: peek event ─▶ core_step() ─▶ effects ─▶ act ─▶ consume event
 *
 * After every step core_next_deadline_us() says when the next EVENT_TICK is due.
 */
#include "supervisor/core/effect.h"
#include "supervisor/core/event.h"
#include "supervisor/core/model.h"

/* core_create - an empty core. @seed: any; the same seed and events replay alike. Return: 0 or -ENOMEM. */
int core_create(uint64_t seed, struct core **ret);
void core_destroy(struct core *c);

/**
 * core_step - take in one event and decide.
 * @fx: effects are appended in the order they have to be carried out
 *
 * Never fails: what cannot be done is said in a record. An event about a worker or service that is
 * not known (any more) is an honest race and ignored. Deadlines are acted on by EVENT_TICK alone.
 *
 * After EVENT_ESCAPEE the new record is core_worker(c, c->last_worker_id); its pid tells whether
 * there is one. The rim gives it its pidfd before it acts on the effects.
 */
void core_step(struct core *c, const struct event *ev, struct effects *fx);

/*
 * core_clean - the images of all services in core.touched are written: the list begins anew.
 *
 * Who is not in it is as it was at the last call. A service that was removed is not in it either:
 * RECORD_SERVICE "removed" tells of that. The core itself counts as touched by each step.
 */
void core_clean(struct core *c);

/* When the next EVENT_TICK is due: absolute CLOCK_MONOTONIC µs, TIME_NEVER = not by itself. */
int64_t core_next_deadline_us(const struct core *c);

/* Everything has stopped after EVENT_STOP_ALL (abandoned workers do not count). */
bool core_stopped(const struct core *c);

/**
 * core_spent - is there nothing to be expected of a service any more, or of all of them?
 *
 * A service has failed for good when it shall be up and nothing of it serves, its candidate was
 * rejected, and no run is under way that may change it. One whose generation serves has not, whatever
 * was rejected since; nor has one that crashes and is respawned.
 *
 * Return: -1: go on. Else what to exit with, and @why in words: the worst of those that failed, 1 to
 * 255; 0: none failed, but every one was stopped, or waits for one that was.
 */
int core_spent(const struct core *c, char *why, size_t room);

struct service *core_service(const struct core *c, uint32_t id);
struct service *core_service_by_name(const struct core *c, const char *name);
struct worker *core_worker(const struct core *c, uint64_t id);
struct generation *service_generation(const struct service *s, uint64_t number);

/*
 * reload_at_door - the run under way may relieve who serves only with what a preflight has passed.
 *
 * Where nothing serves there is nobody to protect, and a machine that boots is not kept waiting; and what
 * serves already may be started anew. For a run that has looked.
 */
bool reload_at_door(const struct service *s);

/* The generation that serves, or the one on its way to (STARTING or SOAKING); NULL when there is none. */
struct generation *service_serving(const struct service *s);
struct generation *service_candidate(const struct service *s);

/* What a worker is to be relieved for, by `restart_after` of its service. */
enum relief { RELIEF_NONE, RELIEF_AGE, RELIEF_REQUESTS, RELIEF_RSS };

/*
 * A worker's own limits, less its jitter: 0 = none.
 * worker_outlived - by what it has used up (its age is the core's own business).
 */
int64_t worker_age_limit_us(const struct worker *w);
uint64_t worker_requests_limit(const struct worker *w);
uint64_t worker_rss_limit(const struct worker *w);
enum relief worker_outlived(const struct worker *w, uint64_t requests, uint64_t rss_bytes);

/* worker_open - its service is gated, and it may have clients: it was given the listeners. */
bool worker_open(const struct worker *w);

enum service_state service_state(const struct service *s);

/* service_why - what a service is waiting for, in words; "" when nothing. Return: @buf. */
char *service_why(const struct core *c, const struct service *s, char *buf, size_t room);

/* service_waits_in_vain - it waits for a service that failed or was stopped, or that waits for one. */
bool service_waits_in_vain(const struct core *c, const struct service *s);

/**
 * service_covering_reload - the id of the run that answers an EVENT_RELOAD for @s stepped right after this call.
 *
 * That is the present run while it has not looked yet, otherwise the next one. 0: the service is not
 * wanted up, so there will be no run.
 */
uint64_t service_covering_reload(const struct core *c, const struct service *s);

/*
 * Every row of the three tables has a name, "worker:STARTING-READY->READY": life, from, event, to.
 * move_name - of a move in core.moves. move_edge - of the @i-th row, from 0; NULL: there are no more.
 */
const char *move_name(const struct move *m);
const char *move_edge(size_t i);

/* The three tables, for tests: can this cell be stepped? (IGNORE cells say true and change nothing.) */
bool worker_cell(enum worker_state s, enum worker_event e, enum worker_state *ret_next);
bool generation_cell(enum generation_state s, enum generation_event e,
                     enum generation_state *ret_next);
bool reload_cell(enum reload_state s, enum reload_event e, enum reload_state *ret_next);

#endif
