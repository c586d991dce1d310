/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What breaks the rules closes the channel, is told once, and leaves the worker alone. */
#include "supervisor/io/channel.h"

#include <errno.h>

#include "tests/unit/io/channel_fixture.h"

/* expect_bad - once, the channel is closed, and nothing more is heard. */
static void
expect_bad(const char *word)
{
    char closed;

    turn();
    ck_assert_ptr_nonnull(strstr(at.log, "bad: "));
    ck_assert_msg(strstr(at.log, word) != NULL, "'%s' does not say '%s'", at.log, word);
    while (recv(at.worker, &closed, 1, MSG_DONTWAIT) > 0)
        ; /* what the master said before */
    ck_assert_int_eq(recv(at.worker, &closed, 1, MSG_DONTWAIT), 0);
    ck_assert_int_eq(channel_cancel(at.ch, 1, "", 0), -ENOTCONN);
    ck_assert(!channel_managed(at.ch));
}

START_TEST(another_major_version_is_bad)
{
    say_hello(STINT_WIRE_MAJOR + 1);
    expect_bad("version 2 of the wire");
}
END_TEST

START_TEST(a_gap_in_the_sequence_is_bad)
{
    say_hello(STINT_WIRE_MAJOR);
    send_frame(STINT_FRAME_READY, 3, NULL, 0);
    expect_bad("frame 3 came after frame 1");
}
END_TEST

START_TEST(a_frame_before_hello_is_bad)
{
    say(STINT_FRAME_READY, NULL, 0);
    expect_bad("first frame was not HELLO");
}
END_TEST

START_TEST(a_second_hello_is_bad)
{
    say_hello(STINT_WIRE_MAJOR);
    say_hello(STINT_WIRE_MAJOR);
    expect_bad("HELLO twice");
}
END_TEST

START_TEST(a_cancel_from_the_worker_is_bad)
{
    struct stint_cancel_frame c = {0};

    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_CANCEL, &c, sizeof(c));
    expect_bad("only the master may send");
}
END_TEST

START_TEST(a_frame_after_bye_is_bad)
{
    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_BYE, NULL, 0);
    say(STINT_FRAME_READY, NULL, 0);
    expect_bad("after its BYE");
}
END_TEST

START_TEST(a_short_body_is_bad)
{
    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_EXTEND, "1234", 4);
    expect_bad("has 4 bytes, it needs 8");
}
END_TEST

START_TEST(a_frame_that_is_too_long_is_bad)
{
    char bytes[STINT_FRAME_MAX + 1] = {0};

    ck_assert_int_gt(send(at.worker, bytes, sizeof(bytes), 0), 0);
    expect_bad("longer than 4096");
}
END_TEST

/* send_fds - a whole frame with @n descriptors beside it. */
static void
send_fds(unsigned n)
{
    struct stint_frame f = {.type = 99, .sequence = ++at.sequence};
    union {
        char bytes[CMSG_SPACE(sizeof(int) * 253)];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec part = {&f, sizeof(f)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * n);
    for (unsigned i = 0; i < n; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &at.worker, sizeof(int));
    ck_assert_int_eq(sendmsg(at.worker, &msg, 0), sizeof(f));
}

START_TEST(descriptors_nobody_asked_for_are_closed)
{
    int before = dup(0);

    ck_assert_int_eq(close(before), 0);
    say_hello(STINT_WIRE_MAJOR);
    send_fds(253);
    expect_bad("it passed descriptors");
    int after = dup(0);

    ck_assert_int_eq(close(after), 0);
    ck_assert_int_le(after, before); /* the channel's own is free now too */
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("channel_rules");
    TCase *t = tcase_create("channel_rules");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, another_major_version_is_bad);
    tcase_add_test(t, a_gap_in_the_sequence_is_bad);
    tcase_add_test(t, a_frame_before_hello_is_bad);
    tcase_add_test(t, a_second_hello_is_bad);
    tcase_add_test(t, a_cancel_from_the_worker_is_bad);
    tcase_add_test(t, a_frame_after_bye_is_bad);
    tcase_add_test(t, a_short_body_is_bad);
    tcase_add_test(t, a_frame_that_is_too_long_is_bad);
    tcase_add_test(t, descriptors_nobody_asked_for_are_closed);
    suite_add_tcase(s, t);
    return unit_main(s);
}
