/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/proc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "tests/unit/io/spawn_fixture.h"
#include "tests/unit/unit.h"

START_TEST(a_name_with_brackets_and_blanks_does_not_confuse)
{
    struct proc_stat st;

    ck_assert_int_eq(proc_stat_parse("42 (a) R 9 (b) S 7 42 -1 34816 42 4194304 1 0 0 0 2 3 0 0 20 "
                                     "0 1 0 987654 1000 5 18446744073709551615",
                                     &st),
                     0);
    ck_assert_int_eq(st.pid, 42);
    ck_assert_str_eq(st.comm, "a) R 9 (b");
    ck_assert_int_eq(st.state, 'S');
    ck_assert_int_eq(st.ppid, 7);
    ck_assert_int_eq(st.pgrp, 42);
    ck_assert_int_eq(st.session, -1);
    ck_assert_uint_eq(st.start_time, 987654);
}
END_TEST

START_TEST(what_is_no_stat_is_refused)
{
    static const char *const no[] = {"",
                                     "42",
                                     "42 (a",
                                     "42 a) S 1",
                                     "(a) S 1",
                                     "42 )a( S 1 1",
                                     "42 (a) S 1 2 3",
                                     "42 (a)",
                                     "42 (a) 5 1 1 1"};
    struct proc_stat st;

    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        ck_assert_int_eq(proc_stat_parse(no[i], &st), -EPROTO);
}
END_TEST

START_TEST(our_own_stat_tells_the_truth)
{
    struct proc_stat st;

    ck_assert_int_eq(prctl(PR_SET_NAME, "a) S 1 (b\n"), 0);
    ck_assert_int_eq(proc_stat_read(getpid(), &st), 0);
    ck_assert_int_eq(st.ppid, getppid());
    ck_assert_int_eq(st.session, getsid(0));
    ck_assert_int_eq(st.pgrp, getpgrp());
    ck_assert_str_eq(st.comm, "a) S 1 (b\n");
    ck_assert_int_eq(st.state, 'R');
}
END_TEST

START_TEST(resident_memory_is_told_of_who_is_there)
{
    uint64_t bytes = 0;

    ck_assert_int_eq(proc_rss_read(getpid(), &bytes), 0);
    ck_assert_uint_gt(bytes, 100000);
    ck_assert_uint_eq(bytes % 4096, 0);
    ck_assert_int_eq(proc_rss_read(INT32_MAX, &bytes), -ENOENT);
}
END_TEST

START_TEST(the_three_forms_of_a_system_call_are_read)
{
    struct proc_syscall c;

    ck_assert_int_eq(proc_syscall_parse("running\n", &c), 0);
    ck_assert(c.running);
    ck_assert_int_eq(proc_syscall_parse("-1 0x7ffe 0x55aa\n", &c), 0);
    ck_assert_int_eq(c.number, -1);
    ck_assert_uint_eq(c.sp, 0x7ffe);
    ck_assert_uint_eq(c.pc, 0x55aa);
    ck_assert_int_eq(proc_syscall_parse("0 0x9 0x2 0x3 0x4 0x5 0x6 0x7 0x8\n", &c), 0);
    ck_assert_int_eq(c.number, 0);
    ck_assert_uint_eq(c.args[0], 9);
    ck_assert_uint_eq(c.args[5], 6);
    ck_assert_uint_eq(c.pc, 8);
    ck_assert_int_eq(proc_syscall_parse("0 0x9 0x2", &c), -EPROTO);
    ck_assert_int_eq(proc_syscall_parse("", &c), -EPROTO);
}
END_TEST

START_TEST(threads_are_listed_and_counted_beyond_the_room)
{
    pid_t tid[4];
    size_t n, total;

    ck_assert_int_eq(proc_threads(getpid(), tid, 4, &n, &total), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(tid[0], getpid());
    ck_assert_int_eq(proc_threads(getpid(), tid, 0, &n, &total), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(total, 1);
}
END_TEST

static pid_t
child_start(char *variable)
{
    int told[2];
    char c;

    ck_assert_int_eq(pipe(told), 0);
    pid_t pid = fork();

    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(told[0]);
        (void)dup2(told[1], 9);
        (void)!execle("/bin/sh", "sh", "-c", "echo >&9; kill -STOP $$", NULL,
                      (char *[]){variable, (char[]){"OTHER=x"}, NULL});
        _exit(127);
    }
    ck_assert_int_eq(close(told[1]), 0);
    ck_assert_int_eq(read(told[0], &c, 1), 1); /* it runs: the environment is the new one */
    ck_assert_int_eq(close(told[0]), 0);
    return pid;
}

static void
child_end(pid_t pid)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(the_environment_of_a_process_is_read_by_name)
{
    pid_t pid = child_start((char[]){"STINT_SERVICE=web"});
    char value[16];

    ck_assert_int_eq(proc_environ_get(pid, "STINT_SERVICE", value, sizeof(value)), 0);
    ck_assert_str_eq(value, "web");
    ck_assert_int_eq(proc_environ_get(pid, "STINT", value, sizeof(value)), -ENOENT);
    ck_assert_int_eq(proc_environ_get(pid, "OTHER", value, 1), -ENOBUFS);
    child_end(pid);
    ck_assert_int_eq(proc_environ_get(pid, "OTHER", value, sizeof(value)), -ESRCH);
}
END_TEST

static pid_t seen[8];
static char states[8];
static size_t n_seen;

static bool
on_child(void *env, const struct proc_stat *child)
{
    ck_assert_uint_lt(n_seen, 8);
    states[n_seen] = child->state;
    seen[n_seen++] = child->pid;
    return env == NULL; /* else: the first is enough */
}

START_TEST(children_are_found_living_and_dead_and_nobody_else)
{
    pid_t a = child_start((char[]){"A=1"}), b = child_start((char[]){"B=1"});
    siginfo_t info;

    ck_assert_int_eq(kill(b, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)b, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(proc_children(getpid(), NULL, on_child, NULL), 0);
    ck_assert_uint_eq(n_seen, 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert(seen[i] == a || seen[i] == b);
        ck_assert_int_eq(states[i] == 'Z', seen[i] == b);
    }
    n_seen = 0;
    ck_assert_int_eq(proc_children(getpid(), NULL, on_child, &n_seen), 0);
    ck_assert_uint_eq(n_seen, 1);
    ck_assert_int_eq(waitpid(b, NULL, 0), b);
    child_end(a);
}
END_TEST

START_TEST(a_blocked_thread_tells_what_it_waits_for)
{
    int silent[2];
    char want[64], got[64];
    struct proc_syscall c = {.running = true};
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    ck_assert_int_eq(pipe(silent), 0);
    pid_t pid = fork();

    if (pid == 0)
        _exit((int)read(silent[0], got, 1));
    while (c.running || c.number != 0) {
        ck_assert_int_eq(proc_syscall_read(pid, pid, &c), 0);
        ck_assert_int_lt(mono_now_us(), deadline_us);
    }
    ck_assert_uint_eq(c.args[0], (unsigned)silent[0]);
    ck_assert_int_eq(proc_fd_target(pid, silent[0], got, sizeof(got)), 0);
    ck_assert_int_eq(proc_fd_target(getpid(), silent[1], want, sizeof(want)), 0);
    ck_assert_str_eq(got, want);
    ck_assert_int_eq(strncmp(got, "pipe:[", 6), 0);
    ck_assert_int_eq(proc_wchan_read(pid, pid, got, sizeof(got)), 0);
    child_end(pid);
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
    ck_assert_int_eq(proc_belongs(child.pid, child.pid), 1);
    ck_assert_int_eq(proc_belongs(away, child.pid), 1); /* another session, but its child */
    ck_assert_int_eq(proc_belongs(getpid(), child.pid), 0);
    ck_assert_int_eq(proc_belongs(0x3fffffff, child.pid), -ESRCH);
    ck_assert_int_eq(kill(away, SIGKILL), 0);
    (void)child_kill_group(child.pid, child.pidfd);
    (void)await_exit(&child);
    spawned_close(&child);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

START_TEST(who_is_gone_is_esrch_everywhere)
{
    pid_t pid = fork(), tid;
    struct proc_stat st;
    struct proc_syscall c;
    char text[16];
    size_t n, total;

    if (pid == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    ck_assert_int_eq(proc_stat_read(pid, &st), -ESRCH);
    ck_assert_int_eq(proc_thread_stat_read(pid, pid, &st), -ESRCH);
    ck_assert_int_eq(proc_threads(pid, &tid, 1, &n, &total), -ESRCH);
    ck_assert_int_eq(proc_syscall_read(pid, pid, &c), -ESRCH);
    ck_assert_int_eq(proc_fd_target(pid, 0, text, sizeof(text)), -ESRCH);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("proc");
    TCase *t = tcase_create("proc");

    tcase_add_checked_fixture(t, NULL, folder_remove);
    tcase_add_test(t, a_name_with_brackets_and_blanks_does_not_confuse);
    tcase_add_test(t, what_is_no_stat_is_refused);
    tcase_add_test(t, our_own_stat_tells_the_truth);
    tcase_add_test(t, resident_memory_is_told_of_who_is_there);
    tcase_add_test(t, the_three_forms_of_a_system_call_are_read);
    tcase_add_test(t, threads_are_listed_and_counted_beyond_the_room);
    tcase_add_test(t, the_environment_of_a_process_is_read_by_name);
    tcase_add_test(t, children_are_found_living_and_dead_and_nobody_else);
    tcase_add_test(t, a_blocked_thread_tells_what_it_waits_for);
    tcase_add_test(t, who_belongs_to_a_worker_is_known_from_its_session_and_descent);
    tcase_add_test(t, who_is_gone_is_esrch_everywhere);
    suite_add_tcase(s, t);
    return unit_main(s);
}
