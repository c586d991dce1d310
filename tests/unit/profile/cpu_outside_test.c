/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/cpu_perf.h"
#include "tests/unit/profile/cpu_fixture.h"

START_TEST(a_program_with_frame_pointers_is_attributed_within_five_points)
{
    number_set("BURN_PART", 1000000); /* as there are fewer samples */
    burn("keep", "alternate");
    auto_profile struct profile *p = sampled(6 * US_PER_S, 0);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(a_program_without_frame_pointers_is_attributed_within_five_points)
{
    burn("omit", "alternate");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(code_that_no_table_describes_is_unwound_by_its_frame_pointers)
{
    burn("bare", "alternate");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 95);
}
END_TEST

START_TEST(a_static_program_is_attributed_too)
{
    burn("static", "alternate");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(callbacks_within_libc_are_whole_stacks)
{
    burn("omit", "sort");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
    ck_assert_int_gt(share_of(p, "compare").with * 100, share_of(p, "compare").all * 98);
}
END_TEST

START_TEST(two_threads_are_attributed_each_by_its_name)
{
    burn("omit", "two");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "part-seven") > 0);
    ck_assert(labelled(p, "thread", "part-three") > 0);
}
END_TEST

START_TEST(threads_that_are_started_meanwhile_are_in_it)
{
    burn("omit", "come-and-go");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(a_deep_stack_is_whole)
{
    burn("omit", "deep");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(what_a_child_of_the_worker_does_is_in_it)
{
    burn("omit", "fork");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
}
END_TEST

START_TEST(time_in_the_kernel_is_seen_by_who_may)
{
    burn("omit", "kernel");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);
    struct share s = share_of(p, "system_calls");

    if (geteuid() != 0) { /* then it is said, and only the program's own time is there */
        ck_assert(comment_has(p, "time in the kernel is not in it"));
        return;
    }
    ck_assert_int_gt(s.with * 100, s.all * 95);
    ck_assert_int_ge(profile_total(p, 0), ENOUGH);
}
END_TEST

START_TEST(pprof_names_functions_and_lines)
{
    struct text said = {0};

    burn("omit", "alternate");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    pprof("-top -cum", p, NULL, &said);
    has(&said, "seven");
    has(&said, "three");
    has(&said, "main");
    pprof("-traces -lines", p, NULL, &said);
    has(&said, "burn.c:");
    has(&said, "service:");
    pprof("-tags", p, NULL, &said);
    has(&said, "generation");
    has(&said, "slot");
    ck_assert(comment_has(p, "from outside by perf_event_open"));
    ck_assert(comment_has(p, "shorter than 30 s"));
    text_finish(&said);
}
END_TEST

START_TEST(a_registered_thread_has_scope_and_trace)
{
    burn("worker", "serve");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "server") > 80);
    ck_assert(labelled(p, "scope", "root/requests") > 80);
    ck_assert(labelled(p, "trace_id", "7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a") > 20);
    ck_assert(labelled(p, "trace_id", "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b") > 10);
    ck_assert(comment_has(p, "from outside by perf_event_open"));
}
END_TEST

START_TEST(a_worker_that_ends_ends_the_profile)
{
    struct profile_target target = {.registry_fd = -1, .channel_fd = -1};
    struct profile_wish wish = {.until_us = mono_now_us() + 60 * US_PER_S};

    burn("omit", "alternate");
    target.pid = burning;
    if (fork() == 0) {
        (void)poll(NULL, 0, 1500);
        (void)kill(burning, SIGKILL);
        _exit(0);
    }
    auto_profile struct profile *p = a_profile();

    ck_assert_msg(profile_cpu(p, &target, &wish, &why) == 0, "%s", why.text);
    ck_assert(comment_has(p, "the worker ended before the time was up"));
    ck_assert_int_gt(share_of(p, "seven").with, 0); /* its file is still where it was */
    ck_assert_int_lt(mono_now_us(), wish.until_us - 20 * US_PER_S);
    (void)waitpid(burning, NULL, 0);
    ck_assert_int_eq(profile_cpu(p, &target, &wish, &why), -ESRCH);
}
END_TEST

/* What is set already, or would not help, is not advised. */
static const struct {
    struct cpu_refusal refusal;
    const char *helps, *does_not;
} refusals[] = {
    {{.paranoid = 3},                                  "kernel.perf_event_paranoid=2", "seccomp"   },
    {{.paranoid = 3, .perfmon = true},                 "CAP_SYS_ADMIN",                "seccomp"   },
    {{.paranoid = 3, .filtered = true},
     "kernel.perf_event_paranoid=2",                                                   "seccomp"   }, /* first of two */
    {{.paranoid = 3, .admin = true, .filtered = true}, "seccomp",                      "paranoid=2"},
    {{.paranoid = 2, .filtered = true},                "seccomp",                      "paranoid=2"},
    {{.paranoid = 2},                                  "another user",                 "paranoid=2"},
    {{.paranoid = -1, .perfmon = true},                "security module",              "CAP_"      },
    {{.paranoid = 2, .admin = true},                   "security module",              "CAP_"      },
};

START_TEST(of_who_may_not_be_sampled_it_is_told_what_helps)
{
    const char *words = cpu_refused_why(&refusals[_i].refusal);

    ck_assert_msg(strstr(words, refusals[_i].helps) != NULL, "%s", words);
    ck_assert_msg(strstr(words, refusals[_i].does_not) == NULL, "%s", words);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cpu, from outside");
    TCase *shares = tcase_create("shares"), *rest = tcase_create("rest");

    tcase_set_timeout(shares, 200);
    tcase_add_checked_fixture(shares, NULL, extinguish);
    tcase_add_test(shares, a_program_with_frame_pointers_is_attributed_within_five_points);
    tcase_add_test(shares, a_program_without_frame_pointers_is_attributed_within_five_points);
    tcase_add_test(shares, code_that_no_table_describes_is_unwound_by_its_frame_pointers);
    tcase_add_test(shares, a_static_program_is_attributed_too);
    tcase_add_test(shares, callbacks_within_libc_are_whole_stacks);
    tcase_add_test(shares, two_threads_are_attributed_each_by_its_name);
    tcase_add_test(shares, threads_that_are_started_meanwhile_are_in_it);
    tcase_add_test(shares, a_deep_stack_is_whole);
    tcase_add_test(shares, what_a_child_of_the_worker_does_is_in_it);
    suite_add_tcase(suite, shares);
    tcase_set_timeout(rest, 200);
    tcase_add_checked_fixture(rest, NULL, extinguish);
    tcase_add_test(rest, time_in_the_kernel_is_seen_by_who_may);
    tcase_add_test(rest, pprof_names_functions_and_lines);
    tcase_add_test(rest, a_registered_thread_has_scope_and_trace);
    tcase_add_test(rest, a_worker_that_ends_ends_the_profile);
    tcase_add_loop_test(rest, of_who_may_not_be_sampled_it_is_told_what_helps, 0,
                        (int)ARRAY_LEN(refusals));
    suite_add_tcase(suite, rest);
    return unit_main(suite);
}
