/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "tests/unit/io/ready_fixture.h"

START_TEST(a_newline_on_its_descriptor_makes_it_ready)
{
    struct ready_spec spec = {.mode = READY_FD, .fd = 3};
    struct ready_request req = request(&spec);
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.fd = ends[0];
    start(&req);
    ck_assert_int_eq(write(ends[1], "soon", 4), 4);
    ev_run(ev, EVRUN_ONCE);
    ck_assert_uint_eq(heard.bytes, 0);
    ck_assert_str_eq(ready_progress(ready), "waiting for a newline on descriptor 3");
    stop_in_hook = true;
    ck_assert_int_eq(write(ends[1], "!\n", 2), 2);
    await_words("ready ");
    ck_assert_int_eq(fcntl(ends[0], F_GETFD), -1); /* the probe closed its end */
    (void)close(ends[1]);
}
END_TEST

START_TEST(a_descriptor_closed_without_a_newline_is_a_failure)
{
    struct ready_spec spec = {.mode = READY_FD, .fd = 3};
    struct ready_request req = request(&spec);
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    req.fd = ends[0];
    start(&req);
    (void)close(ends[1]);
    await_words("failed: it closed its readiness descriptor without a newline ");
}
END_TEST

static void
write_pid_file(pid_t pid)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%d\n", (int)pid);
    (void)write_file("new.pid", text, 0644);
    ck_assert_int_eq(rename(in_folder("new.pid"), in_folder("web.pid")), 0);
}

START_TEST(a_pid_file_counts_once_it_is_rewritten_with_a_pid_of_the_worker)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);
    pid_t child = fork();

    if (child == 0)
        for (;;)
            (void)pause();
    start(&req);
    await_progress("does not exist yet");
    (void)write_file("web.pid", "", 0644);
    await_progress("holds no pid yet");
    write_pid_file(getppid());
    await_progress(", which is not of this worker");
    write_pid_file(child);
    await_words("ready ");
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}
END_TEST

START_TEST(a_pid_file_left_by_the_one_before_does_not_count)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);

    write_pid_file(getpid());
    req.spawned_us += US_PER_S; /* as if the file were a second older than the worker */
    start(&req);
    await_progress("is older than the worker");
}
END_TEST

START_TEST(a_pid_file_that_is_there_already_has_to_be_written_anew)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);

    write_pid_file(getpid());
    req.rewritten = true; /* it is young enough, and it is the one that was there */
    start(&req);
    await_progress("is older than the worker");
    write_pid_file(getpid());
    await_words("ready ");
}
END_TEST

START_TEST(a_pid_file_is_not_waited_for_beyond_its_time)
{
    struct ready_spec spec = {.mode = READY_FILE, .file = (char[]){"web.pid"}};
    struct ready_request req = request(&spec);

    req.until_us = mono_now_us() + 60 * US_PER_MS; /* some questions later */
    start(&req);
    ev_run(ev, 0); /* returns when nothing in the loop is waited for any more */
    ck_assert_int_gt(mono_now_us(), req.until_us);
    ck_assert_ptr_nonnull(strstr(ready_progress(ready), "does not exist yet"));
    ck_assert_uint_eq(heard.bytes, 0);
}
END_TEST

START_TEST(a_command_is_asked_until_it_exits_0)
{
    struct ready_spec spec = {.mode = READY_EXEC};
    struct ready_request req;

    ck_assert_int_eq(strv_add(&spec.exec, "sh"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "-c"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "test -e up || exit 7"), 0);
    req = request(&spec);
    start(&req);
    await_progress("last answer: exit status 7");
    (void)write_file("up", "", 0600);
    await_words("ready ");
    strv_finish(&spec.exec);
}
END_TEST

START_TEST(each_slot_has_a_file_and_a_question_of_its_own)
{
    struct ready_spec file = {.mode = READY_FILE, .file = (char[]){"web-{slot}.pid"}};
    struct ready_spec exec = {.mode = READY_EXEC};
    struct ready_request req = request(&file);

    ck_assert_int_eq(strv_add(&exec.exec, "sh"), 0);
    ck_assert_int_eq(strv_add(&exec.exec, "-c"), 0);
    ck_assert_int_eq(strv_add(&exec.exec, "exit {slot}"), 0);
    req.slot = 3;
    start(&req);
    await_progress("web-3.pid': does not exist yet");
    ready_stop(ready);
    req = request(&exec);
    req.slot = 7;
    start(&req);
    await_progress("last answer: exit status 7");
    ready_stop(ready);
    req.slot = 0;
    start(&req);
    await_words("ready ");
    strv_finish(&exec.exec);
}
END_TEST

START_TEST(stopping_while_a_command_is_under_way_leaves_nothing)
{
    struct ready_spec spec = {.mode = READY_EXEC};
    struct ready_request req;

    ck_assert_int_eq(strv_add(&spec.exec, "sleep"), 0);
    ck_assert_int_eq(strv_add(&spec.exec, "100"), 0);
    req = request(&spec);
    start(&req);
    ev_run(ev, EVRUN_ONCE);
    ck_assert(has_children());
    ready_stop(ready);
    ready = NULL;
    while (has_children())
        ev_run(ev, EVRUN_ONCE);
    strv_finish(&spec.exec);
}
END_TEST

START_TEST(what_others_decide_is_only_described)
{
    struct ready_spec spec = {.mode = _i ? READY_ASSUME : READY_NOTIFY};
    struct ready_request req = request(&spec);

    start(&req);
    ck_assert_str_eq(ready_progress(ready), _i ? "will be assumed ready if it is still alive then"
                                               : "waiting for READY=1");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("ready");
    TCase *t = tcase_create("ready");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, begin, end);
    tcase_add_test(t, a_newline_on_its_descriptor_makes_it_ready);
    tcase_add_test(t, a_descriptor_closed_without_a_newline_is_a_failure);
    tcase_add_test(t, a_pid_file_counts_once_it_is_rewritten_with_a_pid_of_the_worker);
    tcase_add_test(t, a_pid_file_left_by_the_one_before_does_not_count);
    tcase_add_test(t, a_pid_file_that_is_there_already_has_to_be_written_anew);
    tcase_add_test(t, a_pid_file_is_not_waited_for_beyond_its_time);
    tcase_add_test(t, a_command_is_asked_until_it_exits_0);
    tcase_add_test(t, each_slot_has_a_file_and_a_question_of_its_own);
    tcase_add_test(t, stopping_while_a_command_is_under_way_leaves_nothing);
    tcase_add_loop_test(t, what_others_decide_is_only_described, 0, 2);
    suite_add_tcase(s, t);
    return unit_main(s);
}
