/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is left of a generation, by what its children hold; the cgroup's part is leftovers_root's. */
#include "tests/unit/io/survey_fixture.h"

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
    tcase_add_test(t, who_was_sent_a_descriptor_and_never_was_ours_is_found_and_named);
    tcase_add_test(t, a_pipe_that_was_sent_is_nobodys_but_of_the_one_that_had_it);
    tcase_add_test(t, a_worker_that_lives_may_have_what_it_was_given_and_nothing_else);
    tcase_add_test(t, whoever_may_not_be_asked_is_counted);
    tcase_add_test(t, an_answer_that_is_none_is_not_believed);
    suite_add_tcase(s, t);
    return unit_main(s);
}
