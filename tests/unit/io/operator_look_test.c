/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/stat.h>

#include "base/mem.h"
#include "tests/unit/io/operator_world.h"
#include "tests/unit/unit.h"

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

/* Connects as @uid: what the socket tells its other end is of that moment. */
static void
client_open_as(struct client *c, uid_t uid)
{
    ck_assert_int_eq(chdir(dir), 0);
    ck_assert_int_eq(chmod(".", 0711), 0);
    ck_assert_int_eq(chmod("control.sock", 0666), 0);
    ck_assert_int_eq(seteuid(uid), 0);
    client_open(c, ".");
    ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chdir("/"), 0);
}

START_TEST(who_may_look_only_changes_nothing_and_is_named)
{
    struct journal_entry e = {0};
    struct client c;

    if (geteuid() != 0) {
        (void)fprintf(stderr, "SKIPPED: only root can be another user\n");
        return;
    }
    client_open_as(&c, 65534);
    client_request(&c, "POST", "/v1/stop", "{\"all\":true}");
    UNTIL(loop, client_ended(&c));
    ck_assert_int_eq(client_status(&c), 403);
    ck_assert(client_has(&c, "\"not-permitted\"") && client_has(&c, "uid 65534"));
    ck_assert(journal_events_next(journal, journal_events_tail(journal, NULL, 1), &e));
    ck_assert_ptr_nonnull(strstr(e.json, "\"audit\",\"verb\":\"stop\",\"by_uid\":65534,"));
    ck_assert_ptr_nonnull(strstr(e.json, "\"allowed\":false"));
    client_close(&c);

    client_open_as(&c, 65534);
    client_request(&c, "GET", "/v1/status", NULL);
    UNTIL(loop, client_ended(&c));
    ck_assert_int_eq(client_status(&c), 200);
    client_close(&c);
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

static void
print_of(const char *service, const char *trace, const char *line)
{
    const struct journal_origin from = {
        .service = service, .generation = 1, .pid = 1, .stream = "stdout", .trace = trace};

    journal_output(journal, &from, line, strlen(line), 0);
}

START_TEST(lines_of_a_trace_are_those_of_all_services_and_can_be_followed)
{
    static const char trace[] = "0af7651916cd43dd8448eb211c80319c";
    struct client c;

    print_of("web", trace, "stamped");
    print_of("db", NULL, "names 0af7651916cd43dd8448eb211c80319c");
    print_of("db", NULL, "another");
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/logs?follow=1&trace=0af7651916cd43dd8448eb211c80319c", NULL);
    UNTIL(loop, client_has(&c, "\"stamped\"") && client_has(&c, "\"names 0af"));
    ck_assert(!client_has(&c, "another"));
    print_of("db", NULL, "one more");
    print_of("db", trace, "comes later");
    UNTIL(loop, client_has(&c, "comes later"));
    ck_assert(!client_has(&c, "one more") && !client_ended(&c));
    client_close(&c);
}
END_TEST

/* Events of the other service come between, and newest. */
START_TEST(the_last_events_are_those_of_the_service_asked_for)
{
    static const char *const names[] = {"web", "web", "web", "db", "db", "db"};
    struct client c;
    char after[64];

    (void)snprintf(after, sizeof(after), "/v1/events?lines=2&since=%d",
                   (int)journal_events_tail(journal, NULL, 0) + 3);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct journal_field fields[] = {FIELD_TEXT("service", names[i]),
                                         FIELD_NUMBER("wait_ms", (int64_t)i)};

        journal_event(journal, LOG_LEVEL_INFO, "backoff", fields, ARRAY_LEN(fields));
    }
    client_open(&c, dir);
    client_request(&c, "GET", "/v1/events?service=web&lines=2", NULL);
    UNTIL(loop, client_ended(&c));
    ck_assert(client_has(&c, "\"wait_ms\":1") && client_has(&c, "\"wait_ms\":2"));
    ck_assert(!client_has(&c, "\"wait_ms\":0") && !client_has(&c, "\"db\""));
    client_close(&c);

    client_open(&c, dir); /* both are kept: not more than so many, and none before */
    client_request(&c, "GET", after, NULL);
    UNTIL(loop, client_ended(&c));
    ck_assert(client_has(&c, "\"wait_ms\":5") && client_has(&c, "\"wait_ms\":4"));
    ck_assert(!client_has(&c, "\"wait_ms\":3"));
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

START_TEST(a_status_waits_for_what_takes_time_to_find_out_and_nobody_else_does)
{
    struct client patient, gone;
    json_t *answer;
    int status;

    world.looks_long = true;
    client_open(&gone, dir);
    client_request(&gone, "GET", "/v1/status", NULL);
    client_open(&patient, dir);
    client_request(&patient, "GET", "/v1/status?service=web", NULL);
    UNTIL(loop, world.n_told == 2);
    json_decref(call("GET", "/v1/version", NULL, &status));
    ck_assert_int_eq(status, 200);
    ck_assert(!client_ended(&patient));
    client_close(&gone);
    json_decref(call("GET", "/v1/version", NULL, &status)); /* some turns, to hear that it left */
    operator_looked(desk);
    UNTIL(loop, client_ended(&patient));
    ck_assert_int_eq(client_status(&patient), 200);
    answer = client_json(&patient);
    ck_assert_str_eq(json_at(first_service(answer), "name"), "web");
    json_decref(answer);
    client_close(&patient);
    answer = call("GET", "/v1/status?service=nope", NULL, &status);
    ck_assert_int_eq(status, 404); /* at once */
    json_decref(answer);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("operator_look");
    TCase *tc = tcase_create("looking");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_wrong_request_is_told_what_is_wrong, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, every_change_is_audited);
    tcase_add_test(tc, who_may_look_only_changes_nothing_and_is_named);
    tcase_add_test(tc, events_are_followed_as_they_happen);
    tcase_add_test(tc, logs_give_the_last_lines_and_end);
    tcase_add_test(tc, lines_of_a_trace_are_those_of_all_services_and_can_be_followed);
    tcase_add_test(tc, the_last_events_are_those_of_the_service_asked_for);
    tcase_add_test(tc, status_over_the_socket_shows_the_service);
    tcase_add_test(tc, a_status_waits_for_what_takes_time_to_find_out_and_nobody_else_does);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
