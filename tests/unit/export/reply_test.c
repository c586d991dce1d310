/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/export/reply.h"

#include <string.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

START_TEST(a_status_says_whether_to_come_back)
{
    static const struct {
        long status;
        enum reply_outcome is;
    } all[] = {
        {200, REPLY_TAKEN    },
        {202, REPLY_TAKEN    },
        {0,   REPLY_LATER    },
        {429, REPLY_LATER    },
        {502, REPLY_LATER    },
        {503, REPLY_LATER    },
        {504, REPLY_LATER    },
        {413, REPLY_TOO_LARGE},
        {400, REPLY_REFUSED  },
        {401, REPLY_REFUSED  },
        {404, REPLY_REFUSED  },
        {500, REPLY_REFUSED  },
        {301, REPLY_REFUSED  },
        {100, REPLY_REFUSED  },
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        ck_assert_msg(reply_outcome(all[i].status) == all[i].is, "status %ld", all[i].status);
}
END_TEST

static uint64_t
rejected(enum otlp_signal signal, const char *body, char *why)
{
    return reply_rejected(signal, body, strlen(body), why, 32);
}

START_TEST(a_collector_may_take_some_and_say_why_not_the_rest)
{
    char why[32];

    ck_assert_uint_eq(
        rejected(OTLP_TRACES,
                 "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no\\nroom\"}}",
                 why),
        3);
    ck_assert_str_eq(why, "no room");
    ck_assert_uint_eq(rejected(OTLP_LOGS, "{\"partialSuccess\":{\"rejectedLogRecords\":4}}", why),
                      4);
    ck_assert_str_eq(why, "");
    ck_assert_uint_eq(rejected(OTLP_LOGS, "{\"partialSuccess\":{\"rejectedSpans\":\"4\"}}", why),
                      0);
    ck_assert_uint_eq(rejected(OTLP_LOGS,
                               "{\"partialSuccess\":{\"errorMessage\":"
                               "\"a warning that is longer than there is room for it here\"}}",
                               why),
                      0);
    ck_assert_str_eq(why, "a warning that is longer than t");
}
END_TEST

START_TEST(any_body_is_survived)
{
    static const char *const bodies[] = {"",
                                         "{}",
                                         "\x0a\x02",
                                         "<html>",
                                         "[]",
                                         "{\"partialSuccess\":null}",
                                         "{\"partialSuccess\":{\"rejectedSpans\":-1}}",
                                         "{\"partialSuccess\":{\"rejectedSpans\":\"-1\"}}",
                                         "{\"partialSuccess\":{\"rejectedSpans\":{}}}"};
    char why[32];

    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        ck_assert_uint_eq(rejected(OTLP_TRACES, bodies[i], why), 0);
        ck_assert_str_eq(why, "");
    }
}
END_TEST

START_TEST(tries_come_more_and_more_seldom)
{
    int64_t before_us = 0;

    for (unsigned tries = 1; tries < 6; tries++) {
        int64_t least_us = reply_backoff_us(tries, 0, 0),
                most_us = reply_backoff_us(tries, 0, 1023);

        ck_assert_int_gt(least_us, before_us);
        ck_assert_int_lt(least_us, most_us);
        ck_assert_int_le(most_us, least_us / 3 * 5 + 3);
        before_us = least_us;
    }
    for (unsigned tries = 8; tries < 200; tries++)
        ck_assert_int_eq(reply_backoff_us(tries, 0, 512), REPLY_BACKOFF_MAX_US);
    ck_assert_int_eq(reply_backoff_us(UINT32_MAX, 0, 512), REPLY_BACKOFF_MAX_US);
}
END_TEST

START_TEST(a_collector_may_say_when)
{
    ck_assert_int_eq(reply_backoff_us(1, 7000000, 5), 7000000);
    ck_assert_int_eq(reply_backoff_us(9, 1, 5), 1);
    ck_assert_int_eq(reply_backoff_us(1, INT64_MAX, 5), REPLY_RETRY_AFTER_MAX_US);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("reply");
    TCase *t = tcase_create("reply");

    tcase_add_test(t, a_status_says_whether_to_come_back);
    tcase_add_test(t, a_collector_may_take_some_and_say_why_not_the_rest);
    tcase_add_test(t, any_body_is_survived);
    tcase_add_test(t, tries_come_more_and_more_seldom);
    tcase_add_test(t, a_collector_may_say_when);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
