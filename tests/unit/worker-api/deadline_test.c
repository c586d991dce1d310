/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "worker-api/stint.h"

/* Deadlines of requests: the notation of headers, what is granted, what is left. No supervisor. */
#define SECOND INT64_C(1000000)
#define HOUR   (3600 * SECOND)

struct text_case {
    enum stint_timeout_unit unit;
    const char *text;
    int64_t usec;
};

START_TEST(a_timeout_is_read_as_it_is_written)
{
    static const struct text_case cases[] = {
        {STINT_TIMEOUT_GRPC,         "1S",          SECOND         },
        {STINT_TIMEOUT_GRPC,         "250m",        250000         },
        {STINT_TIMEOUT_GRPC,         "99999999u",   99999999       },
        {STINT_TIMEOUT_GRPC,         "2M",          120 * SECOND   },
        {STINT_TIMEOUT_GRPC,         "99999999H",   99999999 * HOUR},
        {STINT_TIMEOUT_GRPC,         "1999n",       1              }, /* down */
        {STINT_TIMEOUT_GRPC,         "999n",        0              },
        {STINT_TIMEOUT_GRPC,         "0S",          0              },
        {STINT_TIMEOUT_GRPC,         "00000001S",   SECOND         },
        {STINT_TIMEOUT_GRPC,         " 5m\t",       5000           },
        {STINT_TIMEOUT_SECONDS,      "2",           2 * SECOND     },
        {STINT_TIMEOUT_SECONDS,      "0.5",         SECOND / 2     },
        {STINT_TIMEOUT_SECONDS,      "1.999999999", 1999999        },
        {STINT_TIMEOUT_MILLISECONDS, "15000",       15 * SECOND    },
        {STINT_TIMEOUT_MICROSECONDS, "7",           7              },
    };
    int64_t usec = -1;

    ck_assert_int_eq(stint_timeout_parse(cases[_i].unit, cases[_i].text, &usec), 0);
    ck_assert_int_eq(usec, cases[_i].usec);
}
END_TEST

START_TEST(what_is_malformed_is_refused_and_never_taken_for_no_limit)
{
    static const struct text_case cases[] = {
        {STINT_TIMEOUT_GRPC,         "",             0},
        {STINT_TIMEOUT_GRPC,         "S",            0},
        {STINT_TIMEOUT_GRPC,         "5",            0},
        {STINT_TIMEOUT_GRPC,         "123456789m",   0}, /* nine digits */
        {STINT_TIMEOUT_GRPC,         "-1S",          0},
        {STINT_TIMEOUT_GRPC,         "+1S",          0},
        {STINT_TIMEOUT_GRPC,         "1s",           0}, /* H M S m u n, and nothing else */
        {STINT_TIMEOUT_GRPC,         "1U",           0},
        {STINT_TIMEOUT_GRPC,         "1SS",          0},
        {STINT_TIMEOUT_GRPC,         "1 S",          0},
        {STINT_TIMEOUT_GRPC,         "1.5S",         0},
        {STINT_TIMEOUT_GRPC,         "0x5S",         0},
        {STINT_TIMEOUT_GRPC,         "infinity",     0},
        {STINT_TIMEOUT_GRPC,         "1S,2S",        0},
        {STINT_TIMEOUT_SECONDS,      "1.",           0},
        {STINT_TIMEOUT_SECONDS,      ".5",           0},
        {STINT_TIMEOUT_SECONDS,      "1.1234567890", 0},
        {STINT_TIMEOUT_SECONDS,      "1e3",          0},
        {STINT_TIMEOUT_SECONDS,      "1s",           0},
        {STINT_TIMEOUT_MILLISECONDS, "1.5",          0},
        {STINT_TIMEOUT_MILLISECONDS, "100000000",    0},
        {STINT_TIMEOUT_MILLISECONDS, "-1",           0},
        {STINT_TIMEOUT_MICROSECONDS, "now",          0},
        {(enum stint_timeout_unit)9, "1",            0},
        {STINT_TIMEOUT_GRPC,         NULL,           0},
    };
    int64_t usec = 77;

    ck_assert_int_eq(stint_timeout_parse(cases[_i].unit, cases[_i].text, &usec), -EINVAL);
    ck_assert_int_eq(usec, 77);
}
END_TEST

START_TEST(a_timeout_is_written_in_the_finest_unit_that_fits)
{
    static const struct text_case cases[] = {
        {STINT_TIMEOUT_GRPC,         "1u",        1                             },
        {STINT_TIMEOUT_GRPC,         "99999999u", 99999999                      },
        {STINT_TIMEOUT_GRPC,         "100000m",   100000999                     },
        {STINT_TIMEOUT_GRPC,         "100000S",   100000 * SECOND + 1           },
        {STINT_TIMEOUT_GRPC,         "1666666M",  99999999 * SECOND + 1 * SECOND},
        {STINT_TIMEOUT_GRPC,         "99999999H", STINT_NEVER - 1               },
        {STINT_TIMEOUT_SECONDS,      "2",         2999999                       },
        {STINT_TIMEOUT_SECONDS,      "0.999",     999999                        },
        {STINT_TIMEOUT_MILLISECONDS, "1",         1999                          },
        {STINT_TIMEOUT_MILLISECONDS, "99999999",  200000 * SECOND               },
        {STINT_TIMEOUT_MICROSECONDS, "12",        12                            },
    };
    char text[STINT_TIMEOUT_MAX];

    ck_assert_int_eq(stint_timeout_format(cases[_i].unit, cases[_i].usec, text, sizeof(text)),
                     (int)strlen(cases[_i].text));
    ck_assert_str_eq(text, cases[_i].text);
}
END_TEST

START_TEST(nothing_left_is_not_written_at_all)
{
    char text[STINT_TIMEOUT_MAX];

    ck_assert_int_eq(stint_timeout_format(STINT_TIMEOUT_GRPC, 0, text, sizeof(text)), -ETIMEDOUT);
    ck_assert_int_eq(stint_timeout_format(STINT_TIMEOUT_GRPC, -5, text, sizeof(text)), -ETIMEDOUT);
    ck_assert_int_eq(stint_timeout_format(STINT_TIMEOUT_MILLISECONDS, 999, text, sizeof(text)),
                     -ETIMEDOUT);
    ck_assert_int_eq(stint_timeout_format(STINT_TIMEOUT_SECONDS, 999, text, sizeof(text)),
                     -ETIMEDOUT);
    ck_assert_int_eq(stint_timeout_format(STINT_TIMEOUT_GRPC, 12345, text, 6), -ENOSPC);
    ck_assert_int_eq(stint_timeout_format((enum stint_timeout_unit)9, SECOND, text, sizeof(text)),
                     -EINVAL);
}
END_TEST

/* Whatever is written is read back as no more than it was, and as little less as eight digits allow. */
START_TEST(a_round_trip_only_ever_loses_time)
{
    uint64_t seed = 88172645463325252u;

    for (int i = 0; i < 20000; i++) {
        enum stint_timeout_unit unit = (enum stint_timeout_unit)(i % 4);
        char text[STINT_TIMEOUT_MAX];
        int64_t usec, back;
        int n;

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        usec = (int64_t)(seed >> (1 + seed % 62));
        n = stint_timeout_format(unit, usec, text, sizeof(text));
        if (n < 0) {
            ck_assert_int_eq(n, -ETIMEDOUT);
            ck_assert_int_lt(usec, 1000);
            continue;
        }
        ck_assert_int_eq(stint_timeout_parse(unit, text, &back), 0);
        ck_assert_msg(back <= usec, "%" PRId64 " became %s", usec, text);
        if (unit == STINT_TIMEOUT_GRPC && usec < 99999999 * HOUR)
            ck_assert_msg(usec - back <= usec / 99999 + 1, "%" PRId64 " became %s", usec, text);
    }
}
END_TEST

/* A request with two headers at most. */
struct request {
    const char *names[2], *values[2];
};

static const char *
header(void *env, const char *name)
{
    const struct request *r = env;

    for (int i = 0; i < 2; i++)
        if (r->names[i] && strcmp(r->names[i], name) == 0)
            return r->values[i];
    return NULL;
}

static struct stint_deadline_call
call_of(struct request *r)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("GetUser", "gateway");

    call.header = header;
    call.env = r;
    return call;
}

static void
init_with(const char *policy)
{
    ck_assert_int_eq(setenv("STINT_DEADLINES", policy, 1), 0);
    ck_assert_int_eq(stint_init(NULL), 0);
}

/* How long a token made now has. */
static void
assert_granted(struct stint_token *parent, struct request r, int64_t usec)
{
    struct stint_deadline_call call = call_of(&r);
    struct stint_token *token = NULL;
    int64_t before_us = stint_now_us(), after_us;

    ck_assert_int_eq(stint_deadline_open(&token, parent, &call), 0);
    after_us = stint_now_us();
    ck_assert_str_eq(call.refused, "");
    if (usec == STINT_NEVER) {
        ck_assert_int_eq(stint_token_deadline(token), STINT_NEVER);
    } else {
        ck_assert_int_ge(stint_token_deadline(token), before_us + usec);
        ck_assert_int_le(stint_token_deadline(token), after_us + usec);
    }
    stint_deadline_close(token);
}

static void
assert_refused(struct stint_token *parent, struct request r, int error, const char *why)
{
    struct stint_deadline_call call = call_of(&r);
    struct stint_token *token = NULL;

    ck_assert_int_eq(stint_deadline_open(&token, parent, &call), error);
    ck_assert_ptr_null(token);
    ck_assert_msg(strstr(call.refused, why) != NULL, "'%s'", call.refused);
}

START_TEST(without_a_policy_a_request_has_what_its_caller_allows)
{
    const struct stint_deadline_policy *policy = stint_deadline_policy();

    ck_assert_int_eq(policy->default_us, STINT_NEVER);
    ck_assert_int_eq(policy->max_us, STINT_NEVER);
    ck_assert_uint_eq(policy->n_headers, 1);
    ck_assert_str_eq(policy->headers[0].name, "grpc-timeout");
    assert_granted(NULL, (struct request){{"grpc-timeout"}, {"2S"}}, 2 * SECOND);
    assert_granted(NULL, (struct request){{NULL}, {NULL}}, STINT_NEVER);
}
END_TEST

START_TEST(the_policy_gives_a_default_and_a_maximum)
{
    init_with("default=5000000 max=30000000 reserve=2000 tolerance=1000 later=yes");
    ck_assert_int_eq(stint_deadline_policy()->reserve_us, 2000);
    ck_assert_int_eq(stint_deadline_policy()->tolerance_us, 1000);
    assert_granted(NULL, (struct request){{NULL}, {NULL}}, 5 * SECOND);
    assert_granted(NULL, (struct request){{"grpc-timeout"}, {"20S"}}, 20 * SECOND);
    assert_granted(NULL, (struct request){{"grpc-timeout"}, {"1H"}}, 30 * SECOND);
}
END_TEST

START_TEST(of_several_headers_the_shortest_counts_and_a_malformed_one_refuses)
{
    init_with("header=x-request-timeout:s header=x-envoy-expected-rq-timeout-ms:ms "
              "header=:ms header=broken header=x:week header=y:");
    ck_assert_uint_eq(stint_deadline_policy()->n_headers, 3);
    assert_granted(NULL,
                   (struct request){
                       {"grpc-timeout", "x-envoy-expected-rq-timeout-ms"},
                       {"3S",           "1500"                          }
    },
                   1500000);
    assert_granted(NULL,
                   (struct request){
                       {"x-request-timeout", "grpc-timeout"},
                       {"0.25",              "1S"          }
    },
                   250000);
    assert_refused(NULL,
                   (struct request){
                       {"grpc-timeout", "x-request-timeout"},
                       {"3S",           "soon"             }
    },
                   -EINVAL, "x-request-timeout: 'soon' is not a timeout");
    assert_refused(NULL, (struct request){{"grpc-timeout"}, {"123456789S"}}, -EINVAL,
                   "grpc-timeout");
}
END_TEST

START_TEST(a_header_that_nobody_configured_says_nothing)
{
    init_with("default=1000000");
    assert_granted(NULL, (struct request){{"x-request-timeout"}, {"9"}}, SECOND);
}
END_TEST

START_TEST(nested_deadlines_take_the_minimum)
{
    struct stint_token *outer =
        stint_token_with_deadline(NULL, "outer", stint_now_us() + 2 * SECOND);
    struct request r = {{"grpc-timeout"}, {"1H"}};
    struct stint_deadline_call call = call_of(&r);
    struct stint_token *token;

    ck_assert_int_eq(stint_deadline_open(&token, outer, &call), 0);
    ck_assert_int_eq(stint_token_deadline(token), stint_token_deadline(outer));
    stint_deadline_close(token);
    assert_granted(outer, (struct request){{"grpc-timeout"}, {"1S"}}, SECOND);
    stint_token_unref(outer);
}
END_TEST

START_TEST(what_is_over_is_refused_with_a_sentence)
{
    struct stint_token *over = stint_token_with_deadline(NULL, "over", stint_now_us() - 1);
    struct stint_token *left = stint_token_new(NULL, "left");
    struct request r = {{"grpc-timeout"}, {"10m"}};
    struct stint_deadline_call late = call_of(&r);
    struct stint_token *token = NULL;

    late.arrived_us = stint_now_us() - SECOND; /* it waited in a queue */
    ck_assert_int_eq(stint_deadline_open(&token, NULL, &late), -ETIMEDOUT);
    ck_assert_ptr_null(token);
    ck_assert_msg(strncmp(late.refused, "its deadline was over 99", 24) == 0, "%s", late.refused);
    assert_refused(NULL, (struct request){{"grpc-timeout"}, {"0S"}}, -ETIMEDOUT, "was over");
    assert_refused(over, (struct request){{NULL}, {NULL}}, -ETIMEDOUT, "deadline of 'over'");
    stint_token_cancel(left, STINT_CAUSE_USER, NULL);
    assert_refused(left, (struct request){{NULL}, {NULL}}, -ECANCELED, "'left' is cancelled");
    stint_token_unref(left);
    stint_token_unref(over);
}
END_TEST

START_TEST(what_the_program_knows_itself_counts_as_a_header_does)
{
    struct stint_deadline_call call = STINT_DEADLINE_CALL("op", NULL);
    struct stint_token *token;
    int64_t before_us = stint_now_us();

    call.timeout_us = 3 * SECOND;
    call.arrived_us = before_us - SECOND;
    ck_assert_int_eq(stint_deadline_open(&token, NULL, &call), 0);
    ck_assert_int_eq(stint_token_deadline(token), before_us + 2 * SECOND);
    stint_deadline_close(token);
}
END_TEST

START_TEST(what_is_left_goes_out_less_the_reserve_and_never_more)
{
    struct stint_token *token = stint_token_with_deadline(NULL, "t", stint_now_us() + 2 * SECOND);
    char text[STINT_TIMEOUT_MAX];
    int64_t left_us, said_us;

    left_us = stint_deadline_left(token, 500000);
    ck_assert_int_gt(left_us, SECOND);
    ck_assert_int_le(left_us, 1500000);
    ck_assert_int_le(stint_deadline_left(token, -1), 2 * SECOND - 5000); /* of the policy */
    ck_assert_int_gt(stint_deadline_format(token, STINT_TIMEOUT_GRPC, 500000, text, sizeof(text)),
                     0);
    ck_assert_int_eq(stint_timeout_parse(STINT_TIMEOUT_GRPC, text, &said_us), 0);
    ck_assert_int_le(said_us, left_us);
    ck_assert_int_eq(stint_deadline_left(token, 3 * SECOND), -ETIMEDOUT);
    ck_assert_int_eq(
        stint_deadline_format(token, STINT_TIMEOUT_GRPC, 3 * SECOND, text, sizeof(text)),
        -ETIMEDOUT);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_deadline_left(token, 0), -ECANCELED);
    stint_token_unref(token);

    token = stint_token_with_deadline(NULL, "over", stint_now_us() - 1);
    ck_assert_int_eq(stint_deadline_left(token, 0), -ETIMEDOUT);
    stint_token_unref(token);
}
END_TEST

START_TEST(without_a_deadline_no_header_goes_out)
{
    struct stint_token *token = stint_token_new(NULL, "t");
    char text[STINT_TIMEOUT_MAX] = "x";

    ck_assert_int_eq(stint_deadline_left(token, 0), STINT_NEVER);
    ck_assert_int_eq(stint_deadline_left(NULL, 0), STINT_NEVER);
    ck_assert_int_eq(stint_deadline_format(token, STINT_TIMEOUT_GRPC, -1, text, sizeof(text)), 0);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(stint_deadline_format(token, STINT_TIMEOUT_GRPC, -1, text, 0), -ENOSPC);
    stint_token_unref(token);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("deadline");
    TCase *t = tcase_create("deadline");

    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_timeout_is_read_as_it_is_written, 0, 15);
    tcase_add_loop_test(t, what_is_malformed_is_refused_and_never_taken_for_no_limit, 0, 25);
    tcase_add_loop_test(t, a_timeout_is_written_in_the_finest_unit_that_fits, 0, 11);
    tcase_add_test(t, nothing_left_is_not_written_at_all);
    tcase_add_test(t, a_round_trip_only_ever_loses_time);
    tcase_add_test(t, without_a_policy_a_request_has_what_its_caller_allows);
    tcase_add_test(t, the_policy_gives_a_default_and_a_maximum);
    tcase_add_test(t, of_several_headers_the_shortest_counts_and_a_malformed_one_refuses);
    tcase_add_test(t, a_header_that_nobody_configured_says_nothing);
    tcase_add_test(t, nested_deadlines_take_the_minimum);
    tcase_add_test(t, what_is_over_is_refused_with_a_sentence);
    tcase_add_test(t, what_the_program_knows_itself_counts_as_a_header_does);
    tcase_add_test(t, what_is_left_goes_out_less_the_reserve_and_never_more);
    tcase_add_test(t, without_a_deadline_no_header_goes_out);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
