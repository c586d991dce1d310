/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <pthread.h>

#include "tests/unit/io/probing_fixture.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifdef SANITIZED
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true /* there is no limit then */
#else
#define SANITIZED false
#endif

static void *
sit(void *arg)
{
    (void)arg;
    (void)pause();
    return NULL;
}

/* A worker of a thousand threads, as its first thread tells through the pipe. */
static pid_t
fat(void)
{
    int ends[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        pthread_attr_t attr;
        pthread_t t;

        (void)pthread_attr_init(&attr);
        (void)pthread_attr_setstacksize(&attr, (size_t)64 << 10);
        for (int i = 0; i < 1000; i++)
            if (pthread_create(&t, &attr, sit, NULL) != 0)
                _exit(1);
        (void)!write(ends[1], "!", 1);
        (void)pause();
        _exit(0);
    }
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    return pid;
}

START_TEST(who_makes_the_helper_fat_is_told_to_be_and_the_next_look_goes_on)
{
    struct probing_request rq = request();

    (void)kill(at.child, SIGKILL);
    ck_assert_int_eq(waitpid(at.child, NULL, 0), at.child);
    at.child = rq.pid = fat();
    rq.memory = (uint64_t)1 << 20;
    probing_ask(at.probing, &rq, NULL);
    await(1);
    if (!SANITIZED) {
        ck_assert_uint_eq(at.seen, 0);
        ck_assert_msg(
            strstr(at.summary, "it has 1001 threads: the look would take more than 1 MiB"), "%s",
            at.summary);
    }
    rq.memory = 0;
    probing_ask(at.probing, &rq, NULL);
    await(2);
    ck_assert_int_eq(at.total, 1001);
    ck_assert_uint_eq(at.seen, SANITIZED ? 2 : 1);
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("probing_memory");
    TCase *t = tcase_create("probing_memory");

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, who_makes_the_helper_fat_is_told_to_be_and_the_next_look_goes_on);
    suite_add_tcase(s, t);
    return unit_main(s);
}
