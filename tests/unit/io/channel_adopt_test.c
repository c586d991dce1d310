/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A channel that goes from one master to the next, and the libstint at its other end. */
#include "supervisor/io/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/io/channel_fixture.h"
#include "worker-api/stint.h"

static void
expect_log(const char *want)
{
    turn();
    ck_assert_str_eq(at.log, want);
    at.log[0] = '\0';
}

/* next_master - the one before is gone: it closes what it had, and nobody else hears of that. */
static void
next_master(bool managed, unsigned masters)
{
    int fd = fcntl(channel_fd(at.ch), F_DUPFD_CLOEXEC, 3);

    channel_destroy(at.ch);
    ck_assert_int_eq(channel_adopt(at.loop, fd, &events, &at, managed, masters, &at.ch), 0);
    ck_assert_int_eq(channel_fd(at.ch), fd);
    ck_assert(channel_managed(at.ch) == managed);
}

static void
die(void *env)
{
    (void)env;
    (void)raise(SIGKILL);
}

static void
die_of_hello(void *env, const struct stint_hello *h)
{
    (void)h;
    die(env);
}

/* A master is killed while it deals with the first frame that is there. */
static void
a_master_dies_of_it(bool managed)
{
    const struct channel_events deadly = {.on_hello = die_of_hello, .on_ready = die, .on_bye = die};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
        struct channel *ch;

        (void)channel_adopt(loop, channel_fd(at.ch), &deadly, NULL, managed, 2, &ch);
        ev_run(loop, EVRUN_NOWAIT);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, SIGKILL);
}

START_TEST(a_frame_that_a_master_was_killed_over_comes_again)
{
    say_hello(STINT_WIRE_MAJOR);
    say(STINT_FRAME_READY, NULL, 0);
    a_master_dies_of_it(false);
    a_master_dies_of_it(false);
    next_master(false, 3);
    expect_log("hello ready ");
    say(STINT_FRAME_BYE, NULL, 0);
    a_master_dies_of_it(true);
    next_master(true, 4);
    ck_assert_int_eq(close(at.worker), 0);
    at.worker = -1;
    expect_log("bye ");
}
END_TEST

START_TEST(any_frame_may_be_the_first_and_then_none_is_missing)
{
    at.sequence = 17; /* many were heard by others */
    next_master(true, 2);
    say(STINT_FRAME_READY, NULL, 0);
    say(STINT_FRAME_STOPPING, NULL, 0);
    expect_log("ready stopping ");
    at.sequence++; /* one is missing */
    say(STINT_FRAME_BYE, NULL, 0);
    expect_log("bad: frame 21 came after frame 19 ");
}
END_TEST

/* Whether it was dealt with nobody knows, so it may come again; but once, and first. */
START_TEST(a_hello_may_come_again_once)
{
    next_master(true, 2);
    say_hello(STINT_WIRE_MAJOR);
    expect_log("hello ");
    say_hello(STINT_WIRE_MAJOR);
    expect_log("bad: it said HELLO twice ");
}
END_TEST

START_TEST(a_hello_behind_another_frame_is_one_too_many)
{
    next_master(true, 2);
    say(STINT_FRAME_READY, NULL, 0);
    say_hello(STINT_WIRE_MAJOR);
    expect_log("ready bad: it said HELLO twice ");
}
END_TEST

START_TEST(who_never_said_hello_has_to_say_it_to_the_next_master_too)
{
    next_master(false, 2);
    say(STINT_FRAME_READY, NULL, 0);
    expect_log("bad: its first frame was not HELLO ");
}
END_TEST

START_TEST(a_worker_that_ended_while_there_was_no_master_is_lost)
{
    next_master(true, 2);
    ck_assert_int_eq(close(at.worker), 0);
    at.worker = -1;
    expect_log("lost ");
    ck_assert_int_eq(channel_fd(at.ch), -1);
    ck_assert_int_eq(channel_cancel(at.ch, 2, "go", 0), -ENOTCONN);
}
END_TEST

static uint64_t
next_sequence(void)
{
    char bytes[STINT_FRAME_MAX];
    struct stint_frame f;

    ck_assert_int_ge(recv(at.worker, bytes, sizeof(bytes), MSG_DONTWAIT), (ssize_t)sizeof(f));
    memcpy(&f, bytes, sizeof(f));
    return f.sequence;
}

START_TEST(numbers_of_each_master_are_beyond_those_of_all_before)
{
    uint64_t last = next_sequence(); /* HELLO */

    for (unsigned masters = 2; masters < 70000; masters += 1 + masters / 2) {
        next_master(true, masters);
        for (int i = 0; i < 3; i++) {
            uint64_t sequence;

            ck_assert_int_eq(channel_cancel(at.ch, 2, "go", 0), 0);
            sequence = next_sequence();
            ck_assert_uint_gt(sequence, last);
            last = sequence;
        }
    }
}
END_TEST

START_TEST(descriptors_that_are_passed_are_closed_and_end_it)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct stint_frame f = {.type = STINT_FRAME_READY, .sequence = 1};
    struct iovec part = {&f, sizeof(f)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.align), &ends[1], sizeof(int));
    next_master(true, 2);
    ck_assert_int_eq(sendmsg(at.worker, &msg, 0), (ssize_t)sizeof(f));
    (void)close(ends[1]);
    expect_log("bad: it passed descriptors ");
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* EOF: nobody has it any more */
    (void)close(ends[0]);
}
END_TEST

/* ---- a real libstint -------------------------------------------------------------------------- */

static _Noreturn void
worker(int fd)
{
    char number[16];

    (void)snprintf(number, sizeof(number), "%d", fd);
    (void)setenv("STINT_CHANNEL", number, 1); /* NOLINT(concurrency-mt-unsafe): one thread */
    (void)fcntl(fd, F_SETFD, 0);
    if (stint_init(NULL) < 0 || stint_ready() < 0)
        _exit(1);
    (void)stint_token_poll(stint_root(), NULL, 0, stint_now_us() + 20 * US_PER_S);
    _exit(stint_token_cancelled(stint_root()) ? 40 : 3);
}

static void
await(int events_wanted)
{
    struct pollfd p = {.fd = channel_fd(at.ch), .events = (short)events_wanted};

    ck_assert_int_eq(poll(&p, 1, 20000), 1);
}

static void
on_any_hello(void *env, const struct stint_hello *h)
{
    (void)env;
    (void)h;
    note("hello");
}

START_TEST(a_worker_with_libstint_obeys_the_second_master)
{
    const struct channel_events any = {
        .on_hello = on_any_hello, .on_ready = on_ready, .on_bad = on_bad};
    pid_t pid = fork();
    int status, fd;

    if (pid == 0) {
        channel_destroy(at.ch);
        worker(at.worker);
    }
    ck_assert_int_eq(close(at.worker), 0);
    at.worker = -1;
    await(POLLIN);
    fd = fcntl(channel_fd(at.ch), F_DUPFD_CLOEXEC, 3);
    channel_destroy(at.ch);
    ck_assert_int_eq(channel_adopt(at.loop, fd, &any, &at, false, 2, &at.ch), 0);
    while (!strstr(at.log, "ready") && !strstr(at.log, "bad")) {
        await(POLLIN);
        turn();
    }
    expect_log("hello ready ");
    for (unsigned masters = 3; masters < 6; masters++) { /* and those after it */
        fd = fcntl(channel_fd(at.ch), F_DUPFD_CLOEXEC, 3);
        channel_destroy(at.ch);
        ck_assert_int_eq(channel_adopt(at.loop, fd, &any, &at, true, masters, &at.ch), 0);
    }
    ck_assert_int_eq(channel_cancel(at.ch, STINT_WIRE_RELIEVED, "relieved", INT64_MAX), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 40 << 8);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("channel adopt");
    TCase *t = tcase_create("channel adopt");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_frame_that_a_master_was_killed_over_comes_again);
    tcase_add_test(t, any_frame_may_be_the_first_and_then_none_is_missing);
    tcase_add_test(t, a_hello_may_come_again_once);
    tcase_add_test(t, a_hello_behind_another_frame_is_one_too_many);
    tcase_add_test(t, who_never_said_hello_has_to_say_it_to_the_next_master_too);
    tcase_add_test(t, a_worker_that_ended_while_there_was_no_master_is_lost);
    tcase_add_test(t, numbers_of_each_master_are_beyond_those_of_all_before);
    tcase_add_test(t, descriptors_that_are_passed_are_closed_and_end_it);
    tcase_add_test(t, a_worker_with_libstint_obeys_the_second_master);
    suite_add_tcase(s, t);
    return unit_main(s);
}
