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

int
main(void)
{
    Suite *s = suite_create("child");
    TCase *t = tcase_create("child");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, killing_the_group_reaches_the_grandchildren);
    suite_add_tcase(s, t);
    return unit_main(s);
}
