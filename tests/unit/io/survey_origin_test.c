/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose is somebody who has nothing but a listener that a generation that lives has, too? */
#include "supervisor/probe/proc.h"
#include "tests/unit/io/survey_fixture.h"

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
    ck_assert_int_eq(f.survey.how[FINDING_PIDS], KNOWN_REFUSED);
    (void)snprintf(want, sizeof(want), "%d `", (int)pid);
    ck_assert_msg(strncmp(f.text, want, strlen(want)) == 0 &&
                      strstr(f.text, "may be of it or of web, generation 9: nothing tells"),
                  "%s", f.text);
}
END_TEST

/* The clock of the kernel ticks a hundred times a second, and numbers are given one after the other. */
START_TEST(who_began_in_one_tick_is_told_apart_by_number)
{
    pid_t pid = child(true, false);
    struct survey_rival *other = rival(1);
    struct proc_stat st;
    struct survey_found f;

    ck_assert_int_eq(proc_stat_read(pid, &st), 0);
    other->since = st.start_time;
    other->worker = pid + 1;
    f = look();
    ck_assert_uint_eq(f.survey.left, 1);
    other->worker = pid - 1;
    f = look();
    ck_assert_uint_eq(f.survey.left, 0);
    ck_assert_int_eq(f.survey.how[FINDING_PIDS], KNOWN_REFUSED);
    ck_assert(survey_older(7, 9, 8, 2));
    ck_assert(!survey_older(8, 2, 7, 9));
    ck_assert(survey_older(8, 32767, 8, 300)); /* they began again in between */
    ck_assert(!survey_older(8, 300, 8, 32767));
    ck_assert(!survey_older(8, 300, 8, 300));
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

int
main(void)
{
    Suite *s = suite_create("survey_origin");
    TCase *t = tcase_create("survey_origin");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_listener_alone_says_whose_it_is_only_of_who_is_old_enough);
    tcase_add_test(t, who_began_in_one_tick_is_told_apart_by_number);
    tcase_add_test(t, who_may_be_anothers_is_named_with_those_who_come_into_question);
    tcase_add_test(t, who_never_called_exec_is_of_the_generation_whose_program_it_runs);
    suite_add_tcase(s, t);
    return unit_main(s);
}
