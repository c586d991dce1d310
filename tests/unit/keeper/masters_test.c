/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/keeper/masters.h"

#include <sysexits.h>

START_TEST(a_master_gets_the_command_line_and_nothing_that_is_not_its)
{
    struct rlimit before;
    struct fake m;
    char text[32];

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    before.rlim_cur = 512;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(setenv("WATCHDOG_USEC", "60000000", 1), 0);
    ck_assert_int_eq(setenv("LISTEN_FDNAMES", "x", 1), 0);
    ck_assert_int_eq(setenv("FDSTORE", "7", 1), 0);
    ck_assert_int_eq(setenv("KEEP_ME", "yes", 1), 0);
    world_begin(NULL);
    m = master_comes();
    ck_assert_str_eq(ask(&m, "a"), KEEPER_TITLE " run a.yaml");
    ck_assert_str_eq(ask(&m, "e WATCHDOG_USEC"), "-");
    ck_assert_str_eq(ask(&m, "e LISTEN_FDNAMES"), "-");
    ck_assert_str_eq(ask(&m, "e FDSTORE"), "-");
    ck_assert_str_eq(ask(&m, "e KEEP_ME"), "yes");
    (void)snprintf(text, sizeof text, "512 %d",
                   3 + 1 + 2); /* the standard three, the link, two of its own */
    ck_assert_str_eq(ask(&m, "l"), text);
    leave(&m, 0);
    keeper_exits_with(0);
    ck_assert_uint_eq(world.log_bytes, 0); /* when all is well it is silent */
}
END_TEST

START_TEST(who_leaves_ends_the_keeper_with_its_status)
{
    struct fake m;
    int pidfd;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    (void)say_text(&m, KEEPER_STORE, "a", STDIN_FILENO);
    await_readable_for(m.link,
                       "an answer"); /* which it never reads: the socket is reset when it dies */
    pidfd = (int)syscall(SYS_pidfd_open, m.pid, 0);
    ck_assert_int_eq(kill(world.keeper, SIGSTOP), 0);
    ck_assert_int_eq(waitpid(world.keeper, NULL, WUNTRACED), world.keeper);
    for (int i = 0; i < 200; i++) /* more than it hears in one turn */
        (void)say(&m, KEEPER_ALIVE, NULL, 0, -1);
    leave(&m, 42);
    await_readable_for(pidfd, "its end");
    ck_assert_int_eq(kill(world.keeper, SIGCONT), 0);
    keeper_exits_with(42);
}
END_TEST

START_TEST(what_was_stored_comes_to_the_next_master_under_its_name)
{
    struct inheritance in;
    int one = file_with("one"), two = file_with("two"), three = file_with("three");
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.masters, 1);
    ck_assert_uint_eq(in.welcome.flags, 0);
    ck_assert_uint_gt(in.welcome.room, 100);
    ck_assert_int_eq(in.n_given, 0);
    ck_assert_int_eq(store(&m, "state", one), 0);
    ck_assert_int_eq(store(&m, "listener.web", one), 0);
    ck_assert_int_eq(store(&m, "listener.web", two), 0); /* replaced */
    ck_assert_int_eq(store(&m, "gone", three), 0);
    ck_assert_int_eq(store(&m, "log.1", three), 0);
    (void)say_text(&m, KEEPER_DROP, "gone", -1);
    (void)say_text(&m, KEEPER_DROP, "never.was", -1);
    ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
    fake_close(&m);
    for (unsigned i = 2; i < 4; i++) { /* and to the one after that */
        m = master_comes();
        in = hello(&m);
        ck_assert_uint_eq(in.welcome.masters, i);
        ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS);
        ck_assert(WIFSIGNALED(in.welcome.wait_status));
        ck_assert_int_gt(in.welcome.died_us, in.welcome.began_us);
        ck_assert_int_eq(in.n_given, 3);
        ck_assert(same_file(given(&in, "state"), one));
        ck_assert(same_file(given(&in, "listener.web"), two));
        ck_assert(same_file(given(&in, "log.1"), three));
        ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
        fake_close(&m);
    }
    (void)log_await("event=master_died");
    (void)log_await("signal=SIGKILL");
}
END_TEST

START_TEST(a_stopped_master_is_killed_and_replaced)
{
    struct inheritance in;
    struct fake m;

    ck_assert_int_eq(setenv(TEST_PATIENCE, "300000", 1), 0);
    world_begin(NULL);
    m = master_comes();
    in = hello(&m);
    ck_assert_int_eq(in.welcome.alive_us, 100000);
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
    ck_assert_int_eq(kill(m.pid, SIGSTOP), 0);
    (void)log_await("event=master_stalled");
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS | KEEPER_STALLED);
    ck_assert_int_eq(WTERMSIG(in.welcome.wait_status), SIGKILL);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(who_says_that_it_lives_is_left_alone)
{
    struct fake m;

    ck_assert_int_eq(setenv(TEST_PATIENCE, "300000", 1), 0);
    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    for (int i = 0; i < 12; i++) { /* the pace of a master, four times its patience long */
        struct pollfd line = {.fd = world.log_fd, .events = POLLIN};

        (void)say(&m, KEEPER_ALIVE, NULL, 0, -1);
        ck_assert_int_eq(poll(&line, 1, 100), 0);
    }
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(the_wait_for_the_next_master_grows_and_the_state_is_distrusted)
{
    static const char *const waits[] = {"wait_ms=0 ", "wait_ms=100 ", "wait_ms=200 ",
                                        "wait_ms=400 ", "wait_ms=800 "};
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    for (int i = 0; i < 5; i++) {
        m = master_comes();
        in = hello(&m);
        ck_assert_uint_eq(in.welcome.flags, i > 0 ? KEEPER_SUCCEEDS : 0);
        ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
        master_exits(&m, 3);
        (void)log_await("event=master_died");
        (void)log_await("status=3");
        (void)log_await("event=master_restart");
        (void)log_await(waits[i]);
    }
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS | KEEPER_DISTRUST);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(an_installation_whose_masters_never_work_is_given_up)
{
    ck_assert_int_eq(setenv(TEST_BROKEN, "5", 1), 0);
    world_begin(NULL);
    for (int i = 0; i < 5; i++)
        (void)log_await("event=master_died");
    (void)log_await("event=keeper_gave_up");
    keeper_exits_with(5);
}
END_TEST

START_TEST(masters_that_die_without_a_status_end_it_as_unavailable)
{
    world_begin(NULL);
    for (int i = 0; i < 5; i++) {
        struct fake m = master_comes();

        ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
        fake_close(&m);
    }
    (void)log_await("event=keeper_gave_up");
    keeper_exits_with(EX_UNAVAILABLE);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("masters");
    TCase *t = tcase_create("masters");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_test(t, a_master_gets_the_command_line_and_nothing_that_is_not_its);
    tcase_add_test(t, who_leaves_ends_the_keeper_with_its_status);
    tcase_add_test(t, what_was_stored_comes_to_the_next_master_under_its_name);
    tcase_add_test(t, a_stopped_master_is_killed_and_replaced);
    tcase_add_test(t, who_says_that_it_lives_is_left_alone);
    tcase_add_test(t, the_wait_for_the_next_master_grows_and_the_state_is_distrusted);
    tcase_add_test(t, an_installation_whose_masters_never_work_is_given_up);
    tcase_add_test(t, masters_that_die_without_a_status_end_it_as_unavailable);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
