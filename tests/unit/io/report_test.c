/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's data is built by hand here: each field of the report has one place it comes from. */
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/report.h"
#include "tests/unit/unit.h"

#define NOW (1000 * US_PER_S)

static struct core core;
static struct service service;
static struct generation old_one, new_one;
static struct worker leaver, fresh;
static struct slot slots[2];
static struct spec *spec;
static struct report_sources sources;

static void
fill_generation(struct generation *g, uint64_t number, enum generation_state state)
{
    *g = (struct generation){.service = &service,
                             .number = number,
                             .spec = spec->services[0],
                             .state = state,
                             .deadline_us = TIME_NEVER,
                             .started_us = NOW - 60 * US_PER_S,
                             .serving_us = NOW - 50 * US_PER_S,
                             .has_served = true};
    list_init(&g->workers);
    list_add(&service.generations, &g->node);
}

static void
fill_worker(struct worker *w, struct generation *g, pid_t pid, enum worker_state state)
{
    *w = (struct worker){.generation = g,
                         .born = g->number,
                         .id = (uint64_t)pid,
                         .pid = pid,
                         .state = state,
                         .spawned_us = NOW - 60 * US_PER_S,
                         .deadline_us = TIME_NEVER,
                         .assume_us = TIME_NEVER};
    list_add(&g->workers, &w->node);
}

static void
set_up(void)
{
    static const char yaml[] = "version: 1\nservices:\n  web:\n    command: [/bin/true]\n"
                               "    workers: 2\n    directory: /\n    ready: {assume_after: 2s}\n";
    struct diagnostics found = {0};

    ck_assert_int_eq(config_parse("x.yaml", yaml, sizeof(yaml) - 1, &spec, &found), 0);
    core = (struct core){.now_us = NOW};
    list_init(&core.services);
    service = (struct service){.id = 1, .name = "web", .spec = spec->services[0], .respawns = 3};
    service.reload.state = RELOAD_IDLE;
    service.last_generation = 8;
    list_init(&service.generations);
    list_add(&core.services, &service.node);
    fill_generation(&old_one, 7, GENERATION_DRAINING);
    old_one.drain_us = NOW - 3 * US_PER_S;
    fill_generation(&new_one, 8, GENERATION_SERVING);
    fill_worker(&leaver, &old_one, 45, WORKER_DRAINING);
    leaver.signalled = true;
    leaver.deadline_us = NOW + 27 * US_PER_S;
    fill_worker(&fresh, &new_one, 46, WORKER_READY);
    slots[0] = (struct slot){.next_spawn_us = TIME_NEVER};
    slots[1] = (struct slot){.failures = 2, .next_spawn_us = NOW + 400 * US_PER_MS};
    new_one.slots = slots;
    new_one.n_slots = 2;
    sources = (struct report_sources){.core = &core, .started_us = NOW - 90 * US_PER_S};
}

static void
tear_down(void)
{
    spec_destroy(spec);
}

static json_t *
at(json_t *o, const char *key, size_t i)
{
    return json_array_get(json_object_get(o, key), i);
}

static int64_t
number(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_integer(json_object_get(o, key)), "'%s' is no number", key);
    return json_integer_value(json_object_get(o, key));
}

static const char *
string(const json_t *o, const char *key)
{
    ck_assert_msg(json_is_string(json_object_get(o, key)), "'%s' is no text", key);
    return json_string_value(json_object_get(o, key));
}

START_TEST(a_service_is_reported_with_its_generations)
{
    json_t *status = report_status(&sources, NULL, NOW);
    json_t *s = at(status, "services", 0);

    ck_assert_str_eq(string(status, "schema"), "stint.status/1");
    ck_assert_str_eq(string(status, "version"), STINT_VERSION);
    ck_assert_int_eq(number(status, "uptime_ms"), 90000);
    ck_assert_str_eq(string(s, "name"), "web");
    ck_assert_str_eq(string(s, "state"), "running");
    ck_assert_str_eq(string(s, "want"), "up");
    ck_assert_str_eq(string(s, "handoff"), "overlap");
    ck_assert_int_eq(number(s, "serving"), 8);
    ck_assert_int_eq(number(s, "respawns"), 3);
    ck_assert_uint_eq(json_array_size(json_object_get(s, "generations")), 2);
    ck_assert_ptr_null(json_object_get(s, "rejected"));
    ck_assert_ptr_null(json_object_get(s, "last_verdict"));
    json_decref(status);
}
END_TEST

START_TEST(a_drain_says_what_it_waits_for)
{
    json_t *status = report_status(&sources, &service, NOW);
    json_t *g = at(at(status, "services", 0), "generations", 0);
    json_t *drain = json_object_get(g, "drain");

    ck_assert_str_eq(string(g, "state"), "draining");
    ck_assert_int_eq(number(g, "since_ms"), 3000);
    ck_assert_int_eq(number(drain, "since_ms"), 3000);
    ck_assert_str_eq(string(drain, "waits_for"),
                     "pid 45 finishes its work since SIGTERM, 27.0 s left");
    ck_assert_int_eq(number(at(g, "workers", 0), "deadline_in_ms"), 27000);
    json_decref(status);
}
END_TEST

START_TEST(an_empty_place_says_when_it_tries_again)
{
    json_t *status = report_status(&sources, &service, NOW);
    json_t *g = at(at(status, "services", 0), "generations", 1);
    json_t *waiting = at(g, "workers", 1);

    ck_assert_uint_eq(json_array_size(json_object_get(g, "workers")), 2);
    ck_assert_str_eq(string(waiting, "state"), "backoff");
    ck_assert_int_eq(number(waiting, "slot"), 1);
    ck_assert_int_eq(number(waiting, "failures"), 2);
    ck_assert_int_eq(number(waiting, "next_try_in_ms"), 400);
    json_decref(status);
}
END_TEST

START_TEST(assumed_readiness_is_called_weak)
{
    json_t *status = report_status(&sources, &service, NOW);
    json_t *g = at(at(status, "services", 0), "generations", 1);

    ck_assert_str_eq(string(g, "ready_grade"), "weak");
    ck_assert_ptr_null(json_object_get(g, "traffic")); /* it does not listen */
    ck_assert_str_eq(string(json_object_get(at(g, "workers", 0), "ready"), "grade"), "weak");
    json_decref(status);
}
END_TEST

START_TEST(a_rejection_stays_in_the_report)
{
    json_t *status, *s;

    service.input_rejected = true;
    service.rejected = (struct digest){1, 2};
    (void)strcpy(service.rejected_reason, "check failed \xff"); /* not UTF-8, as programs print */
    service.last = (struct verdict){.reload = 5,
                                    .outcome = OUTCOME_REJECTED,
                                    .generation = 8,
                                    .at_us = NOW - US_PER_S,
                                    .duration_us = 212 * US_PER_MS};
    status = report_status(&sources, &service, NOW);
    s = at(status, "services", 0);

    ck_assert_str_eq(string(json_object_get(s, "rejected"), "reason"), "check failed \xef\xbf\xbd");
    ck_assert_uint_eq(strlen(string(json_object_get(s, "rejected"), "digest")), 32);
    ck_assert_str_eq(string(json_object_get(s, "last_verdict"), "outcome"), "rejected");
    ck_assert_int_eq(number(json_object_get(s, "last_verdict"), "duration_ms"), 212);
    ck_assert_int_eq(number(json_object_get(s, "last_verdict"), "ago_ms"), 1000);
    json_decref(status);
}
END_TEST

START_TEST(a_reload_by_signal_is_shown_with_what_it_is_worth)
{
    json_t *status, *s, *g, *w;

    service.last = (struct verdict){
        .reload = 5, .outcome = OUTCOME_SERVING, .generation = 8, .grade = GRADE_ASSUMED};
    new_one.grade = GRADE_ASSUMED;
    fresh.grade = GRADE_FILE;
    fresh.born = 3;
    fresh.reloading = RELOADING_BUSY;
    status = report_status(&sources, &service, NOW);
    s = at(status, "services", 0);
    g = at(s, "generations", 1);
    w = at(g, "workers", 0);
    ck_assert_str_eq(string(json_object_get(s, "last_verdict"), "evidence"), "assumed");
    ck_assert_str_eq(string(g, "reload_evidence"), "assumed");
    ck_assert_str_eq(string(w, "reload"), "reloading");
    ck_assert_str_eq(string(w, "reload_evidence"), "file");
    ck_assert_int_eq(number(w, "started_by"), 3);
    g = at(s, "generations", 0);
    ck_assert_ptr_null(json_object_get(g, "reload_evidence")); /* made by no signal */
    ck_assert_ptr_null(json_object_get(at(g, "workers", 0), "started_by"));
    json_decref(status);
}
END_TEST

static json_t *
give(void *env, const struct service *s)
{
    return json_pack("{s:s, s:i}", "mode", (const char *)env, "service", (int)s->id);
}

static void
config(void *env, struct report_config *ret)
{
    *ret = (struct report_config){
        .path = (const char *)env, .digest = "d", .valid = false, .error = "x.yaml:1:1: bad"};
}

START_TEST(what_only_the_rim_knows_is_asked_for)
{
    json_t *status, *s;

    sources.env = (void *)(uintptr_t) "polling";
    sources.watch = give;
    sources.config = config;
    status = report_status(&sources, NULL, NOW);
    s = at(status, "services", 0);
    ck_assert_str_eq(string(json_object_get(s, "watch"), "mode"), "polling");
    ck_assert(json_is_false(json_object_get(json_object_get(status, "config"), "valid")));
    ck_assert_str_eq(string(json_object_get(status, "config"), "error"), "x.yaml:1:1: bad");
    json_decref(status);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("report");
    TCase *tc = tcase_create("status");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_service_is_reported_with_its_generations);
    tcase_add_test(tc, a_drain_says_what_it_waits_for);
    tcase_add_test(tc, an_empty_place_says_when_it_tries_again);
    tcase_add_test(tc, assumed_readiness_is_called_weak);
    tcase_add_test(tc, a_rejection_stays_in_the_report);
    tcase_add_test(tc, a_reload_by_signal_is_shown_with_what_it_is_worth);
    tcase_add_test(tc, what_only_the_rim_knows_is_asked_for);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
