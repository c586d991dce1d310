/* SPDX-License-Identifier: GPL-2.0-or-later */
/* systemd hears each beginning and each end once, whatever happens between them. */
#include "tests/unit/unit.h"

#include "base/text.h"
#include "base/units.h"
#include "supervisor/io/announce.h"

#define T0 INT64_C(1000000000)

static struct announce a;
static struct announce_facts f;
static struct text said;
static int64_t again_us;

static void
setup(void)
{
    announce_init(&a);
    f = (struct announce_facts){.now_us = T0, .status = "1 service, 0 running"};
    said = (struct text)TEXT_INIT;
}

static void
teardown(void)
{
    announce_finish(&a);
    text_finish(&said);
}

static const char *
turn(void)
{
    text_clear(&said);
    again_us = announce_turn(&a, &f, &said);
    return text_str(&said);
}

static const char *
reload(const char *cause)
{
    text_clear(&said);
    announce_reload(&a, cause, f.now_us, &said);
    return text_str(&said);
}

START_TEST(ready_is_said_once_when_all_had_their_verdict)
{
    announce_begin(&a);
    f.under_way = f.busy = true;
    ck_assert_str_eq(turn(), "EXTEND_TIMEOUT_USEC=20000000\nSTATUS=1 service, 0 running");
    ck_assert_str_eq(turn(), "");
    f.under_way = f.busy = false;
    f.now_us += 1000;
    f.status = "1 service, 1 running";
    ck_assert_str_eq(turn(), "READY=1\nSTATUS=1 service, 1 running");
    ck_assert_str_eq(turn(), "");
    ck_assert_int_eq(again_us, TIME_NEVER);
}
END_TEST

START_TEST(a_reload_is_one_datagram_at_its_beginning_and_one_ready_at_its_end)
{
    announce_begin(&a);
    ck_assert_str_eq(turn(), "READY=1\nSTATUS=1 service, 0 running");
    f.now_us += 5;
    f.under_way = true;
    ck_assert_str_eq(reload("SIGHUP"), "RELOADING=1\nMONOTONIC_USEC=1000000005\n"
                                       "STATUS=Looking at all inputs: SIGHUP");
    ck_assert_str_eq(turn(), "EXTEND_TIMEOUT_USEC=20000000");
    f.under_way = false;
    ck_assert_str_eq(turn(), "READY=1\nSTATUS=1 service, 0 running");
    ck_assert_str_eq(turn(), "");
}
END_TEST

START_TEST(a_second_reload_during_the_first_ends_with_it)
{
    (void)reload("SIGHUP");
    f.under_way = true;
    (void)turn();
    f.now_us += 7;
    ck_assert_str_eq(reload("SIGHUP"), "RELOADING=1\nMONOTONIC_USEC=1000000007\n"
                                       "STATUS=Looking at all inputs: SIGHUP");
    ck_assert_str_eq(turn(), "");
    f.under_way = false;
    ck_assert_str_eq(turn(), "READY=1\nSTATUS=1 service, 0 running");
    ck_assert_str_eq(turn(), "");
}
END_TEST

START_TEST(a_status_changes_once_a_second_at_most)
{
    (void)turn();
    f.now_us += 10;
    f.status = "another";
    ck_assert(!announce_status_due(&a, &f));
    ck_assert_str_eq(turn(), "");
    f.status = NULL; /* not looked at: come back when it may be said */
    ck_assert_str_eq(turn(), "");
    ck_assert_int_eq(again_us, T0 + US_PER_S);
    f.now_us = T0 + US_PER_S;
    f.status = "another";
    ck_assert(announce_status_due(&a, &f));
    ck_assert_str_eq(turn(), "STATUS=another");
}
END_TEST

START_TEST(a_status_is_one_line_of_utf8)
{
    f.status = "web: no \"port\"\nREADY=1\xff";
    ck_assert_str_eq(turn(), "STATUS=web: no \"port\" READY=1?");
}
END_TEST

START_TEST(who_takes_time_asks_for_more_while_it_is_heard_of)
{
    announce_begin(&a);
    f.under_way = f.busy = true;
    (void)turn();
    ck_assert_int_eq(again_us, T0 + 5 * US_PER_S);
    f.now_us = again_us;
    ck_assert_str_eq(turn(), "EXTEND_TIMEOUT_USEC=20000000");
    f.now_us += US_PER_S;
    ck_assert_str_eq(turn(), "");
    f.under_way = f.busy = false;
    (void)turn();
    ck_assert_int_eq(again_us, TIME_NEVER);
}
END_TEST

START_TEST(a_change_asks_for_time_when_it_takes_some)
{
    announce_begin(&a);
    (void)turn();
    f.busy = true;
    ck_assert_str_eq(turn(), "");
    ck_assert_int_eq(again_us, T0 + 5 * US_PER_S);
    f.now_us = again_us;
    ck_assert_str_eq(turn(), "EXTEND_TIMEOUT_USEC=20000000");
}
END_TEST

START_TEST(a_stop_asks_for_time_up_to_its_own_end)
{
    announce_begin(&a);
    (void)turn();
    f.stopping = true;
    f.stop_until_us = T0 + 22 * US_PER_S;
    f.status = "Stopping: 1 service";
    ck_assert_str_eq(turn(),
                     "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nSTATUS=Stopping: 1 service");
    f.now_us = again_us;
    ck_assert_str_eq(turn(), "EXTEND_TIMEOUT_USEC=17000000");
    f.now_us = f.stop_until_us;
    ck_assert_str_eq(turn(), "");
    ck_assert_int_eq(again_us, TIME_NEVER);
    ck_assert_str_eq(turn(), "");
}
END_TEST

START_TEST(a_stop_is_the_end_of_reloads_and_of_ready)
{
    announce_begin(&a);
    f.under_way = f.stopping = true;
    f.stop_until_us = T0 + US_PER_S;
    (void)turn();
    ck_assert_str_eq(reload("SIGHUP"), "");
    f.under_way = false;
    ck_assert_str_eq(turn(), "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("announce");
    TCase *c = tcase_create("announce");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, ready_is_said_once_when_all_had_their_verdict);
    tcase_add_test(c, a_reload_is_one_datagram_at_its_beginning_and_one_ready_at_its_end);
    tcase_add_test(c, a_second_reload_during_the_first_ends_with_it);
    tcase_add_test(c, a_status_changes_once_a_second_at_most);
    tcase_add_test(c, a_status_is_one_line_of_utf8);
    tcase_add_test(c, who_takes_time_asks_for_more_while_it_is_heard_of);
    tcase_add_test(c, a_change_asks_for_time_when_it_takes_some);
    tcase_add_test(c, a_stop_asks_for_time_up_to_its_own_end);
    tcase_add_test(c, a_stop_is_the_end_of_reloads_and_of_ready);
    suite_add_tcase(suite, c);
    return unit_main(suite);
}
