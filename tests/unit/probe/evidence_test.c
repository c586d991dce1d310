/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/probe/evidence.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "tests/unit/probe/evidence_fixture.h"

static void *
reads(void *arg)
{
    char c;

    sign_in(1, "flush-2", mono_now_us() - 31 * US_PER_S);
    (void)!read(silent[0], &c, 1);
    return arg;
}

static void *
is_exempt(void *arg)
{
    slots_map()[2].flags = STINT_SLOT_EXEMPT;
    slots_map()[2].reason_site = 2;
    fixture_sites[1].kind = STINT_SITE_REASON;
    strcpy(fixture_sites[1].text, "drains last");
    sign_in(2, "metrics", mono_now_us() - US_PER_S);
    return sleeps(arg);
}

static const struct evidence_thread *
by_name(const struct evidence *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (strcmp(e->threads[i].name, name) == 0)
            return &e->threads[i];
    return NULL;
}

static void
a_leaking_life(void)
{
    sign_in(0, "main", mono_now_us() - 31 * US_PER_S);
    (void)start(sleeps);
    (void)start(is_exempt);
    (void)pthread_join(start(reads), NULL);
}

/* Threads sign in and come to rest in any order: until all that is to be seen can be seen at once. */
static struct evidence *
await_at_rest(void)
{
    static const char *const words[] = {"blocked in read(fd ",
                                        "; thread `main` waits in pthread_join(`flush-2`)",
                                        "; 1 more is not registered"};
    int64_t deadline_us = mono_now_us() + 20 * US_PER_S;

    for (;;) {
        struct evidence *e = await(words[0]);
        const struct evidence_thread *napper = by_name(e, "napper");

        if (strstr(text_str(&summary), words[1]) && strstr(text_str(&summary), words[2]) &&
            napper && strcmp(napper->wait_class, "wait") == 0)
            return e;
        evidence_destroy(e);
        ck_assert_msg(mono_now_us() < deadline_us, "not at rest: %s", text_str(&summary));
    }
}

START_TEST(a_straggler_is_named_with_its_place_its_age_and_what_it_waits_for)
{
    worker_start(a_leaking_life);
    struct evidence *e = await_at_rest();
    const struct evidence_thread *flush = &e->threads[0], *t;
    char pipe_name[64], want[256];

    ck_assert_int_gt(proc_fd_target(worker, silent[0], pipe_name, sizeof(pipe_name)), -1);
    (void)snprintf(want, sizeof(want),
                   "thread `flush-2`, started at cache.c:88 (cache_start_flusher) by `main`, "
                   "ignored its cancelled token for 31");
    ck_assert_msg(strncmp(text_str(&summary), want, strlen(want)) == 0, "%s", text_str(&summary));
    (void)snprintf(want, sizeof(want), " s, blocked in read(fd %d → %s)", silent[0], pipe_name);
    ck_assert_ptr_nonnull(strstr(text_str(&summary), want));

    ck_assert_int_eq(e->grade, EVIDENCE_REGISTRY);
    ck_assert_uint_eq(e->n_stragglers, 1);
    ck_assert_uint_eq(evidence_stragglers(e), 1);
    ck_assert_uint_eq(e->n, 4);
    ck_assert_uint_eq(e->n_threads, 4);
    ck_assert_uint_eq(e->n_registered, 3);
    ck_assert(flush->straggler && flush->registered && !flush->main);
    ck_assert_str_eq(flush->wait_class, "read");
    t = by_name(e, "main");
    ck_assert(t->main && !t->straggler); /* it waits for the others */
    ck_assert_str_eq(t->wait_class, "join");
    t = by_name(e, "metrics");
    ck_assert(t->exempt && !t->straggler);
    ck_assert_str_eq(t->reason, "drains last");
    t = by_name(e, "napper");
    ck_assert(!t->registered);
    ck_assert_str_eq(t->wait_class, "wait");
    ck_assert_int_lt(e->at_us - t->started_us, 30 * US_PER_S);
    ck_assert_int_gt(e->at_us - t->started_us, -US_PER_S);
    evidence_destroy(e);
}
END_TEST

static void
a_hanging_life(void)
{
    sign_in(0, "main", mono_now_us() - US_PER_S);
    (void)naps(NULL);
}

START_TEST(the_main_thread_is_blamed_when_there_is_nobody_else)
{
    worker_start(a_hanging_life);
    struct evidence *e = await("thread `main`, started at cache.c:88");

    ck_assert_uint_eq(e->n_stragglers, 1);
    evidence_destroy(await("blocked in nanosleep"));
    evidence_destroy(e);
}
END_TEST

static void
an_unmanaged_life(void)
{
    (void)start(sleeps);
    (void)naps(NULL);
}

START_TEST(a_worker_without_a_registry_has_the_kernels_list)
{
    worker_start(an_unmanaged_life);
    struct evidence *e = await("2 threads, none registered: ");

    ck_assert_int_eq(e->grade, EVIDENCE_PROC);
    ck_assert_ptr_nonnull(strstr(text_str(&summary), "the worker has not written its registry"));
    ck_assert_uint_eq(evidence_stragglers(e), 1); /* the thread that is not main */
    evidence_destroy(e);
    ck_assert_int_eq(evidence_collect(worker, -1, mono_now_us(), &e, NULL), 0);
    ck_assert_str_eq(e->note, "the worker has no registry");
    evidence_destroy(e);
}
END_TEST

static void
a_life_with_ghosts(void)
{
    sign_in(0, "main", 0);
    slots_map()[5] = slots_map()[0];
    slots_map()[5].tid = 1; /* alive, but not a thread of ours */
    slots_map()[6] = slots_map()[0];
    slots_map()[6].alive_ns /= 2; /* our number, in another life */
    fixture_seqs[7] = 1;
    (void)naps(NULL);
}

START_TEST(a_claim_the_kernel_does_not_confirm_is_a_ghost)
{
    worker_start(a_life_with_ghosts);
    evidence_destroy(await("(1 registry slots could not be read)")); /* written by hand, and last */
    struct evidence *e = await("(1 registry slots could not be read)");

    ck_assert_uint_eq(e->n_registered, 1);
    ck_assert_uint_eq(e->n_ghosts, 2);
    ck_assert_uint_eq(e->torn, 1);
    evidence_destroy(e);
}
END_TEST

static void
a_crowded_life(void)
{
    for (int i = 0; i < 1000; i++)
        (void)start(sleeps);
    sign_in(0, "main", 0);
    (void)naps(NULL);
}

START_TEST(a_thousand_threads_do_not_stall_the_loop)
{
    int64_t best_us = INT64_MAX;

    worker_start(a_crowded_life);
    evidence_destroy(await("1001 threads, no straggler"));
    for (int i = 0; i < 10; i++) {
        int64_t from_us = mono_now_us();
        struct evidence *e;

        ck_assert_int_eq(evidence_collect(worker, registry, from_us, &e, NULL), 0);
        int64_t took_us = mono_now_us() - from_us;

        best_us = took_us < best_us ? took_us : best_us;
        ck_assert_uint_eq(e->n, 1001);
        evidence_destroy(e);
    }
    printf("1001 threads: %lld us\n", (long long)best_us);
    ck_assert_int_lt(best_us, US_PER_S); /* far from it, on any machine */
}
END_TEST

static void
a_leak_in_the_crowd(void)
{
    for (int i = 0; i < EVIDENCE_THREADS_MAX + 100; i++)
        (void)start(sleeps);
    sign_in(0, "main", 0);
    (void)pthread_join(start(reads), NULL); /* the last of all */
}

START_TEST(a_straggler_is_found_behind_more_threads_than_are_listed)
{
    worker_start(a_leak_in_the_crowd);
    struct evidence *e = await("thread `flush-2`, started at cache.c:88");

    ck_assert_uint_eq(e->n, EVIDENCE_THREADS_MAX);
    ck_assert_uint_eq(e->n_threads, EVIDENCE_THREADS_MAX + 102);
    ck_assert_str_eq(e->threads[0].name, "flush-2");
    evidence_destroy(e);
}
END_TEST

START_TEST(who_is_gone_has_no_threads)
{
    struct evidence *e;
    struct error err;
    siginfo_t info;

    worker_start(a_hanging_life);
    ck_assert_int_eq(kill(worker, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)worker, &info, WEXITED | WNOWAIT), 0);
    ck_assert_int_eq(evidence_collect(worker, -1, 0, &e, &err), -ESRCH);
    ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
    ck_assert_int_eq(evidence_collect(worker, -1, 0, &e, &err), -ESRCH);
    worker = 0;
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("evidence");
    TCase *t = tcase_create("evidence");

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_straggler_is_named_with_its_place_its_age_and_what_it_waits_for);
    tcase_add_test(t, the_main_thread_is_blamed_when_there_is_nobody_else);
    tcase_add_test(t, a_worker_without_a_registry_has_the_kernels_list);
    tcase_add_test(t, a_claim_the_kernel_does_not_confirm_is_a_ghost);
    tcase_add_test(t, a_thousand_threads_do_not_stall_the_loop);
    tcase_add_test(t, a_straggler_is_found_behind_more_threads_than_are_listed);
    tcase_add_test(t, who_is_gone_has_no_threads);
    suite_add_tcase(s, t);
    return unit_main(s);
}
