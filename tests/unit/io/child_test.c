/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
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

static void
started(struct spawned *child, char *script)
{
    struct spawn_request req = shell((char *[]){(char[]){"sh"}, (char[]){"-c"}, script, NULL});

    ck_assert_int_eq(spawn_start(&req, child, NULL), 0);
}

START_TEST(looking_how_it_ended_leaves_it_to_be_collected)
{
    struct rusage usage;
    struct spawned child;
    int status = 77;

    started(&child, (char[]){"exit 3"});
    await_readable(child.pidfd);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(child_peek(child.pidfd, &status), 0);
        ck_assert_int_eq(status, 3 << 8);
        status = 77;
    }
    ck_assert_int_eq(kill(child.pid, 0), 0); /* the number is its own still */
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0);
    ck_assert_int_eq(child_reap(child.pidfd, &status, &usage), 0);
    ck_assert_int_eq(status, 3 << 8); /* however it was killed after it had ended */
    ck_assert_int_eq(child_peek(child.pidfd, &status), -ECHILD);
    ck_assert(!has_children());
    spawned_close(&child);
}
END_TEST

START_TEST(looking_at_one_that_lives_or_is_not_ours_says_so)
{
    struct spawned child;
    int status = 77, parent = pidfd_open(getppid(), 0);

    started(&child, (char[]){"kill -STOP $$; exit 0"});
    ck_assert_int_eq(child_peek(child.pidfd, &status), -EAGAIN); /* stopped is not ended */
    ck_assert_int_eq(child_peek(parent, &status), -ECHILD);
    ck_assert_int_eq(child_peek(-1, &status), -EINVAL);
    ck_assert_int_eq(status, 77);
    ck_assert_int_eq(child_signal(child.pidfd, SIGKILL), 0);
    await_readable(child.pidfd);
    ck_assert_int_eq(child_peek(child.pidfd, &status), 0);
    ck_assert_int_eq(status, SIGKILL);
    ck_assert_int_eq(await_exit(&child), SIGKILL);
    spawned_close(&child);
    (void)close(parent);
}
END_TEST

START_TEST(both_ways_of_looking_say_the_same)
{
    const struct rlimit none = {0, 0};
    struct spawned child;
    int peeked = 77;

    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &none), 0);
    started(&child, (char[]){"kill -QUIT $$"});
    await_readable(child.pidfd);
    ck_assert_int_eq(child_peek(child.pidfd, &peeked), 0);
    ck_assert_int_eq(WTERMSIG(peeked), SIGQUIT);
    ck_assert_int_eq(await_exit(&child), peeked);
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
    tcase_add_test(t, looking_how_it_ended_leaves_it_to_be_collected);
    tcase_add_test(t, looking_at_one_that_lives_or_is_not_ours_says_so);
    tcase_add_test(t, both_ways_of_looking_say_the_same);
    suite_add_tcase(s, t);
    return unit_main(s);
}
