/* SPDX-License-Identifier: MIT */
/*
 * What a scope knows a thread by while that is being made: pthread_create() may say so when the new one has
 * long begun, or may fail. Linked with --wrap=pthread_create.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

typedef void *start_fn(void *);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, start_fn *fn, void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, start_fn *fn, void *arg);

static uint32_t failing;                                 /* EAGAIN, before anything is done */
static uint32_t waits_for, has_come;                     /* atomic: 1 */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* locked: no thread begins */

static start_fn *next_fn;
static void *next_arg;

static void
await(uint32_t *word)
{
    int64_t limit = soon();

    while (!__atomic_load_n(word, __ATOMIC_ACQUIRE))
        ck_assert_int_lt(stint_now_us(), limit);
}

static void *
through_the_gate(void *arg)
{
    start_fn *fn = next_fn;
    void *its = next_arg;

    (void)arg;
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return fn(its);
}

/* Says who it is as late as it may. */
int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, start_fn *fn, void *arg)
{
    pthread_t made;
    int r;

    if (failing)
        return EAGAIN;
    next_fn = fn;
    next_arg = arg;
    r = __real_pthread_create(&made, attr, through_the_gate, NULL);
    if (waits_for)
        await(&has_come);
    *thread = made;
    return r;
}

static void
up(void)
{
    (void)master_start();
    ck_assert_int_eq(stint_init(NULL), 0);
    failing = waits_for = has_come = 0;
}

/* The calling thread, whom nobody will join: else its stack would stay. */
static bool
is_detached(void)
{
    int state = PTHREAD_CREATE_JOINABLE;
    pthread_attr_t attr;

    ck_assert_int_eq(pthread_getattr_np(pthread_self(), &attr), 0);
    ck_assert_int_eq(pthread_attr_getdetachstate(&attr, &state), 0);
    ck_assert_int_eq(pthread_attr_destroy(&attr), 0);
    return state == PTHREAD_CREATE_DETACHED;
}

static void
retire(void *arg)
{
    ck_assert_int_eq(stint_generation_retire(arg, 1000, "by its own thread"), 1);
    ck_assert(is_detached());
    __atomic_store_n(&has_come, 1, __ATOMIC_RELEASE);
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

START_TEST(a_thread_may_give_up_its_scope_before_its_creator_knows_it)
{
    struct stint_scope *gen = stint_generation_open("own");

    waits_for = 1;
    ck_assert_int_eq(stint_scope_spawn(gen, "reloader", retire, gen), 0);
    while (__atomic_load_n(&stn_process.threads, __ATOMIC_ACQUIRE) > 1)
        (void)stint_token_sleep(NULL, 100);
}
END_TEST

static void
say(void *arg)
{
    __atomic_store_n((uint32_t *)arg, 1, __ATOMIC_RELEASE);
}

static void
say_detached(void *arg)
{
    ck_assert(is_detached());
    say(arg);
}

START_TEST(a_scope_may_be_given_up_before_its_thread_has_begun)
{
    struct stint_scope *scope = stint_scope_open(NULL, "brief");
    uint32_t ran = 0;

    ck_assert_int_eq(pthread_mutex_lock(&gate), 0);
    ck_assert_int_eq(stint_scope_spawn(scope, "late", say_detached, &ran), 0);
    stint_scope_abandon(scope);
    ck_assert_int_eq(pthread_mutex_unlock(&gate), 0);
    await(&ran);
    while (__atomic_load_n(&stn_process.threads, __ATOMIC_ACQUIRE) > 1)
        (void)stint_token_sleep(NULL, 100);
}
END_TEST

START_TEST(a_thread_that_could_not_be_made_is_not_its_scopes)
{
    struct stint_scope *scope = stint_scope_open(NULL, "crowded");
    struct stint_thread *thread;
    uint32_t ran = 0;

    ck_assert_int_eq(stint_scope_spawn(scope, "first", say, &ran), 0);
    await(&ran);
    failing = 1;
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(stint_scope_spawn(scope, "none", say, &ran), -EAGAIN);
    ck_assert_int_eq(stint_thread_spawn(&thread, NULL, "none", say, &ran), -EAGAIN);
    ck_assert_int_eq(stint_thread_spawn(NULL, NULL, "none", say, &ran), -EAGAIN);
    stn_tree_take();
    for (const struct stint_thread *t = scope->spawned; t; t = t->next_own)
        ck_assert_str_eq(t->name, "first"); /* at its last steps, perhaps */
    stn_tree_give();
    failing = 0;
    ck_assert_int_eq(stint_scope_spawn(scope, "second", say, &ran), 0);
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("handle");
    TCase *t = tcase_create("handle");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, up, NULL);
    tcase_add_test(t, a_thread_may_give_up_its_scope_before_its_creator_knows_it);
    tcase_add_test(t, a_scope_may_be_given_up_before_its_thread_has_begun);
    tcase_add_test(t, a_thread_that_could_not_be_made_is_not_its_scopes);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
