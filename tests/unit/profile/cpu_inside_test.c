/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where perf_event_open() is forbidden: a seccomp filter of the test itself sees to that. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "tests/unit/profile/cpu_fixture.h"

#define SELDOM 199 /* less often than the kernel looks at timers of CPU time: 250 times a second */

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
    number_set("BURN_PART", 1000000); /* as there are fewer samples */
    burn("worker", "alternate");
    auto_profile struct profile *p = sampled(6 * US_PER_S, 0);

    seventy_thirty(p, 99);
    ck_assert(comment_has(p, "from inside by timers of libstint"));
    ck_assert(comment_has(p, "perf_event_paranoid"));
}
END_TEST

START_TEST(two_threads_that_nobody_registered_are_in_it)
{
    forbid(EACCES);
    burn("worker", "two");
    auto_profile struct profile *p = sampled(2 * US_PER_S, SELDOM);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "part-seven") > 0);
    ck_assert(labelled(p, "thread", "part-three") > 0);
}
END_TEST

/* Its children have no timers: they are named, with the time that is missing. */
START_TEST(what_its_children_used_is_said)
{
    struct profile_target target;
    struct profile_wish wish;
    auto_profile struct profile *p = NULL;

    forbid(EPERM);
    burn("worker", "family");
    target = (struct profile_target){
        .pid = burning, .registry_fd = registry, .channel_fd = channel, .service = "web"};
    wish = (struct profile_wish){.until_us = mono_now_us() + 2 * US_PER_S};
    ck_assert_int_eq(profile_for(PROFILE_CPU, &p), 0);
    ck_assert_int_eq(profile_cpu(p, &target, &wish, &why), 0);
    ck_assert(comment_has(p, "processes that it started are not in it"));
    ck_assert(comment_has(p, "(burning-child) used "));
    ck_assert(!comment_has(p, "(burning-child) used 0.00"));
    ck_assert(comment_has(p, "those that ended "));
}
END_TEST

START_TEST(threads_that_are_spawned_meanwhile_are_in_it)
{
    forbid(ENOSYS);
    burn("worker", "spawn");
    auto_profile struct profile *p = sampled(2 * US_PER_S, SELDOM);

    seventy_thirty(p, 99);
    ck_assert(labelled(p, "thread", "short") > 90);
}
END_TEST

START_TEST(each_sample_has_the_scope_and_the_trace_of_its_moment)
{
    forbid(EPERM);
    burn("worker", "serve");
    auto_profile struct profile *p = sampled(2 * US_PER_S, SELDOM);
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
        auto_profile struct profile *p = sampled(2 * US_PER_S, SELDOM);

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

/* A worker that writes into the ring whatever it likes, as long as it lives. */
static void
be_hostile(int theirs)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    char frame[512];
    struct iovec part = {frame, sizeof(frame)};
    struct msghdr msg = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    struct stint_profile_header *ring;
    unsigned char *records;
    uint64_t chance = 88172645463325252U;
    uint32_t count, stride;
    int fd;

    if (recvmsg(theirs, &msg, 0) < 0 || !CMSG_FIRSTHDR(&msg))
        _exit(1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    ring = mmap(NULL, (size_t)lseek(fd, 0, SEEK_END), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (ring == MAP_FAILED || ftruncate(fd, 4096) == 0)
        _exit(2); /* it could be shrunk */
    count = ring->count;
    stride = ring->stride;
    records = (unsigned char *)(ring + 1);
    ring->count = ring->stride = UINT32_MAX;
    __atomic_store_n(&ring->state, STINT_PROFILE_RUNS, __ATOMIC_RELEASE);
    for (size_t i = 0;; i = (i + 1) % count) {
        struct stint_profile_record *r = (void *)(records + i * stride);
        uint64_t *words = (void *)r;

        for (size_t k = 0; k < stride / 8; k += 1 + chance % 64) {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            words[k] = k % 3 ? chance : (uint64_t)(uintptr_t)be_hostile + chance % 256;
        }
        r->stack_at = r->registers[7];
        r->state = STINT_PROFILE_FULL;
        if (i % 16 == 0)
            (void)poll(NULL, 0, 1);
    }
}

START_TEST(a_ring_full_of_lies_does_no_harm)
{
    struct profile_target target = {.service = "web", .generation = 7};
    struct profile_wish wish = {.until_us = mono_now_us() + 2 * US_PER_S};
    auto_profile struct profile *p = a_profile();
    int ends[2];

    forbid(EPERM);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(registry_create(&target.registry_fd, NULL), 0);
    target.channel_fd = ends[0];
    burning = fork();
    ck_assert_int_ge(burning, 0);
    if (burning == 0)
        be_hostile(ends[1]);
    target.pid = burning;
    ck_assert_msg(profile_cpu(p, &target, &wish, &why) == 0, "%s", why.text);
    ck_assert_int_gt(profile_total(p, 0), 100);
    ck_assert_int_gt(profile_total(p, 1), 0);
    profile_free(again(p)); /* it is one that can be read */
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
    tcase_add_test(all, what_its_children_used_is_said);
    tcase_add_test(all, each_sample_has_the_scope_and_the_trace_of_its_moment);
    tcase_add_test(all, nothing_is_left_behind_in_the_worker);
    tcase_add_test(all, who_cannot_answer_is_told_what_to_do);
    tcase_add_test(all, a_ring_full_of_lies_does_no_harm);
    suite_add_tcase(suite, all);
    return unit_main(suite);
}
