/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a generation, by what its children hold; the cgroup's part is leftovers_root's. */
#include "supervisor/io/survey.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/unit.h"

static int out[2], listener[2], ready[2];
static pid_t known, made[4];
static int n_made;
static struct survey_subject subject;
static json_t *all;

static void
set_up(void)
{
    n_made = 0;
    known = 0;
    all = NULL;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, listener), 0);
    subject =
        (struct survey_subject){.service = "web", .root = 7, .generation = 8, .before = UINT64_MAX};
    subject.held[0] = (struct held){held_inode(listener[0]), false, "listener http"};
    subject.held[1] = (struct held){held_inode(out[0]), true, "stdout of worker 7"};
}

static void
tear_down(void)
{
    for (int i = 0; i < n_made; i++) {
        (void)kill(made[i], SIGKILL);
        (void)waitpid(made[i], NULL, 0);
    }
    json_decref(all);
}

/* A child that has these of ours and no others. */
static pid_t
child(bool has_listener, bool has_out)
{
    pid_t pid = fork();
    char byte;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (has_listener)
            (void)dup2(listener[0], 30);
        if (has_out)
            (void)dup2(out[1], 31);
        (void)dup2(ready[1], 32);
        (void)close_range(3, 29, 0);
        if (!has_listener)
            (void)close(30);
        if (!has_out)
            (void)close(31);
        (void)close_range(33, ~0U, 0);
        if (write(32, "", 1) != 1)
            _exit(1);
        (void)close(32);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    made[n_made++] = pid;
    return pid;
}

static bool
is_known(void *env, pid_t pid)
{
    (void)env;
    return pid == known;
}

static struct survey_found
look(void)
{
    const struct survey_request rq = {
        .of = &subject, .n = 1, .top = {getpid(), 0},
                .is_known = is_known
    };
    auto_fd int fd = memfd_create("survey", MFD_CLOEXEC);
    struct survey_found found;

    json_decref(all);
    ck_assert(survey_work(&rq, fd));
    ck_assert_int_eq(survey_read(fd, 1, &all), 0);
    survey_at(all, 0, &found);
    return found;
}

START_TEST(nobody_is_left_and_that_is_seen)
{
    struct survey_found f;

    known = child(true, true); /* a worker that lives has all of that */
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert(f.survey.good[FINDING_PIDS] && f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
    ck_assert_int_eq(f.survey.how[FINDING_CGROUP], KNOWN_NOT);
    ck_assert_str_eq(f.text, "");
}
END_TEST

START_TEST(who_holds_a_workers_pipe_is_its_and_is_named)
{
    pid_t pid = child(false, true);
    struct survey_found f = look();
    char want[64];

    ck_assert_uint_eq(f.survey.left, 1);
    ck_assert(!f.survey.good[FINDING_PIDS] && !f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
    ck_assert_uint_eq(json_array_size(f.processes), 1);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(f.processes, 0), "pid")),
                     pid);
    (void)snprintf(want, sizeof(want), "1 process of it is left: %d ", (int)pid);
    ck_assert_msg(strstr(f.text, want) && strstr(f.text, "stdout of worker 7 (fd 31)"), "%s",
                  f.text);
}
END_TEST

START_TEST(who_holds_nothing_of_it_is_not_accused)
{
    struct survey_found f;

    (void)child(false, false);
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert(f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
}
END_TEST

/* Both generations have the listener: it may be a daemon of a worker that lives. */
START_TEST(a_listener_alone_says_whose_it_is_only_of_who_is_old_enough)
{
    struct survey_found f;

    (void)child(true, false);
    f = look();
    ck_assert_uint_eq(f.survey.left, 1);
    ck_assert_ptr_nonnull(strstr(f.text, "listener http (fd 30)"));
    subject.before = 1;
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert(f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_REFUSED); /* and nobody vouches for it */
}
END_TEST

START_TEST(an_answer_that_is_none_is_not_believed)
{
    auto_fd int fd = memfd_create("survey", MFD_CLOEXEC);
    json_t *none = NULL;

    ck_assert_int_eq(survey_read(fd, 1, &none), -EBADMSG);
    ck_assert_int_eq(write(fd, "[{}]", 4), 4);
    ck_assert_int_eq(survey_read(fd, 2, &none), -EBADMSG); /* of fewer than were asked about */
    ck_assert_int_eq(ftruncate(fd, 3), 0);
    ck_assert_int_eq(survey_read(fd, 1, &none), -EBADMSG);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("survey");
    TCase *t = tcase_create("survey");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, nobody_is_left_and_that_is_seen);
    tcase_add_test(t, who_holds_a_workers_pipe_is_its_and_is_named);
    tcase_add_test(t, who_holds_nothing_of_it_is_not_accused);
    tcase_add_test(t, a_listener_alone_says_whose_it_is_only_of_who_is_old_enough);
    tcase_add_test(t, an_answer_that_is_none_is_not_believed);
    suite_add_tcase(s, t);
    return unit_main(s);
}
