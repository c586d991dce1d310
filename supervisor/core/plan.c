/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "supervisor/core/event.h"
#include "supervisor/core/internal.h"
#include "supervisor/core/pure.h"

static void
plan_add(struct core *c, const struct event *ev, struct service_spec *spec)
{
    struct service *s = calloc(1, sizeof(*s));

    if (!s) {
        c->fx->lost++; /* the next configuration event adds it */
        return;
    }
    s->id = ++c->last_service_id;
    copy_text(s->name, sizeof(s->name), spec->name);
    list_init(&s->generations);
    if (!agenda_join(c, s)) {
        free(s);
        c->fx->lost++;
        return;
    }
    s->tally.since_us = c->now_us;
    s->spec = service_spec_ref(spec);
    s->want = c->stopping ? WANT_DOWN : WANT_UP;
    s->reload.state = RELOAD_IDLE;
    s->reload.deadline_us = TIME_NEVER;
    s->reload.settle_cap_us = TIME_NEVER;
    if (ev->config.last_generation)
        s->last_generation = ev->config.last_generation(ev->config.env, spec->name);
    record_text(record_service(c, RECORD_SERVICE, s), "added");
}

/* With other values of these a candidate may pass that did not, or does not now. */
static bool
plan_judges_otherwise(const struct service_spec *a, const struct service_spec *b)
{
    const struct hook_spec *before = &a->hooks[HOOK_BEFORE_START],
                           *after = &b->hooks[HOOK_BEFORE_START];

    return !strv_equal(&before->command, &after->command) ||
           before->timeout_us != after->timeout_us || !strv_equal(&a->check, &b->check) ||
           a->check_timeout_us != b->check_timeout_us ||
           a->start_timeout_us != b->start_timeout_us || a->run_timeout_us != b->run_timeout_us ||
           a->retry != b->retry || a->soak_us != b->soak_us || a->limit_count != b->limit_count ||
           a->limit_within_us != b->limit_within_us || a->give_up != b->give_up;
}

static void
plan_change(struct core *c, struct service *s, struct service_spec *spec)
{
    auto_text struct text keys = TEXT_INIT;
    enum reload_class class = service_spec_diff(s->spec, spec, &keys);
    bool again = (s->input_rejected || s->reload.state > RELOAD_WAITING) &&
                 plan_judges_otherwise(s->spec, spec);
    char cause[160];

    if (s->want == WANT_GONE && !c->stopping) {
        s->want = WANT_UP;         /* taken back while it was leaving: */
        s->input_rejected = false; /* as new as one that had left */
    }
    if (class == RELOAD_NONE)
        return;
    (void)service_spec_ref(spec);
    service_spec_unref(s->spec);
    s->spec = spec;
    if (class == RELOAD_IN_PLACE) {
        service_apply_policy(c, s, text_str(&keys));
        if (!again)
            return;
    }
    if (s->want != WANT_UP)
        return;
    (void)snprintf(cause, sizeof(cause), "configuration: %s", text_str(&keys));
    s->input_rejected = false;
    if (service_serving(s) || s->reload.state != RELOAD_IDLE)
        reload_request(
            c, s, cause,
            (struct reload_wish){0}); /* otherwise service_bring_up() starts it when it may */
}

static struct service_spec *
plan_wanted(const struct spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_services; i++)
        if (strcmp(spec->services[i]->name, name) == 0)
            return spec->services[i];
    return NULL;
}

void
plan_config(struct core *c, const struct event *ev)
{
    const struct spec *spec = ev->config.spec;

    c->stop_budget_us = spec->stop_budget_us;
    c->max_starting = ev->config.max_starting;
    list_for_each (n, &c->services) {
        struct service *s = container_of(n, struct service, node);

        if (plan_wanted(spec, s->name) || s->want == WANT_GONE)
            continue;
        s->want = WANT_GONE;
        record_text(record_service(c, RECORD_SERVICE, s), "no longer configured: it is stopped");
    }
    for (size_t i = 0; i < spec->n_services; i++) {
        struct service *s = core_service_by_name(c, spec->services[i]->name);

        if (s)
            plan_change(c, s, spec->services[i]);
        else
            plan_add(c, ev, spec->services[i]);
    }
    if (!agenda_link_all(c))
        c->fx->lost++;
    c->hurried = false; /* the budget of a stop may be another one */
}
