/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life after the beginning: what is put, what is answered, obituaries, a full socket, the end. */
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "supervisor/io/fdstore.h"
#include "tests/unit/io/fdstore_fixture.h"

START_TEST(what_is_said_arrives_in_order_with_its_descriptor)
{
    int null = open("/dev/null", O_RDONLY), program = open("/bin/sh", O_RDONLY);
    const struct keeper_buried *b;
    struct message m;
    char name[KEEPER_NAME_MAX];

    opened();
    ck_assert_int_eq(fdstore_put(at.fs, fdstore_name(name, "pidfd", UINT64_MAX), null), 0);
    fdstore_alive(at.fs);
    fdstore_buried(at.fs, 42, 4711);
    fdstore_notify(at.fs, "READY=1"); /* there is no service manager: not said */
    fdstore_drop(at.fs, name);
    fdstore_drop(at.fs, "never.put"); /* nothing to say */
    ck_assert_int_eq(fdstore_put(at.fs, "closed", -1), 0);
    ck_assert_int_eq(fdstore_upgrade(at.fs, "/bin/stint", program), 0);
    fdstore_leave(at.fs, 3, 0);
    ck_assert(heard(&m));
    ck_assert_uint_eq(m.frame.type, KEEPER_STORE);
    ck_assert_str_eq(m.body, "pidfd.18446744073709551615");
    ck_assert_same_file(m.fd, null);
    (void)close(m.fd);
    expect(KEEPER_ALIVE, 3, NULL, false);
    ck_assert(heard(&m));
    b = (const void *)m.body;
    ck_assert(m.frame.type == KEEPER_BURIED && b->pid == 42 && b->start_time == 4711);
    expect(KEEPER_DROP, 5, name, false);
    ck_assert(heard(&m));
    ck_assert_uint_eq(m.frame.type, KEEPER_UPGRADE);
    ck_assert_str_eq(m.body, "/bin/stint");
    ck_assert_same_file(m.fd, program);
    (void)close(m.fd);
    ck_assert(heard(&m));
    ck_assert(m.frame.type == KEEPER_LEAVING && m.frame.number == 7);
    ck_assert_int_eq(((const struct keeper_leaving *)(const void *)m.body)->status, 3);
    ck_assert(!heard(&m));
    (void)close(null);
    (void)close(program);
}
END_TEST

START_TEST(what_is_refused_is_told_and_counted_once)
{
    opened();
    begin();
    ck_assert_int_eq(fdstore_put(at.fs, "a", at.keeper), 0); /* 2 */
    ck_assert_int_eq(fdstore_put(at.fs, "b", at.keeper), 0); /* 3 */
    ck_assert_int_eq(fdstore_put(at.fs, "c", at.keeper), 0); /* 4 */
    said_ack(2, 0);
    said_ack(3, -ENFILE);
    said_ack(3, -ENFILE);
    said_ack(4, -E2BIG); /* kept, but not by systemd, too */
    expect_log("refused:b:-23 refused:b:-23 refused:c:-7 ");
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 3);
    ck_assert_uint_eq(fdstore_counts(at.fs).refused, 1);
    fdstore_drop(at.fs, "b");
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 2);
    ck_assert_uint_eq(fdstore_counts(at.fs).refused, 0);
    said_ack(3, -ENFILE); /* of what is gone */
    expect_log("");
}
END_TEST

START_TEST(what_was_refused_and_is_put_again_is_judged_anew)
{
    opened();
    begin();
    ck_assert_int_eq(fdstore_put(at.fs, "state", at.keeper), 0); /* 2 */
    said_ack(2, -ENFILE);
    expect_log("refused:state:-23 ");
    ck_assert_uint_eq(fdstore_counts(at.fs).refused, 1);
    ck_assert_int_eq(fdstore_put(at.fs, "state", at.keeper), 0); /* 3 */
    said_ack(2, -ENFILE); /* too late: another one is asked for */
    said_ack(3, 0);
    expect_log("");
    ck_assert_uint_eq(fdstore_counts(at.fs).refused, 0);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, 1);
}
END_TEST

START_TEST(the_answer_to_an_upgrade_is_told_once)
{
    opened();
    begin();
    ck_assert_int_eq(fdstore_put(at.fs, "a", at.keeper), 0);              /* 2 */
    ck_assert_int_eq(fdstore_upgrade(at.fs, "/bin/stint", at.keeper), 0); /* 3 */
    said_ack(2, 0);
    said_ack(3, -ENOEXEC);
    said_ack(3, 0);
    expect_log("upgrade:-8 ");
}
END_TEST

START_TEST(deaths_that_came_before_anybody_listened_are_told_first)
{
    said_welcome(KEEPER_MAJOR);
    said_obituary(1);
    said_obituary(2);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    said_obituary(3); /* while the state is read */
    begin();
    ck_assert_str_eq(text_str(&at.log), ""); /* by the loop, not by us */
    said_obituary(4);
    expect_log("died:1 died:2 died:3 died:4 ");
    said_obituary(5);
    expect_log("died:5 ");
}
END_TEST

START_TEST(early_deaths_that_nobody_came_to_hear_are_freed)
{
    said_welcome(KEEPER_MAJOR);
    said_obituary(1);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    if (_i)
        begin();
}
END_TEST

/* ---- a keeper that does not read ------------------------------------------------------------- */

#define MANY 800 /* some 300 fit into the socket; the others have a descriptor each */

static void
fill(void)
{
    char name[KEEPER_NAME_MAX];

    for (uint64_t i = 2; i < MANY; i++)
        ck_assert_int_eq(fdstore_put(at.fs, fdstore_name(name, "fd", i), STDIN_FILENO), 0);
}

START_TEST(a_keeper_that_does_not_read_holds_up_nobody_and_gets_all_in_order)
{
    int64_t begin_us = mono_now_us();
    struct message m;
    unsigned before;
    uint64_t next = 2;

    opened();
    if (_i == 0)
        begin(); /* else it is full before anybody listens */
    before = count_fds();
    fill();
    ck_assert_int_lt(mono_now_us() - begin_us, 5 * US_PER_S);
    ck_assert_uint_gt(fdstore_counts(at.fs).waiting, 100);
    ck_assert_uint_eq(count_fds(),
                      before + fdstore_counts(at.fs).waiting); /* the caller may close its own */
    if (_i == 1)
        begin();
    while (next < MANY && mono_now_us() - begin_us < 20 * US_PER_S) {
        char name[KEEPER_NAME_MAX];

        if (!heard(&m)) {
            turn();
            continue;
        }
        ck_assert_uint_eq(m.frame.number, next);
        ck_assert_str_eq(m.body, fdstore_name(name, "fd", next));
        ck_assert_same_file(m.fd, STDIN_FILENO);
        (void)close(m.fd);
        next++;
    }
    ck_assert_uint_eq(next, MANY);
    turn();
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, 0);
    ck_assert_uint_eq(count_fds(), before);
    fdstore_alive(at.fs);
    expect(KEEPER_ALIVE, MANY, NULL, false);
    ck_assert_str_eq(text_str(&at.log), "");
}
END_TEST

START_TEST(what_has_to_be_there_at_once_is_sent_or_was_never_said)
{
    struct message m;
    unsigned before, kept;
    uint64_t next = 2;

    opened();
    begin();
    while (fdstore_put_now(at.fs, "state", STDIN_FILENO) == 0)
        next++;
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, 0);
    before = count_fds();
    ck_assert_int_eq(fdstore_put_now(at.fs, "another", STDIN_FILENO), -EAGAIN);
    ck_assert_int_eq(fdstore_put(at.fs, "patient", STDIN_FILENO), 0);
    kept = fdstore_counts(at.fs).kept;
    ck_assert_int_eq(fdstore_put_now(at.fs, "state", STDIN_FILENO), -EAGAIN); /* behind that */
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, 1);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, kept);
    ck_assert_uint_eq(count_fds(), before + 1);
    for (uint64_t i = 2; i < next; i++)
        expect(KEEPER_STORE, i, "state", true);
    ck_assert_int_eq(fdstore_put_now(at.fs, "at.last", STDIN_FILENO), 0); /* and what waited */
    expect(KEEPER_STORE, next, "patient", true);
    expect(KEEPER_STORE, next + 1, "at.last", true);
    ck_assert(!heard(&m));
    ck_assert_int_eq(fdstore_put_now(NULL, "state", STDIN_FILENO), 0);
    at.keeper = fd_close(at.keeper);
    ck_assert_int_eq(fdstore_put_now(at.fs, "state", STDIN_FILENO), 0);
    ck_assert_int_eq(fdstore_put_now(at.fs, "state", STDIN_FILENO), 0);
    expect_log("lost ");
}
END_TEST

START_TEST(flushing_waits_no_longer_than_it_may)
{
    int64_t begin_us = mono_now_us();
    struct message m;
    int status;
    pid_t pid;

    opened();
    begin();
    fill();
    ck_assert(!fdstore_flush(at.fs, 0));
    ck_assert(!fdstore_flush(at.fs, 20 * US_PER_MS));
    ck_assert_int_lt(mono_now_us() - begin_us, 10 * US_PER_S);
    pid = fork();
    if (pid == 0) { /* a keeper that reads after all */
        for (uint64_t next = 2; next < MANY;) {
            await_readable(at.keeper);
            next += heard(&m) ? 1 : 0;
            (void)fd_close(m.fd);
        }
        _exit(0);
    }
    ck_assert(fdstore_flush(at.fs, 20 * US_PER_S));
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(without_a_descriptor_to_wait_with_it_says_so_and_loses_no_number)
{
    struct rlimit old, none;
    struct message m;
    unsigned waiting, kept;
    uint64_t next = 2;

    opened();
    begin();
    fill();
    waiting = fdstore_counts(at.fs).waiting;
    kept = fdstore_counts(at.fs).kept;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){3, old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(fdstore_put(at.fs, "new", STDIN_FILENO), -EMFILE);
    ck_assert_int_eq(fdstore_put(at.fs, "fd.2", STDIN_FILENO), -EMFILE);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, waiting);
    ck_assert_uint_eq(fdstore_counts(at.fs).kept, kept); /* "new" is not, "fd.2" is as before */
    fdstore_drop(at.fs, "new");
    fdstore_alive(at.fs);
    while (next <= MANY) {
        if (!heard(&m)) {
            turn();
            continue;
        }
        ck_assert_uint_eq(m.frame.number, next);
        ck_assert_uint_eq(m.frame.type, next < MANY ? KEEPER_STORE : KEEPER_ALIVE);
        (void)fd_close(m.fd);
        next++;
    }
}
END_TEST

/* ---- the end ----------------------------------------------------------------------------------- */

static void
say_everything(void)
{
    ck_assert_int_eq(fdstore_put(at.fs, "more", STDIN_FILENO), 0);
    fdstore_drop(at.fs, "more");
    fdstore_alive(at.fs);
    fdstore_buried(at.fs, 1, 1);
    fdstore_notify(at.fs, "READY=1");
    ck_assert(fdstore_upgrade(at.fs, "/bin/stint", STDIN_FILENO) == -ENOTCONN ||
              fdstore_counts(at.fs).waiting > 0);
    ck_assert(fdstore_flush(at.fs, 20 * US_PER_S));
    fdstore_leave(at.fs, 0, 20 * US_PER_S);
}

/* _i: with nothing, much, and something under way that it never reads. */
START_TEST(a_keeper_that_is_gone_is_told_once_and_everything_is_still_allowed)
{
    opened();
    begin();
    if (_i == 1)
        fill();
    if (_i == 2)
        fdstore_alive(at.fs);
    said_obituary(9);
    at.keeper = fd_close(at.keeper);
    turn();
    say_everything();
    turn();
    ck_assert_ptr_nonnull(strstr(text_str(&at.log), "lost "));
    ck_assert_ptr_null(strstr(strstr(text_str(&at.log), "lost ") + 1, "lost "));
    ck_assert_uint_eq(fdstore_counts(at.fs).waiting, 0);
}
END_TEST

START_TEST(whoever_is_saying_something_is_not_told_in_the_middle_of_it)
{
    opened();
    begin();
    if (_i == 1)
        fill();
    at.keeper = fd_close(at.keeper);
    say_everything(); /* is what finds out */
    ck_assert_str_eq(text_str(&at.log), "");
    expect_log("lost ");
    expect_log("");
}
END_TEST

START_TEST(a_keeper_that_goes_before_anybody_listens_is_told_by_the_loop)
{
    said_welcome(KEEPER_MAJOR);
    said_obituary(1);
    said(KEEPER_END, NULL, 0, -1);
    open_it();
    if (_i == 1)
        fill();
    at.keeper = fd_close(at.keeper);
    if (_i != 2)
        say_everything();
    begin();
    ck_assert_str_eq(text_str(&at.log), "");
    expect_log("died:1 lost ");
    say_everything();
    expect_log("");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("fdstore talk");
    TCase *t = tcase_create("fdstore talk");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_said_arrives_in_order_with_its_descriptor);
    tcase_add_test(t, what_is_refused_is_told_and_counted_once);
    tcase_add_test(t, what_was_refused_and_is_put_again_is_judged_anew);
    tcase_add_test(t, the_answer_to_an_upgrade_is_told_once);
    tcase_add_test(t, deaths_that_came_before_anybody_listened_are_told_first);
    tcase_add_loop_test(t, early_deaths_that_nobody_came_to_hear_are_freed, 0, 2);
    tcase_add_loop_test(t, a_keeper_that_does_not_read_holds_up_nobody_and_gets_all_in_order, 0, 2);
    tcase_add_test(t, what_has_to_be_there_at_once_is_sent_or_was_never_said);
    tcase_add_test(t, flushing_waits_no_longer_than_it_may);
    tcase_add_test(t, without_a_descriptor_to_wait_with_it_says_so_and_loses_no_number);
    tcase_add_loop_test(t, a_keeper_that_is_gone_is_told_once_and_everything_is_still_allowed, 0,
                        3);
    tcase_add_loop_test(t, whoever_is_saying_something_is_not_told_in_the_middle_of_it, 0, 2);
    tcase_add_loop_test(t, a_keeper_that_goes_before_anybody_listens_is_told_by_the_loop, 0, 3);
    suite_add_tcase(s, t);
    return unit_main(s);
}
