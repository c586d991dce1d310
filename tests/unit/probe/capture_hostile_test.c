/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that make it hard: bounded, whatever they do, and nothing said that is not so. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tests/unit/probe/capture_fixture.h"

static pthread_mutex_t taken = PTHREAD_MUTEX_INITIALIZER;

static void *
locks(void *arg)
{
    (void)pthread_mutex_lock(&taken);
    return arg;
}

/* A thread without a libc, a stack of its own making: thousands of them cost nothing. */
__attribute__((no_sanitize("address", "undefined"))) static int
bare(void *arg)
{
    (void)arg;
    for (;;)
        (void)syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    return 0;
}

#define CROWD     17000 /* more than are looked at */
#define BARE_SIZE 4096U

static bool
bare_start(char *stacks, size_t i)
{
    const int flags =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

    return clone(bare, stacks + (i + 1) * BARE_SIZE, flags, NULL) > 0;
}

static void
a_crowd(void)
{
    char *stacks = mmap(NULL, (size_t)CROWD * BARE_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int n = 0;

    if (stacks == MAP_FAILED)
        _exit(95);
    while (n < CROWD && bare_start(stacks, (size_t)n))
        n++;
    stage->fds[0] = n;
    stage->go = true;
}

START_TEST(of_a_crowd_as_many_as_there_is_room_for_are_looked_at_and_the_rest_is_counted)
{
    struct probe_request req = {.registry_fd = -1, .between_us = 1};
    size_t polling = 0;
    int64_t began_us;

    actor_start(a_crowd);
    while (!stage->go)
        ck_assert_int_eq(sched_yield(), 0);
    req.pid = actor;
    ck_assert_int_eq(probe_capture(&req, &facts, NULL), 0);
    ck_assert_uint_eq(facts.n_threads, (size_t)stage->fds[0] + 1);
    ck_assert_uint_eq(facts.n,
                      facts.n_threads < FACTS_THREADS_MAX ? facts.n_threads : FACTS_THREADS_MAX);
    for (size_t i = 0; i < facts.n; i++)
        polling += facts.threads[i].wait == WAIT_POLL && facts.threads[i].n_fds == 0;
    ck_assert_uint_ge(polling, facts.n - 1);
    process_facts_finish(&facts);
    /* The same in a hurry: it is over in time, and says that it is not all. */
    began_us = mono_now_us();
    req.deadline_us = began_us + 20 * US_PER_MS;
    ck_assert_int_eq(probe_capture(&req, &facts, NULL), 0);
    ck_assert_int_lt(mono_now_us() - began_us, 10 * US_PER_S);
    ck_assert_str_ne(facts.note, "");
}
END_TEST

static void *
comes_and_goes(void *arg)
{
    return arg;
}

static void *
breeds(void *arg)
{
    pthread_t t;

    for (;;)
        if (pthread_create(&t, NULL, comes_and_goes, NULL) == 0)
            (void)pthread_join(t, NULL);
    return arg;
}

static void
a_swarm(void)
{
    (void)pthread_mutex_lock(&taken);
    (void)start(1, locks);
    for (unsigned i = 2; i < 6; i++)
        (void)start(i, breeds);
}

START_TEST(threads_that_come_and_go_while_they_are_looked_at_confuse_nobody)
{
    actor_start(a_swarm);
    (void)await(1, WAIT_MUTEX);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(look(1), 0);
        ck_assert_ptr_nonnull(player(0));
        ck_assert_ptr_nonnull(player(1));
        ck_assert(player(1)->still && player(1)->owner == actor && !player(1)->owner_gone);
        for (size_t k = 0; k + 1 < facts.n; k++)
            ck_assert_int_lt(facts.threads[k].tid, facts.threads[k + 1].tid);
    }
}
END_TEST

static void *
kills(void *arg)
{
    struct timespec t = {0, *(long *)arg};

    (void)nanosleep(&t, NULL);
    (void)kill(actor, SIGKILL);
    return arg;
}

START_TEST(a_process_that_dies_while_it_is_looked_at_is_gone_and_no_more)
{
    long after_ns = 0;

    for (; after_ns < 6000000; after_ns += 300000) {
        pthread_t killer;
        int r;

        actor_start(a_swarm);
        (void)await(1, WAIT_MUTEX);
        ck_assert_int_eq(pthread_create(&killer, NULL, kills, &after_ns), 0);
        do {
            r = look(1);
            ck_assert(r == 0 || r == -ESRCH);
        } while (r == 0);
        ck_assert_int_eq(pthread_join(killer, NULL), 0);
        ck_assert_int_eq(waitpid(actor, NULL, 0), actor);
        actor = 0;
        (void)munmap(stage, sizeof(*stage));
    }
}
END_TEST

static char *page; /* of the actor; it goes away under those who wait in it */

static void *
waits_on_the_page(void *arg)
{
    (void)syscall(SYS_futex, page, 0 | 128 /* FUTEX_WAIT_PRIVATE */, 0, NULL, NULL, 0);
    return arg;
}

static void *
polls_the_page(void *arg)
{
    struct pollfd *fds = (struct pollfd *)(void *)(page + 64);

    fds[0].fd = -1;
    (void)poll(fds, 1, -1);
    return arg;
}

static void *
sleeps_by_the_page(void *arg)
{
    struct timespec *t = (struct timespec *)(void *)(page + 128);

    t->tv_sec = 3600;
    (void)nanosleep(t, NULL);
    return arg;
}

static void
on_thin_ice(void)
{
    (void)prctl(PR_SET_NAME, "a\n) R 1\x1b[2J");
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)start(1, waits_on_the_page);
    (void)start(2, polls_the_page);
    (void)start(3, sleeps_by_the_page);
    while (!stage->go)
        (void)sched_yield();
    (void)munmap(page, 4096);
    stage->fds[0] = 1;
}

START_TEST(what_they_wait_in_may_be_gone_from_their_memory)
{
    actor_start(on_thin_ice);
    (void)await(1, WAIT_FUTEX);
    (void)await(2, WAIT_POLL);
    ck_assert_int_eq(await(3, WAIT_SLEEP)->timeout_us, 3600 * US_PER_S);
    stage->go = true;
    while (stage->fds[0] == 0)
        (void)sched_yield();
    ck_assert_int_eq(look(1), 0);
    ck_assert(player(1) && player(1)->wait == WAIT_FUTEX && player(1)->owner == 0);
    ck_assert(player(2) && player(2)->wait == WAIT_POLL && player(2)->n_fds == 0);
    ck_assert(player(3) && player(3)->wait == WAIT_SLEEP);
    ck_assert_int_eq(player(3)->timeout_us, INT64_MAX); /* not known, and not invented */
    ck_assert_str_eq(facts.comm, "a?) R 1?[2J");
}
END_TEST

static void
torn_to_pieces(void)
{
    const size_t pages = 60000;
    char *all = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    for (size_t i = 0; i < pages; i += 2)
        (void)mprotect(all + i * 4096, 4096, PROT_READ | PROT_EXEC); /* as code made at run time */
    (void)pthread_mutex_lock(&taken);
    (void)start(1, locks);
}

START_TEST(sixty_thousand_mappings_are_no_obstacle)
{
    const struct thread_facts *t;

    actor_start(torn_to_pieces);
    t = await(1, WAIT_MUTEX);
    ck_assert_int_eq(t->owner, actor);
}
END_TEST

#if defined(__x86_64__)
/* With the stack pointer just anywhere: the kernel does not mind, as long as it only waits. */
__attribute__((no_sanitize("address", "undefined"), noinline)) static void *
stands_nowhere(void *arg)
{
    register long call __asm__("rax") = SYS_pause;
    register long nowhere __asm__("rbx") = *(long *)arg;

    __asm__ volatile("mov %%rsp, %%r12\n\tmov %%rbx, %%rsp\n\tsyscall\n\tmov %%r12, %%rsp"
                     : "+r"(call)
                     : "r"(nowhere)
                     : "rcx", "r11", "r12", "memory");
    return arg;
}

static long places[] = {0, 8, -8, -4096, 0x7ffffffff000, 0x1234567, INT64_MAX, INT64_MIN};

static void *
stands_somewhere(void *arg)
{
    unsigned i = (unsigned)stage->fds[1]++;

    enter(10 + i);
    (void)stands_nowhere(&places[i]);
    return arg;
}

static void
nowhere(void)
{
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        (void)start(1, stands_somewhere);
}

START_TEST(a_stack_pointer_that_leads_nowhere_leads_nobody_astray)
{
    actor_start(nowhere);
    for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
        const struct thread_facts *t = await(10 + i, WAIT_SIGNAL);

        ck_assert_uint_eq(t->sp, (uint64_t)places[i]);
        ck_assert_uint_le(t->n_frames, FACTS_FRAMES_MAX);
    }
}
END_TEST
#endif

int
main(void)
{
    Suite *s = suite_create("capture_hostile");
    TCase *t = tcase_create("capture_hostile");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 110);
    tcase_add_test(t,
                   of_a_crowd_as_many_as_there_is_room_for_are_looked_at_and_the_rest_is_counted);
    tcase_add_test(t, threads_that_come_and_go_while_they_are_looked_at_confuse_nobody);
    tcase_add_test(t, a_process_that_dies_while_it_is_looked_at_is_gone_and_no_more);
    tcase_add_test(t, what_they_wait_in_may_be_gone_from_their_memory);
    tcase_add_test(t, sixty_thousand_mappings_are_no_obstacle);
#if defined(__x86_64__)
    tcase_add_test(t, a_stack_pointer_that_leads_nowhere_leads_nobody_astray);
#endif
    suite_add_tcase(s, t);
    return unit_main(s);
}
