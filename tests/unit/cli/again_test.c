/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "tests/unit/cli/mortal.h"
#include "tests/unit/cli/stint_line.h"
#include "tests/unit/unit.h"

#define OK(json) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" json
#define REPLACED "stint: the supervisor is being replaced, asking again\n"
#define SERVES                                                                                \
    OK("{\"ok\":true,\"services\":[{\"service\":\"web\",\"outcome\":\"serving\",\"ok\":true," \
       "\"generation\":8}]}")
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* The line against those lives. @ret: all that they were asked, one after the other. */
static int
stint_among(const char *line, const struct life *lives, size_t n, const char **ret)
{
    struct canned server;
    char command[512];
    int r;

    mortal_start(&server, lives, n);
    (void)snprintf(command, sizeof(command), "%s --socket %s", line, server.path);
    r = stint(command);
    *ret = canned_stop(&server);
    return r;
}

static unsigned
count(const char *text, const char *word)
{
    unsigned n = 0;

    for (; (text = strstr(text, word)) != NULL; text++)
        n++;
    return n;
}

/* The n-th value of "id" in what was asked. */
static const char *
id_in(const char *asked, unsigned n, char id[CLI_ID_TEXT])
{
    for (; n > 0 && asked; n--)
        asked = strstr(asked + 1, "\"id\":\"");
    ck_assert_ptr_nonnull(asked);
    (void)snprintf(id, CLI_ID_TEXT, "%s", asked + strlen("\"id\":\""));
    return id;
}

START_TEST(a_change_is_asked_for_again_with_its_id)
{
    static const struct life lives[] = {
        {DIES_UNREAD, NULL                                                   },
        {DIES_ASKED,  NULL                                                   },
        {DIES_HALF,   "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"ok\":"},
        {LIVES,       SERVES                                                 },
    };
    const char *asked;
    char first[CLI_ID_TEXT], last[CLI_ID_TEXT];

    ck_assert_int_eq(stint_among("reload web --timeout 20s", lives, 4, &asked), CLI_OK);
    ck_assert_str_eq(out, "web: generation 8 serves\n");
    ck_assert_str_eq(err, REPLACED); /* said once */
    ck_assert_uint_eq(count(asked, "POST /v1/reload"), 3);
    ck_assert_uint_eq(strspn(id_in(asked, 1, first), "0123456789abcdef"), CLI_ID_TEXT - 1);
    ck_assert_str_eq(first, id_in(asked, 3, last));
    ck_assert_uint_eq(count(asked, "\"timeout_ms\":1"),
                      3); /* 20000 was the first, that nobody read */
}
END_TEST

START_TEST(two_changes_have_two_ids)
{
    static const struct life lives[] = {
        {LIVES, SERVES}
    };
    const char *asked;
    char first[CLI_ID_TEXT], second[CLI_ID_TEXT];

    ck_assert_int_eq(stint_among("reload web", lives, 1, &asked), CLI_OK);
    (void)id_in(asked, 1, first);
    ck_assert_int_eq(stint_among("start web", lives, 1, &asked), CLI_OK);
    ck_assert_str_ne(first, id_in(asked, 1, second));
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(with_json_only_the_answer_is_on_stdout)
{
    static const struct life lives[] = {
        {DIES_ASKED, NULL                               },
        {LIVES,      OK("{\"ok\":true,\"services\":[]}")}
    };
    const char *asked;
    json_t *json;

    ck_assert_int_eq(stint_among("stop web --json", lives, 2, &asked), CLI_OK);
    json = json_loads(out, 0, NULL);
    ck_assert(json_is_object(json));
    json_decref(json);
    ck_assert_str_eq(err, REPLACED);
}
END_TEST

START_TEST(a_wait_goes_on_with_the_time_that_is_left)
{
    static const struct life lives[] = {
        {DIES_ASKED, NULL  },
        {LIVES,      SERVES}
    };
    const char *asked;

    ck_assert_int_eq(stint_among("wait web --timeout 30s", lives, 2, &asked), CLI_OK);
    ck_assert_uint_eq(count(asked, "GET /v1/wait?service=web&for=ready&timeout_ms="), 2);
    ck_assert_uint_eq(count(asked, "timeout_ms=30000 "), 1);
    ck_assert_str_eq(err, REPLACED);
}
END_TEST

START_TEST(who_only_looks_looks_again_without_a_word)
{
    static const struct life lives[] = {
        {DIES_UNREAD, NULL                   },
        {DIES_ASKED,  NULL                   },
        {LIVES,       OK("{\"services\":[]}")}
    };
    const char *asked;

    ck_assert_int_eq(stint_among("status", lives, 3, &asked), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "no services are configured"));
    ck_assert_str_eq(err, "");
}
END_TEST

/* _i: with --json or for people. */
START_TEST(who_follows_goes_on_after_the_last_line)
{
    static const struct life lives[] = {
        {DIES_HALF,  CHUNKED "21\r\n{\"seq\":7,\"event\":\"one\",\"msg\":\"\"}\n\r\n6\r\n{\"seq\""},
        {DIES_ASKED, NULL                                                                         },
        {LIVES,      CHUNKED "21\r\n{\"seq\":8,\"event\":\"two\",\"msg\":\"\"}\n\r\n0\r\n\r\n"    }
    };
    const char *asked;

    ck_assert_int_eq(stint_among(_i ? "events -n5 -f --json" : "events -n5 -f", lives, 3, &asked),
                     CLI_OK);
    ck_assert_uint_eq(count(out, "one"), 1);
    ck_assert_uint_eq(count(out, "two"), 1);
    ck_assert_uint_eq(count(asked, "GET /v1/events?lines=5&follow=1 "), 1);
    ck_assert_uint_eq(count(asked, "GET /v1/events?since=7&follow=1 "), 2);
    ck_assert_str_eq(err, REPLACED);
}
END_TEST

START_TEST(a_supervisor_that_ended_is_not_waited_for_long)
{
    static const struct life lives[] = {
        {ENDS, NULL}
    };
    int64_t begin_us = mono_now_us();
    const char *asked;

    ck_assert_int_eq(stint_among("reload web", lives, 1, &asked), CLI_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err, REPLACED "stint: the supervisor ended before it answered: "));
    ck_assert_int_lt(mono_now_us() - begin_us, 9 * US_PER_S);
    ck_assert_int_eq(stint_among("status", lives, 1, &asked), CLI_UNREACHABLE);
    ck_assert_ptr_nonnull(strstr(err, "stint: the supervisor ended before it answered: "));
}
END_TEST

START_TEST(the_time_limit_holds_while_it_is_being_replaced)
{
    static const struct life lives[] = {
        {DIES_ASKED, NULL}
    }; /* and then the socket is left behind, and refuses */
    int64_t begin_us = mono_now_us();
    const char *asked;

    ck_assert_int_eq(stint_among("wait web --timeout 1ms", lives, 1, &asked), CLI_TIMED_OUT);
    ck_assert_ptr_nonnull(strstr(err, "no answer in time"));
    ck_assert_int_lt(mono_now_us() - begin_us, 9 * US_PER_S);
}
END_TEST

START_TEST(a_question_that_kills_every_master_is_given_up)
{
    struct life lives[40];
    const char *asked;

    for (size_t i = 0; i < ARRAY_LEN(lives); i++)
        lives[i] = (struct life){DIES_ASKED, NULL};
    ck_assert_int_eq(stint_among("reload web", lives, ARRAY_LEN(lives), &asked), CLI_UNREACHABLE);
    ck_assert_uint_gt(count(asked, "POST"), 10);
    ck_assert_uint_lt(count(asked, "POST"), 20);
}
END_TEST

/* ---- upgrade ----------------------------------------------------------------------------- */

static const struct upgrade {
    const char *line, *status, *json;
    int code;
    const char *out, *asked;
} upgrades[] = {
    {"upgrade",              "200 OK",       "{\"ok\":true,\"duration_ms\":41,\"text\":\"stint 9.9.9\"}", CLI_OK,
     "upgraded: stint 9.9.9, 41.0 ms\n",                                                                                     "{\"timeout_ms\":60000,\"id\":\""     },
    {"upgrade /opt/s",       "409 Conflict", "{\"ok\":false,\"text\":\"it did not start\"}",              CLI_NO,
     "NOT UPGRADED: it did not start\n",                                                                                     "{\"path\":\"/opt/s\",\"timeout_ms\":"},
    {"upgrade stint-9",      "409 Conflict", "{\"error\":{\"code\":\"busy\",\"message\":\"one is\"}}",
     CLI_NO,                                                                                                             "", "{\"path\":\"/\",\"x\":"              },
    {"upgrade --timeout 1s", "504 Timeout",
     "{\"ok\":false,\"timed_out\":true,\"duration_ms\":1000,\"services\":[]}",                            CLI_TIMED_OUT,
     "timed out after 1.00 s; what was asked for may still happen\n",                                                        "\"timeout_ms\":1000,"                },
};

START_TEST(an_upgrade_says_what_runs_now)
{
    const struct upgrade *x = &upgrades[_i];
    auto_text struct text want = TEXT_INIT;
    auto_free char *here = getcwd(NULL, 0);
    const char *asked;

    ck_assert_int_eq(stint_asks(x->line, x->status, x->json, &asked), x->code);
    ck_assert_str_eq(out, x->out);
    ck_assert_ptr_nonnull(strstr(asked, "POST /v1/upgrade "));
    if (_i == 2)
        text_addf(&want, "{\"path\":\"%s/stint-9\"", here);
    else
        text_add(&want, x->asked);
    ck_assert_msg(strstr(asked, text_str(&want)) != NULL, "asked: %s", asked);
}
END_TEST

START_TEST(keeper_and_master_are_told_apart)
{
    static const char json[] =
        "{\"version\":\"0.1.0\",\"pid\":99,\"uptime_ms\":60000,\"config\":{\"path\":\"s.yaml\","
        "\"valid\":true},\"services\":[],\"supervisor\":{\"pid\":99,\"master\":123,\"masters\":22,"
        "\"since_ms\":3000,\"previous\":\"killed by signal 9 (Killed)\",\"kept\":13,"
        "\"not_kept\":1,\"lost\":[\"no cgroup can be made\"]}}";
    static const char first[] =
        "{\"version\":\"0.1.0\",\"pid\":99,\"uptime_ms\":60000,\"supervisor\":{\"pid\":99,"
        "\"master\":123,\"masters\":1,\"since_ms\":3000,\"previous\":null,\"lost\":[]}}";

    ck_assert_int_eq(stint_asks("status", "200 OK", json, NULL), CLI_OK);
    ck_assert_ptr_nonnull(
        strstr(out, "stint 0.1.0, pid 99 (master 123, the 22nd, since 3.00 s), up 60.0 s, kept "
                    "13 of 14 descriptors, s.yaml\n"
                    "the master before: killed by signal 9 (Killed)\n"
                    "not to be had here: no cgroup can be made\n"));
    ck_assert_int_eq(stint_asks("version", "200 OK", first, NULL), CLI_OK);
    ck_assert_ptr_nonnull(strstr(out, "supervisor 0.1.0, pid 99 (master 123), up 60.0 s\n"));
    ck_assert_ptr_null(strstr(out, "before"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tc = tcase_create("asking again");

    tcase_add_checked_fixture(tc, NULL, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_change_is_asked_for_again_with_its_id);
    tcase_add_test(tc, two_changes_have_two_ids);
    tcase_add_test(tc, with_json_only_the_answer_is_on_stdout);
    tcase_add_test(tc, a_wait_goes_on_with_the_time_that_is_left);
    tcase_add_test(tc, who_only_looks_looks_again_without_a_word);
    tcase_add_loop_test(tc, who_follows_goes_on_after_the_last_line, 0, 2);
    tcase_add_test(tc, a_supervisor_that_ended_is_not_waited_for_long);
    tcase_add_test(tc, the_time_limit_holds_while_it_is_being_replaced);
    tcase_add_test(tc, a_question_that_kills_every_master_is_given_up);
    tcase_add_loop_test(tc, an_upgrade_says_what_runs_now, 0, (int)ARRAY_LEN(upgrades));
    tcase_add_test(tc, keeper_and_master_are_told_apart);
    suite_add_tcase(suite, tc);
    return unit_main(suite);
}
