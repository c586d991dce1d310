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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "tests/unit/unit.h"

static int out[2], listener[2], ready[2];
static pid_t known, made[4];
static int n_made;
static bool in_haste;
static struct survey_subject subject;
static json_t *all;

static void
set_up(void)
{
    n_made = 0;
    known = 0;
    in_haste = false;
    all = NULL;
    ck_assert_int_eq(pipe(out), 0);
    ck_assert_int_eq(pipe(ready), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, listener), 0);
    subject = (struct survey_subject){.service = "web", .root = 7, .generation = 8};
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

static void
have(bool has_listener, bool has_out)
{
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
}

static pid_t
made_is(pid_t pid)
{
    ck_assert_int_lt(n_made, (int)ARRAY_LEN(made));
    return made[n_made++] = pid;
}

/* A child that has these of ours and no others. */
static pid_t
child(bool has_listener, bool has_out)
{
    pid_t pid = fork();
    char byte;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        have(has_listener, has_out);
        if (write(32, "", 1) != 1)
            _exit(1);
        (void)close(32);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    return made_is(pid);
}

/* Somebody who does not come from us any more, and has these. */
static pid_t
outsider(bool has_listener, bool has_out)
{
    pid_t pid, between = fork();

    ck_assert_int_ge(between, 0);
    if (between == 0) {
        if (fork() > 0)
            _exit(0);
        have(has_listener, has_out);
        (void)prctl(PR_SET_PDEATHSIG, 0); /* his parent is gone */
        pid = getpid();
        if (write(32, &pid, sizeof(pid)) != (ssize_t)sizeof(pid))
            _exit(1);
        (void)close(32);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(waitpid(between, NULL, 0), between);
    ck_assert_int_eq(read(ready[0], &pid, sizeof(pid)), (ssize_t)sizeof(pid));
    return made_is(pid);
}

static bool
is_known(void *env, pid_t pid)
{
    (void)env;
    return pid == known;
}

/* The worker that lives has a listener, and nothing else. */
static int
was_given(void *env, pid_t pid, uint64_t inode)
{
    (void)env;
    return pid != known ? -1 : inode == subject.held[0].inode;
}

static struct survey_found
look(void)
{
    const struct survey_request rq = {
        .of = &subject,
        .n = 1,
        .top = {getpid(), 0},
        .outsiders = !in_haste,
        .is_known = is_known,
        .was_given = was_given
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

    known = child(true, false); /* a worker that lives has that, too */
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

/* A generation that lives has the listener, too. */
static struct survey_rival *
rival(uint64_t since)
{
    subject.rivals[subject.n_rivals] =
        (struct survey_rival){.service = "web", .generation = 9, .since = since, .has = 1};
    return &subject.rivals[subject.n_rivals++];
}

START_TEST(a_listener_alone_says_whose_it_is_only_of_who_is_old_enough)
{
    struct survey_found f;

    (void)child(true, false);
    f = look();
    ck_assert_uint_eq(f.survey.left, 1);
    ck_assert_ptr_nonnull(strstr(f.text, "listener http (fd 30)"));
    ck_assert_ptr_nonnull(strstr(f.survey.holder, "listener http (fd 30)"));
    (void)rival(UINT64_MAX); /* it was there before that one began */
    f = look();
    ck_assert_uint_eq(f.survey.left, 1);
    subject.n_rivals = 0;
    rival(1)->has = 2; /* … which has another listener */
    f = look();
    ck_assert_uint_eq(f.survey.left, 1);
}
END_TEST

START_TEST(who_may_be_anothers_is_named_with_those_who_come_into_question)
{
    pid_t pid = child(true, false);
    char want[64];
    struct survey_found f;

    (void)rival(1);
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert(f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_REFUSED); /* and nobody vouches for it */
    (void)snprintf(want, sizeof(want), "%d `", (int)pid);
    ck_assert_msg(strncmp(f.text, want, strlen(want)) == 0 &&
                      strstr(f.text, "may be of it or of web, generation 9: nothing tells"),
                  "%s", f.text);
}
END_TEST

/* It runs our program, since it never called exec(): is that of the one, or of the other? */
START_TEST(who_never_called_exec_is_of_the_generation_whose_program_it_runs)
{
    struct stat self, other;
    struct survey_found f;

    ck_assert_int_eq(stat("/proc/self/exe", &self), 0);
    ck_assert_int_eq(stat("/bin/sh", &other), 0);
    (void)child(true, false);
    rival(1)->worker = getpid();
    subject.exe_device = other.st_dev;
    subject.exe_inode = other.st_ino;
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN); /* theirs, and that is seen */
    ck_assert_str_eq(f.text, "");
    subject.exe_device = self.st_dev;
    subject.exe_inode = self.st_ino;
    f = look();
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_REFUSED); /* both run it */
    ck_assert_ptr_nonnull(strstr(f.text, "nothing tells"));
}
END_TEST

START_TEST(who_was_sent_a_descriptor_and_never_was_ours_is_found_and_named)
{
    pid_t pid = outsider(true, false);
    struct survey_found f = look();
    char want[64];

    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert(f.survey.good[FINDING_PIDS] && !f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
    (void)snprintf(want, sizeof(want), "%d `", (int)pid);
    ck_assert_msg(strncmp(f.text, want, strlen(want)) == 0 &&
                      strstr(f.text, "holds listener http (fd 30)") &&
                      strstr(f.text, "none of ours: it was sent that"),
                  "%s", f.text);
    ck_assert_int_eq(strncmp(f.survey.holder, want, strlen(want)), 0);
    ck_assert_uint_eq(json_array_size(f.processes), 0); /* it is no process of the generation */
    (void)rival(1);
    f = look();
    ck_assert(!f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS],
                     KNOWN_CONCLUDED); /* a living one may have sent it */
    ck_assert_ptr_nonnull(strstr(f.text, "by one of it or by a worker that lives"));
    in_haste = true;
    f = look();
    ck_assert(f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_CONCLUDED); /* nobody was asked */
}
END_TEST

START_TEST(a_pipe_that_was_sent_is_nobodys_but_of_the_one_that_had_it)
{
    struct survey_found f;

    (void)rival(1);
    (void)outsider(false, true);
    f = look();
    ck_assert(!f.survey.good[FINDING_FDS]);
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
    ck_assert_ptr_nonnull(strstr(f.survey.holder, "stdout of worker 7 (fd 31)"));
}
END_TEST

/* A worker that lives was sent what it was never given. */
START_TEST(a_worker_that_lives_may_have_what_it_was_given_and_nothing_else)
{
    struct survey_found f;

    known = child(true, false);
    f = look();
    ck_assert(f.survey.good[FINDING_FDS]);
    known = child(true, true);
    f = look();
    ck_assert(!f.survey.good[FINDING_FDS]);
    ck_assert_ptr_nonnull(strstr(f.text, "stdout of worker 7 (fd 31)"));
}
END_TEST

/* Root sees all of them; then others are only counted if somebody may not be seen. */
START_TEST(whoever_may_not_be_asked_is_counted)
{
    struct survey_found f;
    int status;
    pid_t pid;

    if (geteuid() != 0)
        return;
    pid = fork();
    if (pid == 0) { /* as nobody, this process and all others may not be looked at */
        bool ok = setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0;

        f = look();
        _exit(ok && f.survey.unread > 0 && f.survey.good[FINDING_FDS] &&
                      f.survey.how[FINDING_FDS] == KNOWN_REFUSED
                  ? 0
                  : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    f = look();
    ck_assert_uint_eq(f.survey.unread, 0);
    subject.held[0].inode = 0; /* and who had nothing has given it back */
    f = look();
    ck_assert_int_eq(f.survey.how[FINDING_FDS], KNOWN_SEEN);
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
    tcase_add_test(t, who_may_be_anothers_is_named_with_those_who_come_into_question);
    tcase_add_test(t, who_never_called_exec_is_of_the_generation_whose_program_it_runs);
    tcase_add_test(t, who_was_sent_a_descriptor_and_never_was_ours_is_found_and_named);
    tcase_add_test(t, a_pipe_that_was_sent_is_nobodys_but_of_the_one_that_had_it);
    tcase_add_test(t, a_worker_that_lives_may_have_what_it_was_given_and_nothing_else);
    tcase_add_test(t, whoever_may_not_be_asked_is_counted);
    tcase_add_test(t, an_answer_that_is_none_is_not_believed);
    suite_add_tcase(s, t);
    return unit_main(s);
}
