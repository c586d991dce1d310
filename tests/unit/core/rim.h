/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef STINT_TESTS_CORE_RIM_H
#define STINT_TESTS_CORE_RIM_H

/*
 * A rim of cardboard: it steps the core, writes down every effect as words, and answers the
 * questions a test does not care about. A test switches an answer off and gives its own.
 *
 *   did:  "look web; spawn web/2.0 w3 from 2; signal w1 15"      (what the core asked for)
 *   said: "reload: web cause …\n"                                 (records, one line each)
 */
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "supervisor/core/core.h"
#include "tests/unit/core/specs.h"
#include "tests/unit/unit.h"

#define RIM_SERVICES 256
#define RIM_TODO     64

struct rim {
    struct core *core;
    struct effects fx;
    int64_t now_us;
    struct text did, said;
    uint64_t disk[RIM_SERVICES + 1]; /* version of each service's inputs, by service id */
    uint64_t program, setting;       /* of all of them: what a signal does not change */
    bool outdated;                   /* somebody runs replaced libraries */
    uint64_t last_snapshot;
    bool look, check, hook, spawn, ready, evidence, exit, survey; /* answered by the rim itself */
    unsigned max_starting;       /* of the configurations to come */
    bool poor;                   /* memory may run out: effects may be lost */
    struct event todo[RIM_TODO]; /* answers not yet given */
    size_t n_todo;
};

static inline void rim_words(struct rim *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void
rim_words(struct rim *r, const char *fmt, ...)
{
    char line[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (r->did.bytes > 0)
        text_add(&r->did, "; ");
    text_add(&r->did, line);
}

static inline const char *
rim_name(const struct rim *r, uint32_t service)
{
    const struct service *s = core_service(r->core, service);

    return s ? s->name : "?";
}

static inline void
rim_write_record(struct rim *r, const struct record *rec)
{
    text_addf(&r->said, "%s: %s", record_kind_name(rec->kind), rec->service);
    if (rec->generation > 0)
        text_addf(&r->said, "/%" PRIu64, rec->generation);
    if (rec->pid > 0)
        text_addf(&r->said, " pid %d", (int)rec->pid);
    if (rec->kind == RECORD_VERDICT)
        text_addf(&r->said, " %s #%" PRIu64, outcome_name(rec->outcome), rec->reload);
    if (rec->grade != GRADE_NONE)
        text_addf(&r->said, " %s", grade_name(rec->grade));
    if (rec->kind == RECORD_CERTIFICATE || rec->kind == RECORD_LEAK)
        text_addf(&r->said, " count %u", rec->count);
    text_addf(&r->said, " | %s\n", rec->text);
    ck_assert_msg(rec->kind != RECORD_BUG, "the core says it has a bug: %s", rec->text);
}

static inline void
rim_write_effect(struct rim *r, const struct effect *e)
{
    const struct worker *w = e->worker ? core_worker(r->core, e->worker) : NULL;

    switch (e->type) {
    case FX_LOOK:
        rim_words(r, "look %s", rim_name(r, e->service));
        break;
    case FX_CHECK:
        rim_words(r, "check %s %" PRIu64, rim_name(r, e->service), e->snapshot);
        break;
    case FX_SPAWN:
        rim_words(r, "spawn %s/%" PRIu64 ".%u w%" PRIu64, rim_name(r, e->service), e->generation,
                  w ? w->slot : 99, e->worker);
        break;
    case FX_OPEN:
        rim_words(r, "open w%" PRIu64, e->worker);
        break;
    case FX_CANCEL:
        rim_words(r, "cancel w%" PRIu64, e->worker);
        break;
    case FX_SIGNAL:
        rim_words(r, "signal w%" PRIu64 " %d", e->worker, e->signo);
        break;
    case FX_RELOAD:
        rim_words(r, "reload w%" PRIu64 " %d", e->worker, e->signo);
        break;
    case FX_EVIDENCE:
        rim_words(r, "evidence w%" PRIu64, e->worker);
        break;
    case FX_INSPECT:
        rim_words(r, "inspect w%" PRIu64, e->worker);
        break;
    case FX_KILL:
        rim_words(r, "kill w%" PRIu64, e->worker);
        break;
    case FX_HOOK:
        rim_words(r, "hook %s/%" PRIu64 " %s%s", rim_name(r, e->service), e->generation,
                  hook_name(e->hook), e->again ? " again" : "");
        break;
    case FX_UNHOOK:
        rim_words(r, "unhook %s/%" PRIu64 " %s", rim_name(r, e->service), e->generation,
                  hook_name(e->hook));
        break;
    case FX_SURVEY: /* in the way of what is told, unless a test asks for it */
        if (!r->survey)
            rim_words(r, "survey %s/%" PRIu64, rim_name(r, e->service), e->generation);
        break;
    case FX_DISCARD:
        rim_words(r, "discard %" PRIu64, e->snapshot);
        break;
    case FX_RECORD:
        rim_write_record(r, e->record);
        break;
    default:
        ck_abort_msg("an effect nobody knows: %d", (int)e->type);
    }
}

static inline struct event *
rim_later(struct rim *r, enum event_type type, const struct effect *e)
{
    struct event *ev = &r->todo[r->n_todo++];

    ck_assert_uint_lt(r->n_todo, RIM_TODO);
    memset(ev, 0, sizeof(*ev));
    ev->type = type;
    ev->service = e->service;
    ev->worker = e->worker;
    return ev;
}

static inline struct digest
rim_digest(uint64_t version)
{
    return digest_of(&version, sizeof(version));
}

/* What a friendly world answers. */
static inline void
rim_answer(struct rim *r, const struct effect *e)
{
    struct event *ev;

    if (e->type == FX_LOOK && r->look) {
        ev = rim_later(r, EVENT_LOOKED, e);
        ev->looked.reload = e->reload;
        ev->looked.result = LOOK_OK;
        ev->looked.snapshot = ++r->last_snapshot;
        ev->looked.digest = rim_digest(r->disk[e->service]);
        ev->looked.program = rim_digest(r->program);
        ev->looked.setting = rim_digest(r->setting);
        ev->looked.outdated = r->outdated;
    } else if (e->type == FX_CHECK && r->check) {
        ev = rim_later(r, EVENT_CHECKED, e);
        ev->checked.reload = e->reload;
        ev->checked.ok = true;
    } else if (e->type == FX_SPAWN && r->spawn) {
        rim_later(r, EVENT_SPAWNED, e)->spawned.pid = (pid_t)(1000 + e->worker);
        if (r->ready)
            (void)rim_later(r, EVENT_READY, e);
    } else if (e->type == FX_HOOK && r->hook) {
        ev = rim_later(r, EVENT_HOOKED, e);
        ev->hooked.generation = e->generation;
        ev->hooked.hook = e->hook;
        ev->hooked.outcome = HOOK_DONE;
    } else if (e->type == FX_SURVEY && r->survey) {
        rim_later(r, EVENT_SURVEYED, e)->surveyed.generation = e->generation;
    } else if (e->type == FX_EVIDENCE && r->evidence) {
        ev = rim_later(r, EVENT_EVIDENCE, e);
        ev->evidence.stragglers = 1;
        ev->evidence.text = "thread 'flush' in read(9)";
    } else if (e->type == FX_SIGNAL && r->exit) {
        rim_later(r, EVENT_EXIT, e)->death.wait_status = e->signo;
    }
}

static inline void
rim_step_one(struct rim *r, struct event ev)
{
    ev.now_us = r->now_us;
    effects_clear(&r->fx);
    core_step(r->core, &ev, &r->fx);
    ck_assert(r->fx.lost == 0 || r->poor);
    r->fx.lost = 0;
    for (size_t i = 0; i < r->fx.n; i++) {
        rim_write_effect(r, &r->fx.items[i]);
        rim_answer(r, &r->fx.items[i]);
    }
}

/* rim_step - one event, then the answers it leads to. */
static inline void
rim_step(struct rim *r, struct event ev)
{
    rim_step_one(r, ev);
    while (r->n_todo > 0) {
        struct event next = r->todo[0];

        memmove(r->todo, r->todo + 1, --r->n_todo * sizeof(r->todo[0]));
        rim_step_one(r, next);
    }
}

/* rim_wait - let time pass; every deadline in between gets its tick on time. */
static inline void
rim_wait(struct rim *r, int64_t us)
{
    int64_t until = r->now_us + us;
    int ticks = 0;

    for (;;) {
        int64_t due = core_next_deadline_us(r->core);

        if (due > until)
            break;
        if (due > r->now_us)
            r->now_us = due;
        rim_step(r, (struct event){.type = EVENT_TICK});
        ck_assert_msg(++ticks < 1000, "ticks leave a deadline behind that has come");
    }
    r->now_us = until;
    rim_step(r, (struct event){.type = EVENT_TICK});
}

static inline void
rim_init(struct rim *r)
{
    memset(r, 0, sizeof(*r));
    ck_assert_int_eq(core_create(7, &r->core), 0);
    r->now_us = 1000 * US_PER_S;
    r->look = r->check = r->hook = r->spawn = r->ready = r->evidence = r->exit = r->survey = true;
}

static inline void
rim_finish(struct rim *r)
{
    core_destroy(r->core);
    effects_finish(&r->fx);
    text_finish(&r->did);
    text_finish(&r->said);
}

/* rim_forget - from here on. */
static inline void
rim_forget(struct rim *r)
{
    text_clear(&r->did);
    text_clear(&r->said);
}

/* rim_config - a configuration of the services given (a NULL-terminated list; they are taken). */
static inline void
rim_config_list(struct rim *r, struct service_spec *const *services)
{
    struct spec *c = spec_new(60 * US_PER_S);

    for (; *services; services++)
        spec_take(c, *services);
    rim_step(r, (struct event){
                    .type = EVENT_CONFIG, .config = {.spec = c, .max_starting = r->max_starting}
    });
    spec_destroy(c);
}

#define rim_config(r, ...) rim_config_list(r, (struct service_spec *const[]){__VA_ARGS__, NULL})

static inline struct service *
rim_service(const struct rim *r, const char *name)
{
    return must(core_service_by_name(r->core, name));
}

static inline uint32_t
rim_id(const struct rim *r, const char *name)
{
    return rim_service(r, name)->id;
}

/* What people do. */
static inline void
rim_ask(struct rim *r, enum event_type type, const char *name, bool force)
{
    rim_step(r, (struct event){
                    .type = type,
                    .service = name ? rim_id(r, name) : 0,
                    .request = {.force = force, .cause = "asked by a test"}
    });
}

/* rim_edit - the inputs of a service change, and inotify notices. */
static inline void
rim_edit(struct rim *r, const char *name)
{
    r->disk[rim_id(r, name)]++;
    rim_step(r, (struct event){.type = EVENT_HINT,
                               .service = rim_id(r, name),
                               .hint = {.path = "/bin/worker"}});
}

static inline void
rim_ready(struct rim *r, uint64_t worker)
{
    rim_step(r, (struct event){.type = EVENT_READY, .worker = worker});
}

/* Answers by hand, where the rim's own are switched off. They go to the present run. */
static inline struct event
rim_answer_of(const struct rim *r, enum event_type type, const char *name)
{
    struct event ev = {.type = type, .service = rim_id(r, name)};

    if (type == EVENT_LOOKED)
        ev.looked.reload = rim_service(r, name)->reload.id;
    else
        ev.checked.reload = rim_service(r, name)->reload.id;
    return ev;
}

static inline void
rim_looked(struct rim *r, const char *name)
{
    struct event ev = rim_answer_of(r, EVENT_LOOKED, name);

    ev.looked.result = LOOK_OK;
    ev.looked.snapshot = ++r->last_snapshot;
    ev.looked.digest = rim_digest(r->disk[ev.service]);
    ev.looked.program = rim_digest(r->program);
    ev.looked.setting = rim_digest(r->setting);
    rim_step(r, ev);
}

static inline void
rim_looked_not(struct rim *r, const char *name, enum look_result result)
{
    struct event ev = rim_answer_of(r, EVENT_LOOKED, name);

    ev.looked.result = result;
    ev.looked.reason = result == LOOK_BROKEN ? "not an ELF file" : "still being written";
    rim_step(r, ev);
}

static inline void
rim_checked(struct rim *r, const char *name, bool ok)
{
    struct event ev = rim_answer_of(r, EVENT_CHECKED, name);

    ev.checked.ok = ok;
    ev.checked.reason = ok ? NULL : "unknown directive 'lisen' in line 3";
    rim_step(r, ev);
}

/* rim_dies - a worker ends by itself. @wait_status: 0x0100 is exit(1), 11 is SIGSEGV. */
static inline void
rim_dies(struct rim *r, uint64_t worker, int wait_status)
{
    rim_step(r, (struct event){
                    .type = EVENT_EXIT, .worker = worker, .death = {.wait_status = wait_status}});
}

static inline void
rim_exec_error(struct rim *r, uint64_t worker, int error)
{
    rim_step(r, (struct event){
                    .type = EVENT_EXIT,
                    .worker = worker,
                    .death = {.exec_error = error, .exec_step = "execve"}
    });
}

#include "tests/unit/core/rim_suite.h"

#endif
