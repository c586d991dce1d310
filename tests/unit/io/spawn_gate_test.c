/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child that waits until its pid is in the books. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/spawn_fixture.h"

static struct spawned child;

static struct spawn_request
gated(char *const *argv)
{
    struct spawn_request req = shell(argv);

    req.gated = true;
    return req;
}

static void
start(const struct spawn_request *req)
{
    struct error error;

    ck_assert_msg(spawn_start(req, &child, &error) == 0, "%s", error.text);
}

/* It has its session and sleeps: there is nothing left for it to do but to wait. */
static void
await_gate(pid_t pid)
{
    int64_t deadline_us = mono_now_us() + PATIENCE_MS * US_PER_MS;
    struct proc_stat st = {0};

    while (mono_now_us() < deadline_us) {
        if (proc_stat_read(pid, &st) == 0 && st.state == 'S' && st.session == pid)
            return;
        (void)sched_yield();
    }
    ck_abort_msg("it never came to the gate");
}

static bool
has_run(void)
{
    return access(in_folder("ran"), F_OK) == 0;
}

static char *const *
touches(void)
{
    static char name[] = "sh", option[] = "-c", script[300];
    static char *argv[] = {name, option, script, NULL};

    (void)snprintf(script, sizeof(script), ": >%s", in_folder("ran"));
    (void)unlink(in_folder("ran"));
    return argv;
}

START_TEST(it_runs_when_it_is_released_and_not_before)
{
    struct spawn_request req = gated(touches());
    struct spawn_failure failure = {0};

    start(&req);
    await_gate(child.pid);
    ck_assert_int_eq(spawn_exec_result(child.exec_fd, &failure), -EAGAIN);
    ck_assert(!has_run());
    ck_assert_int_eq(spawn_release(child.exec_fd), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 0);
    ck_assert_int_eq(await_exit(&child), 0);
    ck_assert(has_run());
    ck_assert_int_eq(spawn_release(child.exec_fd), -EPIPE); /* too late */
    spawned_close(&child);
}
END_TEST

/* Return: whether the memory of @pid has a brk area. */
static bool
has_heap(pid_t pid)
{
    char path[64], line[512];
    bool found = false;
    FILE *f;

    (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    f = fopen(path, "re");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        found = found || strstr(line, "[heap]");
    ck_assert_int_eq(fclose(f), 0);
    return found;
}

START_TEST(it_waits_there_without_a_copy_of_our_heap_which_the_next_one_has)
{
    struct spawn_request req = gated(touches());
    struct spawn_failure failure = {0};
    void *more = sbrk(1 << 16); /* sanitizers keep their heap elsewhere: then it is this alone */
    int status = -1;
    pid_t pid;

    ck_assert(more != (void *)-1); /* NOLINT(performance-no-int-to-ptr): as sbrk() has it */
    ck_assert(has_heap(getpid()));
    start(&req);
    await_gate(child.pid);
    ck_assert(!has_heap(child.pid));
    ck_assert_int_eq(spawn_release(child.exec_fd), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 0);
    ck_assert_int_eq(await_exit(&child), 0);
    ck_assert(has_run());
    spawned_close(&child);
    pid = fork(); /* any other child of ours */
    if (pid == 0)
        _exit(has_heap(getpid()) ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(released_before_it_comes_to_the_gate_it_does_not_wait_there)
{
    for (int i = 0; i < 50; i++) {
        struct spawn_request req = gated(touches());
        struct spawn_failure failure = {0};

        start(&req);
        ck_assert_int_eq(spawn_release(child.exec_fd), 0);
        ck_assert_int_eq(await_exec(&child, &failure), 0);
        ck_assert_int_eq(await_exit(&child), 0);
        ck_assert(has_run());
        spawned_close(&child);
    }
}
END_TEST

START_TEST(when_nobody_is_left_to_release_it_it_ends_without_having_run)
{
    struct spawn_request req = gated(touches());

    start(&req);
    if (_i)
        await_gate(child.pid);
    child.exec_fd = fd_close(child.exec_fd);
    ck_assert_int_eq(await_exit(&child), 127 << 8);
    ck_assert(!has_run());
    spawned_close(&child);
}
END_TEST

/* A later child has a copy of the earlier one's gate until its exec: it must not hold it open. */
START_TEST(a_master_that_is_killed_with_many_at_the_gate_leaves_none_of_them)
{
    char *const *argv = touches();
    int alive[2];
    char byte;
    pid_t master;

    ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
    master = fork();
    if (master == 0) {
        (void)close(alive[0]);
        for (int i = 0; i < 20; i++) {
            struct spawn_request req = gated(argv);

            req.stdout_fd = alive[1];
            start(&req);
            await_gate(child.pid);
        }
        (void)raise(SIGKILL);
    }
    (void)close(alive[1]);
    ck_assert_int_eq(waitpid(master, NULL, 0), master);
    await_readable(alive[0]);
    ck_assert_int_eq(read(alive[0], &byte, 1), 0); /* the last of them is gone */
    ck_assert(!has_run());
    (void)close(alive[0]);
}
END_TEST

START_TEST(killed_at_the_gate_it_is_dead_and_not_a_failed_exec)
{
    struct spawn_request req = gated(touches());
    struct spawn_failure failure = {0};

    start(&req);
    await_gate(child.pid);
    if (_i) /* and released, while it cannot read that */
        ck_assert_int_eq(kill(child.pid, SIGSTOP), 0);
    if (_i)
        ck_assert_int_eq(spawn_release(child.exec_fd), 0);
    ck_assert_int_eq(child_kill_group(child.pid, child.pidfd), 0);
    ck_assert_int_eq(await_exit(&child), SIGKILL);
    ck_assert_int_eq(await_exec(&child, &failure), 0);
    ck_assert_int_lt(spawn_release(child.exec_fd), 0);
    ck_assert(!has_run());
    spawned_close(&child);
}
END_TEST

START_TEST(an_exec_that_fails_behind_the_gate_is_reported)
{
    struct spawn_request req = gated(touches());
    struct spawn_failure failure = {0};

    req.exe_path = in_folder("no-such-program");
    start(&req);
    await_gate(child.pid);
    ck_assert_int_eq(spawn_exec_result(child.exec_fd, &failure), -EAGAIN);
    ck_assert_int_eq(spawn_release(child.exec_fd), 0);
    ck_assert_int_eq(await_exec(&child, &failure), 1);
    ck_assert_int_eq(failure.step, SPAWN_STEP_EXEC);
    ck_assert_int_eq(failure.error, -ENOENT);
    ck_assert_int_eq(await_exit(&child), 127 << 8);
    spawned_close(&child);
}
END_TEST

/* _i: before or after it is dead. Our word lies there unread, and its own is heard all the same. */
START_TEST(what_fails_before_the_gate_is_reported_though_it_was_released)
{
    struct spawn_request req = gated(touches());
    struct spawn_failure failure = {0};
    int r;

    req.directory = "/no/such/folder";
    start(&req);
    if (_i)
        await_readable(child.pidfd);
    r = spawn_release(child.exec_fd);
    ck_assert(r == -EPIPE || (_i == 0 && r == 0)); /* it may be quick */
    await_readable(child.pidfd);
    ck_assert_int_eq(await_exec(&child, &failure), 1);
    ck_assert_int_eq(failure.step, SPAWN_STEP_CHDIR);
    ck_assert_int_eq(failure.error, -ENOENT);
    ck_assert_int_eq(await_exit(&child), 127 << 8);
    ck_assert(!has_run());
    spawned_close(&child);
}
END_TEST

START_TEST(the_program_finds_nothing_of_the_gate)
{
    char *argv[] = {(char[]){"ls"}, (char[]){"/proc/self/fd"}, NULL};
    struct spawn_request req = gated(argv);
    int ends[2];
    char said[64] = "";

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.exe_path = "/bin/ls";
    req.stdout_fd = ends[1];
    start(&req);
    (void)close(ends[1]);
    ck_assert_int_eq(spawn_release(child.exec_fd), 0);
    ck_assert_int_eq(await_exit(&child), 0);
    ck_assert_int_gt(read(ends[0], said, sizeof(said) - 1), 0);
    ck_assert_str_eq(said, "0\n1\n2\n3\n"); /* the last is the folder that it reads */
    (void)close(ends[0]);
    spawned_close(&child);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("spawn gate");
    TCase *t = tcase_create("spawn gate");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, it_runs_when_it_is_released_and_not_before);
    tcase_add_test(t, it_waits_there_without_a_copy_of_our_heap_which_the_next_one_has);
    tcase_add_test(t, released_before_it_comes_to_the_gate_it_does_not_wait_there);
    tcase_add_loop_test(t, when_nobody_is_left_to_release_it_it_ends_without_having_run, 0, 2);
    tcase_add_test(t, a_master_that_is_killed_with_many_at_the_gate_leaves_none_of_them);
    tcase_add_loop_test(t, killed_at_the_gate_it_is_dead_and_not_a_failed_exec, 0, 2);
    tcase_add_test(t, an_exec_that_fails_behind_the_gate_is_reported);
    tcase_add_loop_test(t, what_fails_before_the_gate_is_reported_though_it_was_released, 0, 2);
    tcase_add_test(t, the_program_finds_nothing_of_the_gate);
    suite_add_tcase(s, t);
    return unit_main(s);
}
