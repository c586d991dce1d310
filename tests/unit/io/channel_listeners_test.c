/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets that a gated worker is given by its channel. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/unit/io/channel_fixture.h"

#define MANY 200 /* as many as a service may have */

struct got {
    struct stint_frame frame;
    struct stint_listeners head;
    char names[STINT_FRAME_MAX];
};

/* The next frame of the master that is one of these. Return: how many descriptors it brought; all closed. */
static size_t
receive(struct got *ret, ino_t *ret_first)
{
    union {
        char bytes[CMSG_SPACE(253 * sizeof(int))];
        struct cmsghdr head;
    } control;
    struct iovec part = {ret, sizeof(*ret)};
    struct msghdr msg;
    size_t n = 0;

    do {
        msg = (struct msghdr){.msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_control = &control,
                              .msg_controllen = sizeof(control)};
        ck_assert_int_gt(recvmsg(at.worker, &msg, MSG_DONTWAIT), 0);
    } while (ret->frame.type != STINT_FRAME_LISTENERS);
    ck_assert_int_eq(msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC), 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        for (size_t i = CMSG_LEN(0); i + sizeof(int) <= c->cmsg_len; i += sizeof(int), n++) {
            struct stat st;
            int fd;

            memcpy(&fd, (const char *)c + i, sizeof(fd));
            ck_assert_int_eq(fstat(fd, &st), 0);
            if (n == 0)
                *ret_first = st.st_ino;
            (void)fd_close(fd);
        }
    }
    return n;
}

static ino_t
inode(int fd)
{
    struct stat st;

    ck_assert_int_eq(fstat(fd, &st), 0);
    return st.st_ino;
}

START_TEST(sockets_come_with_their_names)
{
    static const char *const names[] = {"http", "admin"};
    int fds[2] = {socket(AF_UNIX, SOCK_STREAM, 0), socket(AF_UNIX, SOCK_STREAM, 0)};
    struct got got;
    ino_t first = 0;

    ck_assert_int_eq(channel_listeners(at.ch, names, fds, 2), 0);
    ck_assert_uint_eq(receive(&got, &first), 2);
    ck_assert_uint_eq(got.frame.sequence, 2);
    ck_assert_uint_eq(got.head.count, 2);
    ck_assert_uint_eq(got.head.more, 0);
    ck_assert_uint_eq(got.frame.length, sizeof(got.head) + sizeof("http") + sizeof("admin"));
    ck_assert_int_eq(memcmp(got.names, "http\0admin", sizeof("http\0admin")), 0);
    ck_assert_uint_eq(first, inode(fds[0]));
    ck_assert_int_ne(fcntl(fds[0], F_GETFD), -1); /* still ours */
    (void)fd_close(fds[0]);
    (void)fd_close(fds[1]);
}
END_TEST

START_TEST(many_come_in_several_frames_and_the_last_one_says_so)
{
    char longest[65] = {0};
    const char *names[MANY];
    int fds[MANY], one = socket(AF_UNIX, SOCK_STREAM, 0);
    size_t had = 0;
    struct got got;
    ino_t first;

    memset(longest, 'n', 64);
    for (int i = 0; i < MANY; i++)
        names[i] = longest, fds[i] = one;
    ck_assert_int_eq(channel_listeners(at.ch, names, fds, MANY), 0);
    do {
        size_t n = receive(&got, &first);

        ck_assert_uint_eq(n, got.head.count);
        ck_assert_uint_le(n, STINT_LISTENERS_MAX);
        had += n;
    } while (got.head.more);
    ck_assert_uint_eq(had, MANY);
    (void)fd_close(one);
}
END_TEST

START_TEST(who_does_not_read_is_tried_again_when_there_is_room)
{
    static const char *const names[] = {"http"};
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    char frame[STINT_FRAME_MAX];

    while (channel_cancel(at.ch, 1, "again", 0) == 0)
        continue;
    ck_assert_int_eq(channel_listeners(at.ch, names, &one, 1), -EAGAIN);
    channel_await_room(at.ch);
    turn();
    ck_assert_str_eq(at.log, "");
    while (recv(at.worker, frame, sizeof(frame), MSG_DONTWAIT) > 0)
        continue;
    turn();
    ck_assert_str_eq(at.log, "room "); /* once */
    ck_assert_int_eq(channel_listeners(at.ch, names, &one, 1), 0);
    say_hello(STINT_WIRE_MAJOR);
    turn();
    ck_assert_str_eq(at.log, "room hello ");
    (void)fd_close(one);
}
END_TEST

START_TEST(a_library_that_is_too_old_for_it_is_said_to_be)
{
    struct channel_events demanding = events;
    struct stint_hello old = {.major = STINT_WIRE_MAJOR, .minor = 0, .pid = 42};
    int ours = -1;

    teardown();
    memset(&at, 0, sizeof(at));
    at.loop = ev_loop_new(EVFLAG_AUTO);
    demanding.least_minor = 1;
    ck_assert_int_eq(channel_pair(&ours, &at.worker), 0);
    ck_assert_int_eq(channel_open(at.loop, ours, &demanding, &at, &at.ch), 0);
    say(STINT_FRAME_HELLO, &old, sizeof(old));
    turn();
    ck_assert_ptr_nonnull(strstr(at.log, "bad: its libstint speaks version 1.0 of the wire"));
    ck_assert_ptr_nonnull(strstr(at.log, "link it anew"));
    ck_assert(!channel_managed(at.ch));
}
END_TEST

START_TEST(a_worker_has_none_to_give)
{
    struct stint_listeners head = {.count = 0};

    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_LISTENERS, &head, sizeof(head));
    turn();
    ck_assert_str_eq(at.log, "hello bad: it sent a frame that only the master may send ");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("channel_listeners");
    TCase *t = tcase_create("channel_listeners");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, sockets_come_with_their_names);
    tcase_add_test(t, many_come_in_several_frames_and_the_last_one_says_so);
    tcase_add_test(t, who_does_not_read_is_tried_again_when_there_is_room);
    tcase_add_test(t, a_library_that_is_too_old_for_it_is_said_to_be);
    tcase_add_test(t, a_worker_has_none_to_give);
    suite_add_tcase(s, t);
    return unit_main(s);
}
