/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/orphans.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"
#include "tests/unit/unit.h"

static struct {
    pid_t known[4];
    struct orphan orphan[4];
    int orphans;
    struct stranger stranger[STRANGERS_MAX + 8];
    int strangers;
} at;

static void
setup(void)
{
    memset(&at, 0, sizeof(at));
    ck_assert_int_eq(subreaper_set(), 0);
}

static bool
is_known(void *env, pid_t pid)
{
    ck_assert_ptr_eq(env, &at);
    for (size_t i = 0; i < 4; i++)
        if (at.known[i] == pid)
            return true;
    return false;
}

static void
on_orphan(void *env, struct orphan *o)
{
    ck_assert_ptr_eq(env, &at);
    ck_assert_int_lt(at.orphans, 4);
    at.orphan[at.orphans] = *o;
    at.orphan[at.orphans++].pidfd = steal_fd(o->pidfd);
}

static void
on_reaped(void *env, const struct stranger *s)
{
    ck_assert_ptr_eq(env, &at);
    at.stranger[at.strangers++] = *s;
}

static int
find(void)
{
    at.orphans = 0;
    return orphans_find(getpid(), is_known, on_orphan, &at, NULL);
}

/* A worker with a grandchild `sleep` in its session; it waits on fd 0, then dies. */
static pid_t
worker_with_a_daemon(int *ret_leash)
{
    int leash[2], told[2];
    char c;

    ck_assert_int_eq(pipe(leash), 0);
    ck_assert_int_eq(pipe(told), 0);
    pid_t pid = fork();

    if (pid == 0) {
        char *env[] = {(char[]){"STINT_SPAWN_ID=77"}, (char[]){"STINT_SERVICE=web"},
                       (char[]){"STINT_GENERATION=7"}, (char[]){"STINT_SLOT=2"}, NULL};

        (void)setsid();
        (void)dup2(leash[0], 0);
        (void)dup2(told[1], 9);
        (void)close(leash[1]);
        (void)execle("/bin/sh", "sh", "-c", "sleep 100 0</dev/null 9>&- & echo >&9; read x", NULL,
                     env);
        _exit(127);
    }
    ck_assert_int_eq(read(told[0], &c, 1), 1);
    ck_assert_int_eq(close(leash[0]), 0);
    ck_assert_int_eq(close(told[0]), 0);
    ck_assert_int_eq(close(told[1]), 0);
    *ret_leash = leash[1];
    return pid;
}

START_TEST(a_grandchild_that_outlived_its_worker_is_found_and_traced_back)
{
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;
    int leash;
    pid_t worker = worker_with_a_daemon(&leash);

    at.known[0] = worker;
    ck_assert_int_eq(find(), 0); /* its worker lives */
    ck_assert_int_eq(close(leash), 0);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    do { /* until sh's child has become sleep: in the middle of an exec it has no environment */
        ck_assert_int_lt(mono_now_us(), deadline_us);
        ck_assert_int_eq(find(), 1);
    } while (strcmp(at.orphan[0].comm, "sleep") != 0 || at.orphan[0].spawn_id == 0);
    ck_assert_int_eq(at.orphan[0].session, worker);
    ck_assert_uint_eq(at.orphan[0].spawn_id, 77);
    ck_assert_str_eq(at.orphan[0].service, "web");
    ck_assert_uint_eq(at.orphan[0].generation, 7);
    ck_assert_uint_eq(at.orphan[0].slot, 2);
    ck_assert_uint_gt(at.orphan[0].start_time, 0);

    at.known[0] = at.orphan[0].pid; /* taken in: it is no orphan any more */
    pid_t orphan = at.orphan[0].pid;
    int pidfd = at.orphan[0].pidfd;

    ck_assert_int_eq(find(), 0);
    ck_assert_int_eq(pidfd_send_signal(pidfd, SIGTERM, NULL, 0), 0);
    siginfo_t info;

    ck_assert_int_eq(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);
    ck_assert_int_eq(info.si_pid, orphan);
    ck_assert_int_eq(info.si_status, SIGTERM);
}
END_TEST

/* dead - a child that has exited with @code and is not reaped. */
static pid_t
dead(int code)
{
    siginfo_t info;
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_NAME, "stranger");
        _exit(code);
    }
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    return pid;
}

START_TEST(a_stranger_is_reaped_and_named)
{
    pid_t pid = dead(3);

    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 1);
    ck_assert_int_eq(at.stranger[0].pid, pid);
    ck_assert_str_eq(at.stranger[0].comm, "stranger");
    ck_assert_int_eq(WEXITSTATUS(at.stranger[0].wait_status), 3);
    ck_assert_int_eq(waitpid(pid, NULL, 0), -1);
    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 0); /* no child at all */
}
END_TEST

START_TEST(a_known_dead_child_is_left_alone_and_hides_nobody)
{
    at.known[0] = dead(1);
    pid_t a = dead(2);

    at.known[1] = dead(3);
    pid_t b = dead(4);

    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 2);
    ck_assert_int_eq(at.stranger[0].pid + at.stranger[1].pid, a + b);
    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 0);
    for (int i = 0; i < 2; i++) {
        int status;

        ck_assert_int_eq(waitpid(at.known[i], &status, 0), at.known[i]);
        ck_assert_int_eq(WEXITSTATUS(status), 1 + 2 * i);
    }
}
END_TEST

START_TEST(living_children_are_not_waited_for)
{
    int leash;
    pid_t worker = worker_with_a_daemon(&leash);

    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 0);
    ck_assert_int_eq(kill(-worker, SIGKILL), 0);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    ck_assert_int_eq(close(leash), 0);
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    while (at.strangers == 0) { /* the grandchild comes to us, dead */
        ck_assert_int_lt(mono_now_us(), deadline_us);
        ck_assert_int_ge(strangers_reap(is_known, on_reaped, &at), 0);
    }
    ck_assert_int_eq(at.stranger[0].session, worker);
    ck_assert_int_eq(WTERMSIG(at.stranger[0].wait_status), SIGKILL);
}
END_TEST

START_TEST(a_flood_of_strangers_is_reaped_in_portions)
{
    for (int i = 0; i < STRANGERS_MAX + 4; i++)
        (void)dead(0);
    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), STRANGERS_MAX);
    at.strangers = 0;
    ck_assert_int_eq(strangers_reap(is_known, on_reaped, &at), 4);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("orphans");
    TCase *t = tcase_create("orphans");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_grandchild_that_outlived_its_worker_is_found_and_traced_back);
    tcase_add_test(t, a_stranger_is_reaped_and_named);
    tcase_add_test(t, a_known_dead_child_is_left_alone_and_hides_nobody);
    tcase_add_test(t, living_children_are_not_waited_for);
    tcase_add_test(t, a_flood_of_strangers_is_reaped_in_portions);
    suite_add_tcase(s, t);
    return unit_main(s);
}
