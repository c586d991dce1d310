/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inputs that are too large to be read in the loop. */
#include "supervisor/io/look.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include "base/clock.h"
#include "supervisor/io/helper.h"
#include "supervisor/io/look_scan.h"
#include "supervisor/probe/proc.h"
#include "tests/unit/io/look_fixture.h"

static void
grow(const char *name, off_t bytes)
{
    auto_fd int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    ck_assert_int_eq(ftruncate(fd, bytes), 0); /* sparse: it is read, not stored */
}

START_TEST(large_inputs_are_read_in_a_child_with_the_same_result)
{
    put("web", "#!/bin/sh\n");
    grow("big", (off_t)LOOK_INLINE_BYTES + 1);
    struct digest large = look_at(full("web"), full("big"))->digest;

    ck_assert_int_eq(at.got.result, LOOK_OK);
    ck_assert(at.got.helped);
    ck_assert_uint_gt(at.got.bytes, LOOK_INLINE_BYTES);
    ck_assert_int_ge(at.got.exe_fd, 0);
    grow("big", (off_t)LOOK_INLINE_BYTES - 100);
    ck_assert(!digest_equal(large, look_at(full("web"), full("big"))->digest));
    ck_assert(!at.got.helped);
    grow("big", (off_t)LOOK_INLINE_BYTES + 1);
    ck_assert(digest_equal(large, look_at(full("web"), full("big"))->digest));
}
END_TEST

START_TEST(the_loop_does_not_walk_a_large_directory_to_its_end)
{
    struct look_scan scan = {.enough = 100};
    char name[32];

    put("web", "#!/bin/sh\n");
    ck_assert_int_eq(mkdir("many", 0755), 0);
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(name, sizeof(name), "many/%04d", i);
        put(name, "");
    }
    scan_input(&scan, full("many"));
    ck_assert(scan_stopped(&scan));
    ck_assert_uint_eq(scan.entries, 101);
    ck_assert_int_eq(look_at(full("web"), full("many"))->result, LOOK_OK); /* the child does */
    ck_assert(at.got.helped);
}
END_TEST

static bool
on_child(void *env, const struct proc_stat *child)
{
    (void)env;
    if (helper_knows(child->pid))
        at.child = child->pid;
    return true;
}

static bool
child_gone(void *env)
{
    (void)env;
    return !helper_knows(at.child) && kill(at.child, 0) == -1 && errno == ESRCH;
}

START_TEST(a_cancelled_look_kills_its_child_and_never_answers)
{
    const char *input = full("big");
    struct look_request rq;
    struct look *l;

    put("web", "#!/bin/sh\n");
    grow("big", (off_t)64 << 30); /* it would read for a while */
    rq = request(full("web"), &input, 1);
    ck_assert_int_eq(look_start(at.loop, &rq, on_done, &at, &l), 0);
    ck_assert_int_eq(proc_children(getpid(), NULL, on_child, NULL), 0);
    ck_assert_int_gt(at.child, 0);
    look_cancel(l);
    ck_assert(loop_until(at.loop, child_gone, NULL, 5 * US_PER_S));
    ck_assert_uint_eq(at.answers, 0);
    ck_assert_int_eq(
        look_start(at.loop, &(struct look_request){.executable = "/bin/sh"}, on_done, &at, &l), 0);
    look_cancel(l);
    ev_run(at.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(at.answers, 0);
}
END_TEST

START_TEST(a_look_past_its_deadline_is_broken)
{
    const char *input = full("big");
    struct look_request rq;

    put("web", "#!/bin/sh\n");
    grow("big", (off_t)64 << 30);
    rq = request(full("web"), &input, 1);
    rq.deadline_us = mono_now_us() + 50 * US_PER_MS;
    ck_assert_int_eq(look(&rq)->result, LOOK_BROKEN);
    ck_assert_ptr_nonnull(strstr(at.got.reason, "in time"));
}
END_TEST

START_TEST(a_child_that_is_killed_is_an_answer_too)
{
    const char *input = full("big");
    struct look_request rq;
    struct look *l;

    put("web", "#!/bin/sh\n");
    grow("big", (off_t)64 << 30);
    rq = request(full("web"), &input, 1);
    ck_assert_int_eq(look_start(at.loop, &rq, on_done, &at, &l), 0);
    ck_assert_int_eq(proc_children(getpid(), NULL, on_child, NULL), 0);
    ck_assert_int_eq(kill(at.child, SIGKILL), 0);
    ck_assert(loop_until(at.loop, answered, NULL, 5 * US_PER_S));
    ck_assert_int_eq(at.got.result, LOOK_BROKEN);
    ck_assert_ptr_nonnull(strstr(at.got.reason, "died"));
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("look_child");
    TCase *t = tcase_create("look_child");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, large_inputs_are_read_in_a_child_with_the_same_result);
    tcase_add_test(t, the_loop_does_not_walk_a_large_directory_to_its_end);
    tcase_add_test(t, a_cancelled_look_kills_its_child_and_never_answers);
    tcase_add_test(t, a_look_past_its_deadline_is_broken);
    tcase_add_test(t, a_child_that_is_killed_is_an_answer_too);
    suite_add_tcase(s, t);
    return unit_main(s);
}
