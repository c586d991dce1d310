/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The desk with a real core behind it; only the world (files, processes) is made up. */
#include <inttypes.h>
#include <signal.h>

#include "base/error.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/spec.h"
#include "supervisor/core/core.h"
#include "supervisor/io/journal.h"
#include "supervisor/io/operator.h"
#include "tests/unit/io/control_client.h"
#include "tests/unit/unit.h"

#define EVENTS_MAX 64

static struct world {
    struct digest disk; /* what LOOK finds */
    bool check_ok;
    bool starts;        /* new workers become ready */
    bool leaves;        /* workers go when they are told */
    const char *config; /* what config_reload() reads */
} world;

static struct ev_loop *loop;
static struct core *core;
static struct journal *journal;
static struct desk *desk;
static struct spec *specs[8]; /* everything ever configured; freed at the end */
static size_t n_specs;
static struct event queue[EVENTS_MAX];
static size_t n_queued;
static bool stepping;
static pid_t last_pid;
static uint64_t last_snapshot;
static ev_timer tick;
static char dir[64];

static void
post(const struct event *ev)
{
    ck_assert_uint_lt(n_queued, EVENTS_MAX);
    queue[n_queued++] = *ev;
}

static void
act_spawn(uint64_t worker)
{
    static const char *const last = "cannot bind: it says here";
    const struct worker *w = core_worker(core, worker);
    struct event ev = {.type = EVENT_SPAWNED, .worker = worker};

    ev.spawned.pid = ++last_pid;
    post(&ev);
    if (world.starts) {
        post(&(struct event){.type = EVENT_READY, .worker = worker});
        return;
    }
    journal_output(journal,
                   &(struct journal_origin){.service = w->generation->service->name,
                                            .generation = w->generation->number,
                                            .pid = last_pid,
                                            .stream = "stderr"},
                   last, strlen(last), 0);
    ev = (struct event){.type = EVENT_EXIT, .worker = worker};
    ev.death.wait_status = 1 << 8;
    ev.death.last_lines = last;
    post(&ev);
}

static void
act_leave(uint64_t worker, int wait_status)
{
    struct event ev = {.type = EVENT_EXIT, .worker = worker};

    ev.death.wait_status = wait_status;
    post(&ev);
}

static void
act(const struct effect *fx)
{
    struct event ev = {.service = fx->service, .worker = fx->worker};

    switch (fx->type) {
    case FX_LOOK:
        ev.type = EVENT_LOOKED;
        ev.looked.reload = fx->reload;
        ev.looked.snapshot = ++last_snapshot;
        ev.looked.digest = world.disk;
        post(&ev);
        break;
    case FX_CHECK:
        ev.type = EVENT_CHECKED;
        ev.checked.reload = fx->reload;
        ev.checked.ok = world.check_ok;
        ev.checked.reason = "exit 1: line 3 is wrong";
        post(&ev);
        break;
    case FX_SPAWN:
        act_spawn(fx->worker);
        break;
    case FX_SIGNAL:
        if (world.leaves)
            act_leave(fx->worker, 0);
        break;
    case FX_EVIDENCE:
        ev.type = EVENT_EVIDENCE;
        ev.evidence.stragglers = 1;
        ev.evidence.text = "thread `flush-2`, started at cache.c:88";
        post(&ev);
        break;
    case FX_KILL:
        act_leave(fx->worker, SIGKILL);
        break;
    case FX_RECORD:
        journal_record(journal, fx->record);
        operator_record(desk, fx->record);
        break;
    case FX_CANCEL:
    case FX_DISCARD:
        break;
    }
}

static void
run_queue(void)
{
    struct effects fx = {0};
    int64_t next_us;

    if (stepping)
        return;
    stepping = true;
    for (size_t i = 0; i < n_queued; i++) {
        struct event ev = queue[i];

        ev.now_us = mono_now_us();
        core_step(core, &ev, &fx);
        for (size_t k = 0; k < fx.n; k++)
            act(&fx.items[k]);
        effects_clear(&fx);
    }
    n_queued = 0;
    stepping = false;
    effects_finish(&fx);
    next_us = core_next_deadline_us(core);
    ev_timer_stop(loop, &tick);
    if (next_us != TIME_NEVER) {
        int64_t wait_us = next_us - mono_now_us();

        ev_now_update(loop);
        ev_timer_set(&tick, wait_us > 0 ? (double)wait_us / US_PER_S : 0., 0.);
        ev_timer_start(loop, &tick);
    }
}

static void
on_tick(EV_P_ ev_timer *timer, int revents)
{
    (void)loop;
    (void)timer;
    (void)revents;
    post(&(struct event){.type = EVENT_TICK});
    run_queue();
}

static void
submit(void *env, const struct event *ev)
{
    (void)env;
    post(ev);
    run_queue();
}

static int
config_reload(void *env, const char *cause, struct error *reterr)
{
    struct diagnostics found = {0};
    struct spec *spec = NULL;
    struct event ev = {.type = EVENT_CONFIG};

    (void)env;
    (void)cause;
    if (config_parse("stint.yaml", world.config, strlen(world.config), &spec, &found) < 0) {
        (void)error_say(reterr, -EINVAL, "%s", found.items[0].text);
        diagnostics_finish(&found);
        return -EINVAL;
    }
    specs[n_specs++] = spec;
    ev.config.spec = spec;
    post(&ev);
    run_queue();
    return 0;
}

static const char one_service[] = "version: 1\nstop_budget: 1s\nservices:\n"
                                  "  web:\n    command: [/bin/true]\n    check: [/bin/true]\n"
                                  "    directory: /\n    watch: {settle: 0s}\n"
                                  "    drain_timeout: 150ms\n    leak_grace: 100ms\n"
                                  "    start_timeout: 2s\n"
                                  "    respawn: {backoff: {first: 10ms, max: 20ms}, "
                                  "limit: {count: 2, within: 5s}}\n";

static void
set_up(void)
{
    struct operator_options options = {.submit = submit, .config_reload = config_reload};
    struct error e = {0};

    (void)snprintf(dir, sizeof(dir), "/tmp/stint-operator-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    world = (struct world){
        .disk = {1, 1},
          .check_ok = true, .starts = true, .leaves = true, .config = one_service
    };
    n_specs = n_queued = 0;
    last_pid = 1000;
    loop = ev_loop_new(EVFLAG_AUTO);
    ev_timer_init(&tick, on_tick, 0., 0.);
    ck_assert_int_eq(core_create(1, &core), 0);
    ck_assert_int_eq(journal_create(loop, &(struct journal_options){.fd = -1}, &journal), 0);
    options.loop = loop;
    options.runtime_dir = dir;
    options.journal = journal;
    options.sources = (struct report_sources){.core = core, .journal = journal, .started_us = 1};
    ck_assert_msg(operator_create(&options, &desk, &e) == 0, "%s", e.text);
    ck_assert_msg(config_reload(NULL, "test", &e) == 0, "%s", e.text);
    UNTIL(loop, service_state(core_service_by_name(core, "web")) == SERVICE_RUNNING);
}

static void
tear_down(void)
{
    char path[96];

    operator_destroy(desk);
    ev_timer_stop(loop, &tick);
    core_destroy(core);
    journal_destroy(journal);
    for (size_t i = 0; i < n_specs; i++)
        spec_destroy(specs[i]);
    ev_loop_destroy(loop);
    (void)snprintf(path, sizeof(path), "%s/control.lock", dir);
    unlink(path);
    rmdir(dir);
}

/* A whole exchange; the caller's JSON. */
static json_t *
call(const char *method, const char *path, const char *body, int *ret_status)
{
    struct client c;
    json_t *json;

    client_open(&c, dir);
    client_request(&c, method, path, body);
    UNTIL(loop, client_ended(&c));
    *ret_status = client_status(&c);
    json = client_json(&c);
    client_close(&c);
    return json;
}

static json_t *
first_service(const json_t *answer)
{
    return json_array_get(json_object_get(answer, "services"), 0);
}

static int64_t
number_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

START_TEST(a_reload_is_answered_with_the_generation_that_serves)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(answer, "schema"), "stint.answer/1");
    ck_assert(json_is_true(json_object_get(answer, "ok")));
    ck_assert_str_eq(json_at(s, "outcome"), "serving");
    ck_assert_int_eq(number_at(s, "generation"), 2);
    ck_assert_int_eq(number_at(s, "before"), 1);
    ck_assert_uint_eq(strlen(json_at(s, "trace")), 32);
    ck_assert_ptr_nonnull(strstr(json_at(s, "cause"), "operator reload by uid"));
    json_decref(answer);
}
END_TEST

START_TEST(nothing_changed_is_an_answer_too_and_force_rolls_anyway)
{
    int status;
    json_t *answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "unchanged");
    json_decref(answer);

    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"force\":true}", &status);
    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    json_decref(answer);
}
END_TEST

START_TEST(a_failed_check_is_a_no_with_its_reason)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    world.check_ok = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(s, "outcome"), "rejected");
    ck_assert_int_eq(number_at(s, "generation"), 1);
    ck_assert_ptr_nonnull(strstr(json_at(s, "reason"), "line 3 is wrong"));
    ck_assert(!json_is_true(json_object_get(answer, "ok")));
    json_decref(answer);
}
END_TEST

START_TEST(a_candidate_that_cannot_start_is_shown_with_its_last_lines)
{
    int status;
    json_t *answer, *s;

    world.disk.low = 2;
    world.starts = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    s = first_service(answer);

    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(s, "outcome"), "rejected");
    ck_assert_int_eq(number_at(s, "generation"), 1);
    ck_assert_ptr_nonnull(strstr(json_at(s, "last_lines"), "cannot bind"));
    json_decref(answer);
}
END_TEST

START_TEST(wait_gone_names_the_leak_of_the_relieved_generation)
{
    int status;
    json_t *answer, *s, *relieved;

    world.disk.low = 2;
    world.leaves = false;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"gone\"}", &status);
    s = first_service(answer);
    relieved = json_array_get(json_object_get(s, "relieved"), 0);

    ck_assert_int_eq(status, 200);
    ck_assert_int_eq(number_at(relieved, "generation"), 1);
    ck_assert(json_is_true(json_object_get(relieved, "gone")));
    ck_assert_int_eq(number_at(relieved, "leaks"), 1);
    ck_assert_ptr_nonnull(
        strstr(json_at(json_array_get(json_object_get(s, "leaks"), 0), "text"), "flush-2"));
    json_decref(answer);
}
END_TEST

START_TEST(wait_none_does_not_wait)
{
    int status;
    json_t *answer;

    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"none\"}", &status);
    ck_assert_int_eq(status, 202);
    ck_assert_int_gt(number_at(first_service(answer), "reload"), 1);
    json_decref(answer);
}
END_TEST

START_TEST(a_rejected_configuration_changes_nothing)
{
    int status;
    json_t *answer;

    world.disk.low = 2;
    world.config = "version: 1\nservices: {web: {comand: [x]}}\n";
    answer = call("POST", "/v1/reload", "{}", &status);

    ck_assert_int_eq(status, 409);
    ck_assert(json_is_false(json_object_get(json_object_get(answer, "config"), "valid")));
    ck_assert_ptr_nonnull(strstr(json_at(json_object_get(answer, "config"), "error"), "comand"));
    ck_assert_uint_eq(core_service_by_name(core, "web")->last_generation, 1);
    json_decref(answer);
}
END_TEST

START_TEST(a_request_that_takes_too_long_is_answered_with_the_state)
{
    int status;
    json_t *answer;

    world.leaves = false; /* stop has to wait for the drain deadline */
    answer = call("POST", "/v1/stop", "{\"services\":[\"web\"],\"timeout_ms\":20}", &status);

    ck_assert_int_eq(status, 504);
    ck_assert(json_is_true(json_object_get(answer, "timed_out")));
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "pending");
    ck_assert_str_eq(json_at(first_service(answer), "state"), "stopping");
    json_decref(answer);
}
END_TEST

START_TEST(stop_and_start_are_answered_when_they_are_done)
{
    int status;
    json_t *answer = call("POST", "/v1/stop", "{\"services\":[\"web\"]}", &status);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    ck_assert_str_eq(json_at(first_service(answer), "state"), "stopped");
    json_decref(answer);

    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 409); /* it is down: a reload is not what was meant */
    json_decref(answer);

    answer = call("POST", "/v1/start", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "serving");
    ck_assert_int_eq(number_at(first_service(answer), "generation"), 2);
    json_decref(answer);
}
END_TEST

START_TEST(a_start_that_fails_is_a_no)
{
    int status;
    json_t *answer = call("POST", "/v1/stop", "{\"services\":[\"web\"]}", &status);

    json_decref(answer);
    world.starts = false;
    answer = call("POST", "/v1/start", "{\"services\":[\"web\"]}", &status);
    ck_assert_int_eq(status, 409);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "rejected");
    json_decref(answer);
}
END_TEST

START_TEST(the_answer_to_stop_all_is_sent_before_the_end)
{
    struct client c;
    json_t *answer;

    client_open(&c, dir);
    client_request(&c, "POST", "/v1/stop", "{\"all\":true}");
    UNTIL(loop, core_stopped(core));
    operator_farewell(desk, US_PER_S); /* the master has left its loop by now */
    client_take(&c);

    ck_assert_int_eq(client_status(&c), 200);
    answer = client_json(&c);
    ck_assert_str_eq(json_at(first_service(answer), "outcome"), "stopped");
    json_decref(answer);
    client_close(&c);
}
END_TEST

START_TEST(a_client_that_leaves_does_not_cancel_its_request)
{
    struct client c;

    world.disk.low = 2;
    world.leaves = false; /* so that there is something to wait for */
    client_open(&c, dir);
    client_request(&c, "POST", "/v1/reload", "{\"services\":[\"web\"],\"wait\":\"gone\"}");
    UNTIL(loop, core_service_by_name(core, "web")->last_generation == 2);
    client_close(&c);
    UNTIL(loop, !service_generation(core_service_by_name(core, "web"), 1));
    ck_assert_uint_eq(service_serving(core_service_by_name(core, "web"))->number, 2);
}
END_TEST

START_TEST(wait_for_a_generation_ends_when_it_serves)
{
    struct client waiting;
    int status;
    json_t *answer;

    client_open(&waiting, dir);
    client_request(&waiting, "GET", "/v1/wait?service=web&for=generation:2", NULL);
    turn(loop);
    turn(loop);
    ck_assert(!client_has(&waiting, "HTTP"));
    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    json_decref(answer);
    UNTIL(loop, client_ended(&waiting));
    ck_assert_int_eq(client_status(&waiting), 200);
    client_close(&waiting);

    answer = call("GET", "/v1/wait?service=web&for=ready", NULL, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
    answer = call("GET", "/v1/wait?service=web&for=gone", NULL, &status);
    ck_assert_int_eq(status, 200);
    json_decref(answer);
}
END_TEST

static const struct refusal {
    const char *method, *path, *body;
    int status;
    const char *code;
} refusals[] = {
    {"GET",    "/v2/status",                   NULL,                                      404, "no-such-route"  },
    {"DELETE", "/v1/status",                   NULL,                                      405, "wrong-method"   },
    {"GET",    "/v1/reload",                   NULL,                                      405, "wrong-method"   },
    {"GET",    "/v1/status?servce=web",        NULL,                                      400, "bad-query"      },
    {"GET",    "/v1/status?service=wbe",       NULL,                                      404, "no-such-service"},
    {"GET",    "/v1/threads?generation=x",     NULL,                                      400, "bad-query"      },
    {"GET",    "/v1/wait",                     NULL,                                      400, "bad-query"      },
    {"GET",    "/v1/wait?service=web&for=tea", NULL,                                      400, "bad-query"      },
    {"POST",   "/v1/reload",                   "{\"service\":[\"web\"]}",                 400, "bad-request"    },
    {"POST",   "/v1/reload",                   "{\"services\":\"web\"}",                  400, "bad-request"    },
    {"POST",   "/v1/reload",                   "{\"services\":[\"nope\"]}",               404, "no-such-service"},
    {"POST",   "/v1/reload",                   "{\"wait\":\"for it\"}",                   400, "bad-request"    },
    {"POST",   "/v1/reload",                   "{\"timeout_ms\":0}",                      400, "bad-request"    },
    {"POST",   "/v1/stop",                     "{}",                                      400, "bad-request"    },
    {"POST",   "/v1/stop",                     "{\"all\":true,\"services\":[\"web\"]}",   400, "bad-request"    },
    {"POST",   "/v1/start",                    "{\"services\":[\"web\"],\"force\":true}", 400, "bad-request"    },
    {"POST",   "/v1/reload",                   "[1]",                                     400, "bad-json"       },
};

START_TEST(a_wrong_request_is_told_what_is_wrong)
{
    const struct refusal *r = &refusals[_i];
    int status;
    json_t *answer = call(r->method, r->path, r->body, &status);
    json_t *error = json_object_get(answer, "error");

    ck_assert_int_eq(status, r->status);
    ck_assert_str_eq(json_at(error, "code"), r->code);
    ck_assert_uint_gt(strlen(json_at(error, "message")), 8);
    ck_assert_uint_eq(core_service_by_name(core, "web")->last_generation, 1);
    json_decref(answer);
}
END_TEST

START_TEST(every_change_is_audited)
{
    struct journal_entry e;
    uint64_t after = 0;
    bool found = false;
    int status;
    json_t *answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    char by[32];

    json_decref(answer);
    (void)snprintf(by, sizeof(by), "\"by_uid\":%u,", (unsigned)getuid());
    for (; journal_events_next(journal, after, &e); after = e.seq)
        found = found || (strstr(e.json, "\"audit\"") && strstr(e.json, "\"verb\":\"reload\"") &&
                          strstr(e.json, "\"services\":\"web\"") && strstr(e.json, by));
    ck_assert(found);
}
END_TEST

START_TEST(events_are_followed_as_they_happen)
{
    struct client c;
    int status;
    json_t *answer;

    client_open(&c, dir);
    client_request(&c, "GET", "/v1/events?follow=1", NULL);
    UNTIL(loop, client_has(&c, "\"event\":\"worker_ready\""));
    ck_assert(!client_has(&c, "\"gen\":2"));
    world.disk.low = 2;
    answer = call("POST", "/v1/reload", "{\"services\":[\"web\"]}", &status);
    json_decref(answer);
    UNTIL(loop, client_has(&c, "\"event\":\"verdict\"") && client_has(&c, "\"gen\":2"));
    ck_assert(!client_ended(&c));
    client_close(&c);
}
END_TEST

START_TEST(logs_give_the_last_lines_and_end)
{
    struct journal_origin from = {
        .service = "web", .generation = 1, .pid = 1001, .stream = "stdout"};
    struct client c;
    char line[64];

    for (int i = 0; i < 700; i++) {
        int n = snprintf(line, sizeof(line), "line %d", i);

        journal_output(journal, &from, line, (size_t)n, 0);
    }
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/logs?service=web&lines=3", NULL);
    UNTIL(loop, client_ended(&c));
    ck_assert(client_has(&c, "\"line 699\"") && client_has(&c, "\"line 697\""));
    ck_assert(!client_has(&c, "\"line 696\""));
    client_close(&c);
}
END_TEST

START_TEST(status_over_the_socket_shows_the_service)
{
    int status;
    json_t *answer = call("GET", "/v1/status?service=web", NULL, &status);

    ck_assert_int_eq(status, 200);
    ck_assert_str_eq(json_at(answer, "schema"), "stint.status/1");
    ck_assert_str_eq(json_at(first_service(answer), "state"), "running");
    json_decref(answer);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tc = tcase_create("desk");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_reload_is_answered_with_the_generation_that_serves);
    tcase_add_test(tc, nothing_changed_is_an_answer_too_and_force_rolls_anyway);
    tcase_add_test(tc, a_failed_check_is_a_no_with_its_reason);
    tcase_add_test(tc, a_candidate_that_cannot_start_is_shown_with_its_last_lines);
    tcase_add_test(tc, wait_gone_names_the_leak_of_the_relieved_generation);
    tcase_add_test(tc, wait_none_does_not_wait);
    tcase_add_test(tc, a_rejected_configuration_changes_nothing);
    tcase_add_test(tc, a_request_that_takes_too_long_is_answered_with_the_state);
    tcase_add_test(tc, stop_and_start_are_answered_when_they_are_done);
    tcase_add_test(tc, a_start_that_fails_is_a_no);
    tcase_add_test(tc, the_answer_to_stop_all_is_sent_before_the_end);
    tcase_add_test(tc, a_client_that_leaves_does_not_cancel_its_request);
    tcase_add_test(tc, wait_for_a_generation_ends_when_it_serves);
    tcase_add_loop_test(tc, a_wrong_request_is_told_what_is_wrong, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, every_change_is_audited);
    tcase_add_test(tc, events_are_followed_as_they_happen);
    tcase_add_test(tc, logs_give_the_last_lines_and_end);
    tcase_add_test(tc, status_over_the_socket_shows_the_service);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
