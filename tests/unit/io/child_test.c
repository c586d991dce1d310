/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/io/spawn_fixture.h"

START_TEST(killing_the_group_reaches_the_grandchildren)
{
    struct spawn_request req = shell(SHELL("sleep 100 & echo; wait"));
    struct rusage usage;
    struct spawned child;
    int ends[2], status;
    char byte;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.stdout_fd = ends[1];
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    (void)close(ends[1]);
    await_readable(ends[0]); /* the grandchild is there and holds the pipe */
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(child_reap(child.pidfd, &status, &usage), -EAGAIN);
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0);
    await_readable(child.pidfd);
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0); /* a zombie: harmless */
    ck_assert_int_eq(child_reap(child.pidfd, &status, &usage), 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_gt(usage.ru_maxrss, 0);
    await_readable(ends[0]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* EOF: nobody holds it any more */
    ck_assert_int_eq(child_reap(child.pidfd, &status, NULL), -ECHILD);
    ck_assert_int_eq(child_signal(child.pidfd, SIGTERM), -ESRCH);
    ck_assert_int_eq(child_kill_group(1, child.pidfd), -EINVAL);
    spawned_close(&child);
}
END_TEST

START_TEST(who_belongs_to_a_worker_is_known_from_its_session_and_descent)
{
    struct spawn_request req = shell(SHELL("setsid sh -c 'echo $$; exec sleep 100' & wait"));
    struct spawned child;
    int ends[2];
    char pid[32] = "";
    pid_t away;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.stdout_fd = ends[1];
    ck_assert_int_eq(spawn_start(&req, &child, NULL), 0);
    await_readable(ends[0]);
    ck_assert_int_gt(read(ends[0], pid, sizeof pid - 1), 0);
    away = (pid_t)strtol(pid, NULL, 10);
    ck_assert_int_eq(process_belongs(child.pid, child.pid), 1);
    ck_assert_int_eq(process_belongs(away, child.pid), 1); /* another session, but its child */
    ck_assert_int_eq(process_belongs(getpid(), child.pid), 0);
    ck_assert_int_eq(process_belongs(0x3fffffff, child.pid), -ESRCH);
    ck_assert_int_eq(kill(away, SIGKILL), 0);
    (void)child_kill_group(child.pid, child.pidfd);
    (void)await_exit(&child);
    spawned_close(&child);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("child");
    TCase *t = tcase_create("child");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, killing_the_group_reaches_the_grandchildren);
    tcase_add_test(t, who_belongs_to_a_worker_is_known_from_its_session_and_descent);
    suite_add_tcase(s, t);
    return unit_main(s);
}
