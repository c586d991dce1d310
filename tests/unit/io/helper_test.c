/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/io/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/units.h"
#include "tests/unit/io/loop.h"
#include "tests/unit/unit.h"

#define PATIENCE_US (20 * US_PER_S)
#define MUCH        ((size_t)1024 * 1024) /* more than a pipe would take */

static struct {
    struct ev_loop *loop;
    unsigned ends;
    enum helper_end how;
    size_t bytes;
    int first; /* int of what was told */
} at;

static void
on_end(void *env, enum helper_end how, int out)
{
    struct stat st = {0};

    ck_assert_ptr_eq(env, &at);
    at.ends++;
    at.how = how;
    if (how != HELPER_DONE)
        return;
    ck_assert_int_eq(fstat(out, &st), 0);
    at.bytes = (size_t)st.st_size;
    if (pread(out, &at.first, sizeof(at.first), 0) != (ssize_t)sizeof(at.first))
        at.first = -1;
}

static bool
ended(void *env)
{
    (void)env;
    return at.ends > 0;
}

static struct helper *
start(bool (*work)(const void *task, int keep, int out), int keep, int64_t deadline_us)
{
    struct helper_job job = {.name = "stint-test",
                             .work = work,
                             .task = &at,
                             .keep = keep,
                             .deadline_us = deadline_us,
                             .on_end = on_end,
                             .env = &at};
    struct helper *h = NULL;

    at.ends = 0;
    at.bytes = 0;
    ck_assert_int_eq(helper_start(at.loop, &job, &h), 0);
    ck_assert_uint_eq(at.ends, 0);
    return h;
}

static void
end(bool (*work)(const void *task, int keep, int out), int keep, int64_t deadline_us)
{
    (void)start(work, keep, deadline_us);
    ck_assert(loop_until(at.loop, ended, NULL, PATIENCE_US));
    ev_run(at.loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(at.ends, 1);
}

static bool
tell_much(const void *task, int keep, int out)
{
    static const char zeros[MUCH];

    (void)task;
    (void)keep;
    return write(out, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros);
}

static bool
tell_descriptors(const void *task, int keep, int out)
{
    int strange = 0, fd;

    (void)task;
    for (fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) != -1 && fd != keep && fd != out)
            strange++;
    if (keep < 3 || fcntl(keep, F_GETFD) == -1)
        strange += 1000;
    return write(out, &strange, sizeof(strange)) == (ssize_t)sizeof(strange);
}

static bool
say_no(const void *task, int keep, int out)
{
    (void)task;
    (void)keep;
    (void)out;
    return false;
}

static bool
hang(const void *task, int keep, int out)
{
    (void)task;
    (void)keep;
    (void)out;
    while (pause() == -1)
        ;
    return true;
}

START_TEST(it_may_tell_more_than_a_pipe_would_take)
{
    end(tell_much, -1, TIME_NEVER);
    ck_assert_int_eq(at.how, HELPER_DONE);
    ck_assert_uint_eq(at.bytes, MUCH);
}
END_TEST

START_TEST(it_holds_nothing_of_the_masters_but_what_it_needs)
{
    int a = open("/dev/null", O_RDONLY), b = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int c = open("/dev/null", O_RDONLY);

    end(tell_descriptors, b, TIME_NEVER);
    ck_assert_int_eq(at.how, HELPER_DONE);
    ck_assert_int_eq(at.first, 0);
    fd_close(a);
    fd_close(b);
    fd_close(c);
}
END_TEST

START_TEST(one_that_fails_is_told_as_such)
{
    end(say_no, -1, TIME_NEVER);
    ck_assert_int_eq(at.how, HELPER_DIED);
}
END_TEST

static pid_t seen;

static bool
gone(void *env)
{
    (void)env;
    return !helper_knows(seen) && kill(seen, 0) == -1 && errno == ESRCH;
}

/* The only child there is. */
static void
see(void)
{
    char path[64], text[32] = "";
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    fd_close(fd);
    seen = (pid_t)strtol(text, NULL, 10);
    ck_assert(helper_knows(seen));
}

START_TEST(one_that_hangs_is_late_and_is_killed)
{
    (void)start(hang, -1, mono_now_us() + 50 * US_PER_MS);
    see();
    ck_assert(loop_until(at.loop, ended, NULL, PATIENCE_US));
    ck_assert_int_eq(at.how, HELPER_LATE);
    ck_assert(loop_until(at.loop, gone, NULL, PATIENCE_US));
    ck_assert_uint_eq(at.ends, 1);
}
END_TEST

START_TEST(one_that_is_cancelled_is_killed_and_tells_nobody)
{
    struct helper *h = start(hang, -1, TIME_NEVER);

    see();
    helper_cancel(h);
    ck_assert(loop_until(at.loop, gone, NULL, PATIENCE_US));
    ck_assert_uint_eq(at.ends, 0);
    helper_cancel(NULL);
}
END_TEST

static void
setup(void)
{
    at.loop = ev_loop_new(EVFLAG_AUTO);
}

static void
teardown(void)
{
    ev_loop_destroy(at.loop);
}

int
main(void)
{
    Suite *s = suite_create("helper");
    TCase *t = tcase_create("helper");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, it_may_tell_more_than_a_pipe_would_take);
    tcase_add_test(t, it_holds_nothing_of_the_masters_but_what_it_needs);
    tcase_add_test(t, one_that_fails_is_told_as_such);
    tcase_add_test(t, one_that_hangs_is_late_and_is_killed);
    tcase_add_test(t, one_that_is_cancelled_is_killed_and_tells_nobody);
    suite_add_tcase(s, t);
    return unit_main(s);
}
