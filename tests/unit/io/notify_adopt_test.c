/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A notify socket that goes from one master to the next. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/io/notify_fixture.h"

/* adopt - the socket of `notify`, as another master has it: a descriptor of its own. */
static struct notify *
adopt(const struct notify_hooks *hooks)
{
    struct notify *next = NULL;
    struct error error;
    int fd = fcntl(notify_fd(notify), F_DUPFD_CLOEXEC, 3);

    ck_assert_msg(notify_adopt(ev, fd, notify_path(notify), hooks, &next, &error) == 0, "%s",
                  error.text);
    ck_assert_int_eq(notify_fd(next), fd);
    notify_expect(next, getpid(), geteuid());
    return next;
}

static void
die(void *env, const struct notify_message *m, const struct notify_sender *from)
{
    (void)env;
    (void)m;
    (void)from;
    (void)raise(SIGKILL);
}

static void
die_refusing(void *env, const struct notify_sender *from, const char *why)
{
    (void)env;
    (void)from;
    (void)why;
    (void)raise(SIGKILL);
}

/* A master is killed while it deals with the first message that is there. */
static void
a_master_dies_of_it(void)
{
    const struct notify_hooks hooks = {die, die_refusing, NULL};
    pid_t worker = getpid(), pid = fork();
    int status;

    if (pid == 0) {
        struct notify *doomed = adopt(&hooks);

        notify_expect(doomed, worker, geteuid());
        notify_drain(doomed);
        _exit(0); /* there was nothing to die of */
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, SIGKILL);
}

/* The master that takes over; the first one is gone, and its file is not. */
static void
the_next_master(void)
{
    const struct notify_hooks hooks = {on_notify, on_refused, &heard};
    struct notify *next = adopt(&hooks);
    char path[256];

    (void)snprintf(path, sizeof(path), "%s", notify_path(notify));
    ck_assert_int_eq(rename(path, in_folder("aside")), 0);
    notify_close(notify);
    ck_assert_int_eq(rename(in_folder("aside"), path), 0);
    notify = next;
}

START_TEST(a_message_that_a_master_was_killed_over_comes_again)
{
    say("STATUS=one ", 11, -1);
    say("READY=1", 7, -1);
    a_master_dies_of_it();
    a_master_dies_of_it(); /* and again */
    the_next_master();
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "one READY ");
    text_clear(&heard);
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), ""); /* now it is out */
    ck_assert_uint_eq(notify_counts(notify).accepted, 2);
}
END_TEST

START_TEST(what_is_refused_is_not_lost_before_it_is_told)
{
    say("hello", 5, -1);
    a_master_dies_of_it();
    the_next_master();
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "refused: it is not a notify message ");
}
END_TEST

START_TEST(a_worker_that_spoke_in_between_is_heard_at_the_same_place)
{
    pid_t pid;

    the_next_master();
    pid = fork();
    if (pid == 0) {
        say("STATUS=later ", 13, -1);
        _exit(0);
    }
    notify_expect(notify, pid, geteuid());
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "later ");
    notify_close(notify);
    notify = NULL;
    ck_assert_int_eq(access(in_folder("7.sock"), F_OK), -1);
}
END_TEST

/* Each look makes a copy of what is passed, and so does taking it out. */
START_TEST(descriptors_that_are_passed_are_closed_as_often_as_they_come)
{
    unsigned before;
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    say("BARRIER=1", 9, ends[1]);
    say("nonsense", 8, ends[1]);
    (void)close(ends[1]);
    a_master_dies_of_it();
    the_next_master();
    before = count_fds();
    notify_drain(notify);
    ck_assert_uint_eq(count_fds(), before);
    ck_assert_uint_eq(notify_counts(notify).fds_closed, 2); /* each once, as the sender sees it */
    await_readable(ends[0]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* EOF: the barrier is answered */
    (void)close(ends[0]);
}
END_TEST

static bool barrier_stands;
static int barrier;

static void
look_at_barrier(void *env, const struct notify_message *m, const struct notify_sender *from)
{
    struct pollfd p = {.fd = barrier, .events = POLLIN};

    (void)env;
    (void)m;
    (void)from;
    barrier_stands = poll(&p, 1, 0) == 0;
}

START_TEST(a_barrier_is_answered_when_what_came_with_it_was_dealt_with)
{
    const struct notify_hooks hooks = {look_at_barrier, NULL, NULL};
    struct notify *next = adopt(&hooks);
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    barrier = ends[0];
    say("BARRIER=1\nREADY=1", 17, ends[1]);
    (void)close(ends[1]);
    notify_drain(next);
    ck_assert(barrier_stands);
    await_readable(ends[0]);
    (void)close(ends[0]);
    notify_close(next);
}
END_TEST

START_TEST(a_hook_that_closes_the_socket_leaves_the_message_to_nobody)
{
    unsigned before = count_fds();

    say("READY=1", 7, -1);
    say("READY=1", 7, 0);
    the_next_master();
    close_in_hook = true;
    notify_drain(notify);
    ck_assert_ptr_null(notify);
    ck_assert_str_eq(text_str(&heard), "READY ");
    ck_assert_uint_eq(count_fds(), before - 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("notify adopt");
    TCase *t = tcase_create("notify adopt");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_message_that_a_master_was_killed_over_comes_again);
    tcase_add_test(t, what_is_refused_is_not_lost_before_it_is_told);
    tcase_add_test(t, a_worker_that_spoke_in_between_is_heard_at_the_same_place);
    tcase_add_test(t, descriptors_that_are_passed_are_closed_as_often_as_they_come);
    tcase_add_test(t, a_barrier_is_answered_when_what_came_with_it_was_dealt_with);
    tcase_add_test(t, a_hook_that_closes_the_socket_leaves_the_message_to_nobody);
    suite_add_tcase(s, t);
    return unit_main(s);
}
