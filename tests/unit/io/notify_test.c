/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/io/notify_fixture.h"

/* worker - a child in a session of its own that runs @body and then stays until it is ended. */
static pid_t
worker(void (*body)(void))
{
    pid_t pid = fork();

    if (pid == 0) {
        (void)setsid();
        body();
        for (;;)
            (void)pause();
    }
    notify_expect(notify, pid, geteuid());
    return pid;
}

static void
end_worker(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool
heard_something(void *env)
{
    (void)env;
    return heard.bytes > 0;
}

static void
await_words(const char *words)
{
    ck_assert_msg(loop_until(ev, heard_something, NULL, PATIENCE_MS * US_PER_MS), "heard nothing");
    ck_assert_str_eq(text_str(&heard), words);
}

static void
say_ready(void)
{
    say("READY=1", 7, -1);
}

START_TEST(the_worker_says_ready)
{
    pid_t pid = worker(say_ready);

    await_words("READY ");
    ck_assert_int_eq(last_from.pid, pid);
    ck_assert_uint_eq(last_from.uid, geteuid());
    ck_assert_uint_eq(notify_counts(notify).accepted, 1);
    end_worker(pid);
}
END_TEST

static void
grandchild_says_ready(void)
{
    if (fork() == 0) {
        (void)setsid();
        say_ready();
        (void)sleep(100); /* stays to be looked at; ended by the test */
        _exit(0);
    }
}

START_TEST(a_grandchild_in_another_session_counts_by_descent)
{
    pid_t pid = worker(grandchild_says_ready);

    await_words("READY ");
    ck_assert_int_ne(last_from.pid, pid);
    ck_assert_int_eq(kill(last_from.pid, SIGKILL), 0);
    end_worker(pid);
}
END_TEST

static void
short_lived_sender(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (fork() == 0) {
            say_ready();
            _exit(0);
        }
        (void)wait(NULL);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    (void)kill(getppid(), SIGUSR1); /* both are gone without a trace by now */
}

static volatile sig_atomic_t told;

static void
on_usr1(int sig)
{
    (void)sig;
    told = 1;
}

static pid_t
worker_with_a_sender_that_is_gone(void)
{
    sigset_t block, before;
    pid_t pid;

    (void)signal(SIGUSR1, on_usr1);
    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    pid = worker(short_lived_sender);
    while (!told)
        (void)sigsuspend(&before);
    return pid;
}

START_TEST(a_sender_already_gone_counts_when_it_was_the_workers_user)
{
    pid_t pid = worker_with_a_sender_that_is_gone();

    await_words("READY ");
    end_worker(pid);
}
END_TEST

START_TEST(a_sender_already_gone_is_refused_when_it_was_another_user)
{
    pid_t pid = worker_with_a_sender_that_is_gone();

    notify_expect(notify, pid, geteuid() + 1);
    await_words("refused: the sender is gone and was another user ");
    end_worker(pid);
}
END_TEST

static void
nothing(void)
{
}

START_TEST(a_stranger_is_refused_and_counted)
{
    pid_t pid = worker(nothing);

    say_ready(); /* we are the worker's parent, not its child */
    await_words("refused: the sender is not of this worker ");
    ck_assert_int_eq(last_from.pid, getpid());
    ck_assert_uint_eq(notify_counts(notify).refused, 1);
    ck_assert_uint_eq(notify_counts(notify).accepted, 0);
    end_worker(pid);
}
END_TEST

START_TEST(nobody_counts_before_a_worker_is_expected)
{
    say_ready();
    await_words("refused: no worker is expected yet ");
}
END_TEST

START_TEST(what_a_worker_said_before_it_died_is_heard_first)
{
    pid_t pid = fork();

    if (pid == 0) {
        say("STATUS=a ", 9, -1);
        say("STATUS=b ", 9, -1);
        say_ready();
        _exit(0);
    }
    notify_expect(notify, pid, geteuid());
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "a b READY ");
    text_clear(&heard);
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "");
}
END_TEST

START_TEST(every_descriptor_is_closed_at_once_and_that_answers_a_barrier)
{
    unsigned before;
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    notify_expect(notify, getpid(), geteuid());
    say("BARRIER=1", 9, ends[1]);
    say("FDSTORE=1\nFDNAME=x", 18, ends[1]);
    (void)close(ends[1]);
    before = count_fds();
    notify_drain(notify);
    ck_assert_uint_eq(count_fds(), before);
    ck_assert_uint_eq(notify_counts(notify).fds_closed, 2);
    ck_assert(last.fdstore && last_from.fds == 1);
    await_readable(ends[0]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* EOF: the other end is closed everywhere */
    (void)close(ends[0]);
}
END_TEST

START_TEST(descriptors_of_a_refused_sender_are_closed_too)
{
    unsigned before = count_fds();

    notify_expect(notify, 0x3ffffff, geteuid());
    say("READY=1", 7, 0);
    notify_drain(notify);
    ck_assert_str_eq(text_str(&heard), "refused: the sender is not of this worker ");
    ck_assert_uint_eq(notify_counts(notify).fds_closed, 1);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(too_long_or_not_a_message_is_refused)
{
    static char flood[NOTIFY_MESSAGE_MAX + 1] = "READY=1\n";

    memset(flood + 8, 'A', sizeof flood - 8);
    notify_expect(notify, getpid(), geteuid());
    say(flood, sizeof flood, -1);
    await_words("refused: it is too long ");
    text_clear(&heard);
    say("hello", 5, -1);
    await_words("refused: it is not a notify message ");
}
END_TEST

static void
talk_a_lot(void)
{
    for (int i = 0; i < 1000; i++)
        say("STATUS=x", 8, -1);
    say_ready();
}

static bool
is_ready(void *env)
{
    (void)env;
    return last.ready;
}

START_TEST(a_chatty_worker_is_heard_to_the_end_a_few_words_a_turn)
{
    pid_t pid = worker(talk_a_lot);
    int64_t deadline_us = mono_now_us() + PATIENCE_MS * US_PER_MS;

    while (!is_ready(NULL) && mono_now_us() < deadline_us) {
        uint64_t before = notify_counts(notify).accepted;

        ev_run(ev, EVRUN_ONCE);
        ck_assert_uint_le(notify_counts(notify).accepted - before, 32);
    }
    ck_assert_uint_eq(notify_counts(notify).accepted, 1001);
    end_worker(pid);
}
END_TEST

START_TEST(a_hook_may_close_the_socket)
{
    notify_expect(notify, getpid(), geteuid());
    say_ready();
    say_ready();
    close_in_hook = true;
    await_words("READY ");
    ck_assert_ptr_null(notify);
    ck_assert_int_eq(access(in_folder("7.sock"), F_OK), -1);
}
END_TEST

START_TEST(anybody_may_write_to_the_socket_and_a_stale_one_is_replaced)
{
    struct notify_hooks hooks = {on_notify, on_refused, &heard};
    struct notify *other;
    struct stat st;
    int stale = open(write_file("8.sock", "", 0600), O_RDONLY | O_CLOEXEC);

    ck_assert_int_eq(notify_open(ev, in_folder("8.sock"), &hooks, &other, NULL), 0);
    ck_assert_int_eq(stat(notify_path(other), &st), 0);
    ck_assert(S_ISSOCK(st.st_mode) && (st.st_mode & 0777) == 0666);
    notify_close(other);
    (void)close(stale);
}
END_TEST

START_TEST(a_path_that_cannot_be_is_an_error)
{
    struct notify_hooks hooks = {on_notify, on_refused, &heard};
    unsigned before = count_fds();
    struct notify *other = NULL;
    struct error error;
    char longer[200];

    ck_assert_int_eq(notify_open(ev, in_folder("no/8.sock"), &hooks, &other, &error), -ENOENT);
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(notify_open(ev, longer, &hooks, &other, &error), -ENAMETOOLONG);
    ck_assert_ptr_null(other);
    ck_assert_uint_eq(count_fds(), before);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("notify");
    TCase *t = tcase_create("notify");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, the_worker_says_ready);
    tcase_add_test(t, a_grandchild_in_another_session_counts_by_descent);
    tcase_add_test(t, a_sender_already_gone_counts_when_it_was_the_workers_user);
    tcase_add_test(t, a_sender_already_gone_is_refused_when_it_was_another_user);
    tcase_add_test(t, a_stranger_is_refused_and_counted);
    tcase_add_test(t, nobody_counts_before_a_worker_is_expected);
    tcase_add_test(t, what_a_worker_said_before_it_died_is_heard_first);
    tcase_add_test(t, every_descriptor_is_closed_at_once_and_that_answers_a_barrier);
    tcase_add_test(t, descriptors_of_a_refused_sender_are_closed_too);
    tcase_add_test(t, too_long_or_not_a_message_is_refused);
    tcase_add_test(t, a_chatty_worker_is_heard_to_the_end_a_few_words_a_turn);
    tcase_add_test(t, a_hook_may_close_the_socket);
    tcase_add_test(t, anybody_may_write_to_the_socket_and_a_stale_one_is_replaced);
    tcase_add_test(t, a_path_that_cannot_be_is_an_error);
    suite_add_tcase(s, t);
    return unit_main(s);
}
