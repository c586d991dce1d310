/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/keeper/masters.h"

START_TEST(signals_are_forwarded_to_a_master_that_has_begun)
{
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(kill(world.keeper, SIGQUIT), 0); /* not that one */
    (void)log_await("event=signal_ignored");
    ck_assert_int_eq(kill(world.keeper, SIGHUP), 0);
    ck_assert_str_eq(answer(&m), "signal 1");
    ck_assert_int_eq(kill(world.keeper, SIGUSR1), 0);
    ck_assert_str_eq(answer(&m), "signal 10");
    ck_assert_int_eq(kill(world.keeper, SIGTERM), 0);
    ck_assert_str_eq(answer(&m), "signal 15");
    ck_assert_int_eq(kill(world.keeper, SIGINT), 0);
    ck_assert_str_eq(answer(&m), "signal 2");
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
    master_exits(&m, 1); /* stopping it died: the next one is to go on with that */
    m = master_comes();
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_SUCCEEDS | KEEPER_STOPPING);
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(a_hangup_waits_for_the_end_of_the_takeover)
{
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    ck_assert_int_eq(kill(world.keeper, SIGHUP), 0);
    ck_assert_int_eq(kill(world.keeper, SIGQUIT), 0);
    (void)log_await("event=signal_ignored");            /* so the hangup was read too */
    ck_assert_str_eq(ask(&m, "e KEEPER_NO_SUCH"), "-"); /* and not forwarded */
    (void)hello(&m);
    ck_assert_str_eq(answer(&m), "signal 1");
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

START_TEST(told_to_stop_before_hello_it_is_in_the_welcome_and_no_signal)
{
    struct inheritance in;
    struct fake m;

    world_begin(NULL);
    m = master_comes();
    ck_assert_int_eq(kill(world.keeper, SIGTERM), 0);
    ck_assert_int_eq(kill(world.keeper, SIGQUIT), 0);
    (void)log_await("event=signal_ignored");
    in = hello(&m);
    ck_assert_uint_eq(in.welcome.flags, KEEPER_STOPPING);
    ck_assert_int_eq(store(&m, "a", STDIN_FILENO), 0);
    ck_assert_str_eq(ask(&m, "e KEEPER_NO_SUCH"), "-");
    leave(&m, 0);
    keeper_exits_with(0);
}
END_TEST

/* obey_or_not - a process that ends at SIGTERM, or only at SIGKILL. Return: its pidfd. */
static int
worker(bool deaf, pid_t *ret_pid)
{
    int ready[2], pidfd;
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        (void)signal(SIGTERM, deaf ? SIG_IGN : SIG_DFL);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    ck_assert_int_ge(pidfd, 0);
    *ret_pid = pid;
    return pidfd;
}

START_TEST(told_to_stop_without_any_master_it_ends_the_workers_itself)
{
    struct fake m;
    pid_t good, bad, other;
    int status;

    world_begin(NULL);
    m = master_comes();
    (void)hello(&m);
    ck_assert_int_eq(store(&m, "pidfd.1", worker(false, &good)), 0);
    ck_assert_int_eq(store(&m, "pidfd.2", worker(true, &bad)), 0);
    ck_assert_int_eq(store(&m, "other", worker(false, &other)), 0);
    ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
    fake_close(&m);
    m = master_comes();
    ck_assert_int_eq(kill(world.keeper, SIGTERM), 0);
    ck_assert_int_eq(kill(world.keeper, SIGQUIT), 0);
    (void)log_await("event=signal_ignored");
    for (int i = 0; i < 3; i++) {
        if (i > 0)
            m = master_comes();
        ck_assert_int_eq(kill(m.pid, SIGKILL), 0);
        fake_close(&m);
    }
    (void)log_await("event=keeper_gave_up");
    (void)log_await("signal=SIGTERM workers=2");
    (void)log_await("signal=SIGKILL workers=1");
    keeper_exits_with(1);
    ck_assert_int_eq(waitpid(good, &status, 0), good);
    ck_assert_int_eq(status, SIGTERM);
    ck_assert_int_eq(waitpid(bad, &status, 0), bad);
    ck_assert_int_eq(status, SIGKILL);
    ck_assert_int_eq(waitpid(other, &status, WNOHANG), 0); /* no worker: left alone */
    ck_assert_int_eq(kill(other, SIGKILL), 0);
}
END_TEST

static Suite *
suite(void)
{
    Suite *s = suite_create("signals");
    TCase *t = tcase_create("signals");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, world_end);
    tcase_add_test(t, signals_are_forwarded_to_a_master_that_has_begun);
    tcase_add_test(t, a_hangup_waits_for_the_end_of_the_takeover);
    tcase_add_test(t, told_to_stop_before_hello_it_is_in_the_welcome_and_no_signal);
    tcase_add_test(t, told_to_stop_without_any_master_it_ends_the_workers_itself);
    suite_add_tcase(s, t);
    return s;
}

int
main(int argc, char **argv)
{
    return world_main(argc, argv, suite);
}
