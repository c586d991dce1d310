/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* What a thread declares about itself, as the master reads it. */
static struct master m;

static void
up(void)
{
    m = master_start();
    ck_assert_int_eq(stint_init(NULL), 0);
}

static struct stint_registry_slot
slot_of(const char *name)
{
    struct stint_registry_slot slot;

    ck_assert_msg(master_find(&m, name, &slot) == 1, "no slot of '%s'", name);
    return slot;
}

START_TEST(a_shield_is_seen_and_its_token_is_not_cancelled_with_the_thread)
{
    struct stint_token *commit, *inner;
    struct stint_registry_slot slot;

    up();
    commit = stint_shield(9000000000000000, "commit");
    ck_assert_ptr_nonnull(commit);
    ck_assert_int_eq(stint_token_deadline(commit), 9000000000000000);
    stint_token_cancel(stint_root(), STINT_CAUSE_USER, NULL);
    ck_assert(stint_token_cancelled(stint_current()));
    ck_assert_int_eq(stint_token_err(commit), 0);
    slot = slot_of("main");
    ck_assert_int_eq(slot.shield_until_us, 9000000000000000);
    ck_assert_uint_gt(slot.cancelled_us, 0);
    ck_assert_str_eq(master_site(&m, slot.reason_site).text, "commit");
    inner = stint_shield(5, "shorter");
    ck_assert_int_eq(slot_of("main").shield_until_us, 9000000000000000); /* the latest counts */
    ck_assert_int_eq(stint_token_err(inner), -ETIMEDOUT);
    stint_unshield(inner);
    inner = stint_shield(STINT_NEVER, "longer");
    ck_assert_int_eq(slot_of("main").shield_until_us, STINT_NEVER);
    (void)inner;
    stint_unshield(commit); /* somebody forgot the inner one: its shield is over, too */
    ck_assert_int_eq(slot_of("main").shield_until_us, 0);
    ck_assert_uint_eq(slot_of("main").reason_site, 0);
    stint_unshield(inner);
    stint_unshield(NULL);
    ck_assert_int_eq(slot_of("main").shield_until_us, 0);
}
END_TEST

START_TEST(an_exemption_can_expire_and_be_taken_back)
{
    struct stint_registry_slot slot;

    up();
    stint_thread_exempt("metrics", 77);
    slot = slot_of("main");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN | STINT_SLOT_EXEMPT);
    ck_assert_int_eq(slot.exempt_until_us, 77);
    ck_assert_str_eq(master_site(&m, slot.reason_site).text, "metrics");
    stint_thread_exempt(NULL, STINT_NEVER);
    slot = slot_of("main");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN);
    ck_assert_int_eq(slot.exempt_until_us, 0);
    ck_assert_uint_eq(slot.reason_site, 0);
}
END_TEST

static void
watch(void *arg)
{
    stint_thread_vital(*(const int64_t *)arg);
    stint_beat();
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
run(struct stint_token *token, const char *name, void (*fn)(void *), void *arg)
{
    struct stint_thread *thread;

    ck_assert_int_eq(stint_thread_spawn(&thread, token, name, fn, arg), 0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
}

START_TEST(a_dead_watcher_is_remembered_until_another_takes_its_place)
{
    enum { MANY = 500 };
    struct stint_token *done = stint_token_new(NULL, "done");
    struct stint_registry_slot slot;
    int64_t every = 3000000, back = -1;

    up();
    run(stint_root(), "watcher", watch, &every);
    run(stint_root(), "took it back", watch, &back);
    stint_token_cancel(done, STINT_CAUSE_USER, NULL);
    run(done, "ended in order", watch, &every);
    for (int i = 0; i < MANY; i++)
        run(stint_root(), "other", nothing, NULL);
    slot = slot_of("watcher");
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    ck_assert_uint_eq(slot.flags, STINT_SLOT_VITAL);
    ck_assert_int_eq(slot.vital_every_us, every);
    ck_assert_uint_eq(slot.beats, 1);
    ck_assert_uint_eq(slot.cancelled_us, 0);
    ck_assert_int_eq(master_find(&m, "ended in order", &slot), 0); /* its slot was needed */
    ck_assert_int_eq(master_find(&m, "took it back", &slot), 0);

    run(done, "watcher", watch, &every);
    for (int i = 0; i < MANY; i++)
        run(stint_root(), "other", nothing, NULL);
    ck_assert_int_eq(master_find(&m, "watcher", &slot), 0);
    stint_token_unref(done);
}
END_TEST

START_TEST(dead_watchers_do_not_fill_the_registry)
{
    struct stint_registry_header header;
    int64_t every = 0;
    char name[16];

    up();
    for (int i = 0; i < 400; i++) {
        (void)snprintf(name, sizeof(name), "watcher-%d", i);
        run(stint_root(), name, watch, &every);
    }
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_lt(header.slots.used, 200);
    ck_assert_uint_eq(slot_of("watcher-399").flags, STINT_SLOT_VITAL);
}
END_TEST

START_TEST(a_thread_nobody_joined_is_told_from_one_that_was_detached)
{
    struct stint_thread *unjoined, *detached;
    struct stint_registry_slot slot;
    int64_t limit;

    up();
    limit = soon();
    ck_assert_int_eq(stint_thread_spawn(&unjoined, NULL, "unjoined", nothing, NULL), 0);
    ck_assert_int_eq(stint_thread_spawn(&detached, NULL, "detached", nothing, NULL), 0);
    ck_assert_int_eq(stint_thread_spawn(NULL, NULL, "from birth", nothing, NULL), 0);
    stint_thread_detach(detached);
    for (int i = 0; i < 3; i++)
        do
            ck_assert_int_lt(stint_now_us(), limit);
        while (!master_find(&m,
                            i == 0   ? "unjoined"
                            : i == 1 ? "detached"
                                     : "from birth",
                            &slot) ||
               slot.state != STINT_SLOT_DONE);
    ck_assert_uint_eq(slot_of("unjoined").flags, STINT_SLOT_JOINABLE);
    ck_assert_uint_eq(slot_of("detached").flags, 0);
    ck_assert_uint_eq(slot_of("from birth").flags, 0);
    ck_assert_int_eq(stint_thread_join(unjoined, NULL, limit), 0);
    ck_assert_uint_eq(slot_of("unjoined").flags, 0);
}
END_TEST

static pthread_key_t rearmed;
static int came; /* atomic */
static _Thread_local char own[STINT_NAME_MAX];
static _Thread_local int rounds;

/* A destructor of thread-specific data that sets its value again, for as often as libc lets it. */
static void
again(void *arg)
{
    struct stint_registry_slot slot = slot_of(own);

    if (++rounds < 4) /* known as long as its code runs, but for the last round */
        ck_assert_uint_eq(slot.state, STINT_SLOT_LIVE);
    else
        ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    ck_assert_str_eq(master_site(&m, slot.wait_site).text, "");
    (void)__atomic_fetch_add(&came, 1, __ATOMIC_SEQ_CST);
    ck_assert_int_eq(pthread_setspecific(rearmed, arg), 0);
}

static void
set_value(void *arg)
{
    (void)snprintf(own, sizeof(own), "destructed-%d", *(int *)arg);
    ck_assert_int_eq(pthread_setspecific(rearmed, &came), 0);
    STINT_BLOCK("left by return", arg)
    return;
}

START_TEST(a_thread_in_its_destructors_is_still_known_and_its_slot_given_back_once)
{
    struct stint_registry_header header;

    /* Before ours: libc runs the destructors of a round in the order of their keys. */
    ck_assert_int_eq(pthread_key_create(&rearmed, again), 0);
    up();
    for (int i = 0; i < 100; i++) {
        char name[STINT_NAME_MAX];

        (void)snprintf(name, sizeof(name), "destructed-%d", i);
        run(stint_root(), name, set_value, &i);
    }
    ck_assert_int_ge(__atomic_load_n(&came, __ATOMIC_SEQ_CST), 400);
    ck_assert_uint_eq(slot_of("destructed-99").state, STINT_SLOT_DONE);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_le(header.slots.used, 66);
}
END_TEST

static void
jump_out(int way)
{
    for (int i = 0; i < 2; i++) {
        STINT_BLOCK("for a way out", &way)
        {
            if (way == 0)
                break;
            if (way == 1)
                continue;
            if (way == 2)
                return;
            if (way == 3)
                goto out;
        }
    }
out:
    return;
}

START_TEST(a_block_is_over_in_whatever_way_it_is_left_and_blocks_nest)
{
    struct stint_registry_slot slot;

    up();
    STINT_BLOCK("outer", &m)
    {
        for (int way = 0; way < 5; way++) {
            jump_out(way);
            slot = slot_of("main");
            ck_assert_str_eq(master_site(&m, slot.wait_site).text, "outer");
            ck_assert(slot.wait_object == (uintptr_t)&m);
        }
        STINT_BLOCK("inner", NULL)
        {
            slot = slot_of("main");
            ck_assert_str_eq(master_site(&m, slot.wait_site).text, "inner");
            ck_assert(slot.wait_object == 0);
        }
    }
    slot = slot_of("main");
    ck_assert_uint_eq(slot.wait_site, 0);
    ck_assert(slot.wait_object == 0);
}
END_TEST

START_TEST(sites_are_told_once_and_what_finds_no_room_is_counted)
{
    struct stint_registry_header header;
    char reason[32];

    up();
    for (int i = 0; i < 3000; i++)
        STINT_BLOCK("a loop", NULL)
    stint_thread_exempt("one reason", STINT_NEVER);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_le(header.sites.used, 3);
    for (int i = 0; i < STINT_REGISTRY_SITES + 10; i++) {
        (void)snprintf(reason, sizeof(reason), "reason %d", i);
        stint_thread_exempt(reason, STINT_NEVER);
    }
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.sites.used, STINT_REGISTRY_SITES);
    ck_assert_uint_gt(header.overflow_sites, 9);
    ck_assert_uint_eq(slot_of("main").reason_site, STINT_SITE_UNKNOWN);
    ck_assert_uint_eq(slot_of("main").flags & STINT_SLOT_EXEMPT, STINT_SLOT_EXEMPT);
    STINT_BLOCK("somewhere else", NULL)
    ck_assert_uint_eq(slot_of("main").wait_site, STINT_SITE_UNKNOWN);
    stint_thread_exempt("reason 7", STINT_NEVER); /* known before */
    ck_assert_str_eq(master_site(&m, slot_of("main").reason_site).text, "reason 7");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("declared");
    TCase *t = tcase_create("declared");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_shield_is_seen_and_its_token_is_not_cancelled_with_the_thread);
    tcase_add_test(t, an_exemption_can_expire_and_be_taken_back);
    tcase_add_test(t, a_dead_watcher_is_remembered_until_another_takes_its_place);
    tcase_add_test(t, dead_watchers_do_not_fill_the_registry);
    tcase_add_test(t, a_thread_nobody_joined_is_told_from_one_that_was_detached);
#ifndef __SANITIZE_THREAD__ /* which is gone by the last round */
    tcase_add_test(t, a_thread_in_its_destructors_is_still_known_and_its_slot_given_back_once);
#else
    (void)a_thread_in_its_destructors_is_still_known_and_its_slot_given_back_once;
#endif
    tcase_add_test(t, a_block_is_over_in_whatever_way_it_is_left_and_blocks_nest);
    tcase_add_test(t, sites_are_told_once_and_what_finds_no_room_is_counted);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
