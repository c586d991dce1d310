/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where perf_event_open() is forbidden: a seccomp filter of the test itself sees to that. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "tests/unit/profile/cpu_fixture.h"

static void
forbid(int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {ARRAY_LEN(filter), filter};

    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(one_thread_is_attributed_within_five_points)
{
    forbid(EPERM);
    burn("worker", "alternate");
    auto_profile struct profile *p = sampled(3 * US_PER_S, 0);

    seventy_thirty(p, 99);
    ck_assert(comment_has(p, "from inside by timers of libstint"));
    ck_assert(comment_has(p, "perf_event_paranoid"));
}
END_TEST

START_TEST(two_threads_that_nobody_registered_are_in_it)
{
    forbid(EACCES);
    burn("worker", "two");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "part-seven") > 0);
    ck_assert(labelled(p, "thread", "part-three") > 0);
}
END_TEST

START_TEST(threads_that_are_spawned_meanwhile_are_in_it)
{
    forbid(ENOSYS);
    burn("worker", "spawn");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "short") > 90);
}
END_TEST

START_TEST(each_sample_has_the_scope_and_the_trace_of_its_moment)
{
    forbid(EPERM);
    burn("worker", "serve");
    auto_profile struct profile *p = sampled(US_PER_S, OFTEN);
    struct profile_label label;
    struct text said = {0};
    size_t n = profile_samples(p);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "server") > 90);
    ck_assert(labelled(p, "scope", "root/requests") > 90);
    ck_assert(labelled(p, "trace_id", "7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a") > 40);
    ck_assert(labelled(p, "trace_id", "3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b3b") > 20);
    for (size_t i = 0; i < n; i++)
        ck_assert(profile_label_of(p, i, "pid", &label) && label.number == burning);
    pprof("-top -tagfocus=trace_id=7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a", p, NULL, &said);
    has(&said, "seven");
    has_not(&said, "three");
    text_finish(&said);
}
END_TEST

START_TEST(nothing_is_left_behind_in_the_worker)
{
    char path[64], *maps;

    forbid(EPERM);
    burn("worker", "alternate");
    for (int i = 0; i < 3; i++) {
        auto_profile struct profile *p = sampled(US_PER_S, OFTEN);

        ck_assert(comment_has(p, "from inside"));
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/maps", burning);
    for (int64_t until_us = mono_now_us() + 10 * US_PER_S;;) {
        bool mapped;

        ck_assert_int_eq(file_read(path, 1 << 20, &maps, NULL, NULL), 0);
        mapped = strstr(maps, "stint-profile") != NULL;
        free(maps);
        if (!mapped)
            break;
        ck_assert_msg(mono_now_us() < until_us, "the ring is still mapped");
        (void)poll(NULL, 0, 10);
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/timers", burning);
    ck_assert_int_eq(file_read(path, 1 << 20, &maps, NULL, NULL), 0);
    ck_assert_str_eq(maps, "");
    free(maps);
}
END_TEST

START_TEST(who_cannot_answer_is_told_what_to_do)
{
    struct profile_target target = {.registry_fd = -1, .channel_fd = -1};
    struct profile_wish wish = {.until_us = mono_now_us() + US_PER_S};
    auto_profile struct profile *p = a_profile();

    forbid(EPERM);
    burn("omit", "alternate");
    target.pid = burning;
    ck_assert_int_eq(profile_cpu(p, &target, &wish, &why), -ENOTCONN);
    ck_assert_ptr_nonnull(strstr(why.text, "perf_event_paranoid"));
    ck_assert_ptr_nonnull(strstr(why.text, "CAP_PERFMON"));
    ck_assert_ptr_nonnull(strstr(why.text, "does not link libstint"));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cpu, from inside");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 200);
    tcase_add_checked_fixture(all, NULL, extinguish);
    tcase_add_test(all, one_thread_is_attributed_within_five_points);
    tcase_add_test(all, two_threads_that_nobody_registered_are_in_it);
    tcase_add_test(all, threads_that_are_spawned_meanwhile_are_in_it);
    tcase_add_test(all, each_sample_has_the_scope_and_the_trace_of_its_moment);
    tcase_add_test(all, nothing_is_left_behind_in_the_worker);
    tcase_add_test(all, who_cannot_answer_is_told_what_to_do);
    suite_add_tcase(suite, all);
    return unit_main(suite);
}
