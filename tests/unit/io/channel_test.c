/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/channel.h"

#include <errno.h>
#include <fcntl.h>

#include "tests/unit/io/channel_fixture.h"

static void
expect_log(const char *want)
{
    turn();
    ck_assert_str_eq(at.log, want);
}

START_TEST(the_master_speaks_first)
{
    struct {
        struct stint_frame f;
        struct stint_hello h;
    } got;

    ck_assert_int_eq(recv(at.worker, &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
    ck_assert_uint_eq(got.f.type, STINT_FRAME_HELLO);
    ck_assert_uint_eq(got.f.sequence, 1);
    ck_assert_uint_eq(got.f.length, sizeof(got.h));
    ck_assert_uint_eq(got.h.major, STINT_WIRE_MAJOR);
    ck_assert_uint_eq(got.h.pid, (uint32_t)getpid());
    ck_assert_int_ne(fcntl(at.worker, F_GETFD) & FD_CLOEXEC, 0);
}
END_TEST

START_TEST(a_life_is_heard_in_order)
{
    struct stint_extend e = {250};
    struct stint_look look = {.at_us = 77, .generation = 2, .text = "old"};

    ck_assert(!channel_managed(at.ch));
    say_hello(STINT_WIRE_MAJOR);
    turn();
    ck_assert(channel_managed(at.ch));
    say(STINT_FRAME_READY, NULL, 0);
    say(STINT_FRAME_EXTEND, &e, sizeof(e));
    say(STINT_FRAME_LOOK, &look, sizeof(look));
    say(99, "from a later version", 20);
    say(STINT_FRAME_STOPPING, NULL, 0);
    say(STINT_FRAME_BYE, NULL, 0);
    ck_assert_int_eq(close(at.worker), 0);
    at.worker = -1;
    expect_log("hello ready extend=250 look=77/2/old stopping bye ");
}
END_TEST

START_TEST(a_worker_that_dies_without_bye_is_lost)
{
    say_hello(STINT_WIRE_MAJOR);
    ck_assert_int_eq(close(at.worker), 0);
    at.worker = -1;
    expect_log("hello lost ");
    turn();
    expect_log("hello lost ");
}
END_TEST

START_TEST(a_chatty_worker_gets_its_share_and_no_more)
{
    struct stint_extend e = {1};

    say_hello(STINT_WIRE_MAJOR);
    for (int i = 0; i < 100; i++) {
        char none;

        say(STINT_FRAME_EXTEND, &e, sizeof(e));
        if (i % 8 == 7) {
            at.log[0] = '\0';
            ev_run(at.loop, EVRUN_NOWAIT);
            ck_assert_uint_le(strlen(at.log), 17 * strlen("extend=1 "));
        }
        (void)recv(at.worker, &none, 1, MSG_DONTWAIT);
    }
}
END_TEST

START_TEST(a_callback_may_destroy_the_channel)
{
    at.destroy = true;
    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_READY, NULL, 0);
    expect_log("hello ");
}
END_TEST

START_TEST(a_cancel_carries_cause_deadline_and_text)
{
    struct {
        struct stint_frame f;
        struct stint_cancel_frame c;
    } got;
    char text[300];

    memset(text, 'x', sizeof(text));
    text[299] = '\0';
    ck_assert_int_gt(recv(at.worker, &got, sizeof(got), MSG_DONTWAIT), 0); /* HELLO */
    ck_assert_int_eq(channel_cancel(at.ch, 2, "relieved by generation 8", 77), 0);
    ck_assert_int_eq(recv(at.worker, &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
    ck_assert_uint_eq(got.f.type, STINT_FRAME_CANCEL);
    ck_assert_uint_eq(got.f.sequence, 2);
    ck_assert_uint_eq(got.c.cause, 2);
    ck_assert_int_eq(got.c.deadline_us, 77);
    ck_assert_str_eq(got.c.text, "relieved by generation 8");
    ck_assert_int_eq(channel_cancel(at.ch, 2, text, TIME_NEVER), 0);
    ck_assert_int_eq(recv(at.worker, &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
    ck_assert_uint_eq(strlen(got.c.text), 127);
}
END_TEST

START_TEST(a_worker_that_does_not_read_never_blocks_the_master)
{
    int r = 0, said = 0;

    while (said < 100000 && (r = channel_cancel(at.ch, 1, "again", 0)) == 0)
        said++;
    ck_assert_int_eq(r, -EAGAIN);
    say_hello(STINT_WIRE_MAJOR); /* and the other direction still works */
    expect_log("hello ");
}
END_TEST

START_TEST(a_worker_that_died_before_hello_is_lost_not_an_error)
{
    struct channel *ch;
    int ours, theirs;

    ck_assert_int_eq(channel_pair(&ours, &theirs), 0);
    ck_assert_int_eq(close(theirs), 0);
    ck_assert_int_eq(channel_open(at.loop, ours, &events, &at, &ch), 0);
    expect_log("lost ");
    channel_destroy(ch);
}
END_TEST

START_TEST(decoding_checks_every_length)
{
    struct wire_message m;
    struct {
        struct stint_frame f;
        struct stint_cancel_frame c;
        char more[8];
    } in = {.f = {.type = STINT_FRAME_CANCEL}};

    memset(in.c.text, 'x', sizeof(in.c.text));
    for (size_t n = 0; n <= sizeof(in); n++) {
        in.f.length = n < sizeof(in.f) ? 0 : (uint32_t)(n - sizeof(in.f));
        int want = n < sizeof(in.f) + sizeof(in.c) ? -EPROTO : 0;

        ck_assert_int_eq(wire_decode(&in, n, &m, NULL), want);
        if (want == 0)
            ck_assert_uint_eq(strlen(m.cancel.text), sizeof(in.c.text) - 1);
    }
    in.f.length--;
    ck_assert_int_eq(wire_decode(&in, sizeof(in), &m, NULL), -EPROTO);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("channel");
    TCase *t = tcase_create("channel");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_master_speaks_first);
    tcase_add_test(t, a_life_is_heard_in_order);
    tcase_add_test(t, a_worker_that_dies_without_bye_is_lost);
    tcase_add_test(t, a_chatty_worker_gets_its_share_and_no_more);
    tcase_add_test(t, a_callback_may_destroy_the_channel);
    tcase_add_test(t, a_cancel_carries_cause_deadline_and_text);
    tcase_add_test(t, a_worker_that_does_not_read_never_blocks_the_master);
    tcase_add_test(t, a_worker_that_died_before_hello_is_lost_not_an_error);
    tcase_add_test(t, decoding_checks_every_length);
    suite_add_tcase(s, t);
    return unit_main(s);
}
