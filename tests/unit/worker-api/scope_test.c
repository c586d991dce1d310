/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"
#include "worker-api/state.h"

#define GRACE_US 20000

static void
obey(void *arg)
{
    (void)arg;
    (void)stint_token_wait(stint_current(), STINT_NEVER);
}

/* Leaves when told by the test, not by its token. */
static void
stay(void *arg)
{
    struct stint_token *hold = arg;

    STINT_BLOCK("for the test to end", hold)
    (void)stint_token_wait(hold, STINT_NEVER);
}

static struct master m;
static struct stint_token *hold; /* what those obey who do not obey their scope */

static void
up(void)
{
    m = master_start();
    ck_assert_int_eq(stint_init(NULL), 0);
    hold = stint_token_new(NULL, "hold");
}

static void
down(void)
{
    stint_token_unref(hold);
}

/* All may leave now, and do. */
static void
end(struct stint_scope *scope)
{
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
}

START_TEST(a_scope_whose_threads_obey_is_closed_and_all_are_joined)
{
    struct stint_scope *scope = stint_scope_open(NULL, "requests");
    struct stint_registry_scope seen;
    struct stint_registry_slot slot;

    ck_assert_ptr_nonnull(scope);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(stint_scope_spawn(scope, "obedient", obey, NULL), 0);
    ck_assert_int_eq(master_scope(&m, "requests", &seen), 1);
    ck_assert_uint_eq(seen.state, STINT_SCOPE_OPEN);
    ck_assert_uint_eq(seen.threads, 5);
    ck_assert_uint_eq(seen.parent, 0);
    ck_assert_uint_eq(seen.cancelled_us, 0);
    ck_assert_ptr_nonnull(
        strstr(master_site(&m, seen.birth_site).function, "a_scope_whose_threads_obey_is"));
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
    ck_assert_int_eq(master_scope(&m, "requests", &seen), 1);
    ck_assert_uint_eq(seen.state, STINT_SCOPE_CLOSED);
    ck_assert_uint_eq(seen.threads, 0);
    ck_assert_uint_eq(seen.cause, STINT_CAUSE_CLOSED);
    ck_assert_int_eq(seen.grace_us, SOON_US);
    ck_assert_str_eq(seen.who, "main");
    ck_assert_int_eq(master_find(&m, "obedient", &slot), 1);
    ck_assert_uint_eq(slot.state, STINT_SLOT_DONE);
    ck_assert_uint_eq(slot.flags & STINT_SLOT_JOINABLE, 0);
}
END_TEST

START_TEST(who_does_not_leave_is_returned_by_name_and_place_and_the_scope_can_be_closed_again)
{
    struct stint_scope *scope = stint_scope_open(NULL, "zombie");
    struct stint_straggler who[2] = {{.size = sizeof(who[0])}};
    struct stint_look look;
    char body[STINT_FRAME_MAX];

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stint_scope_spawn(scope, "stubborn", stay, hold), 0);
    ck_assert_int_eq(stint_scope_spawn(scope, "obedient", obey, NULL), 0);
    (void)master_receive(&m, body); /* hello */
    ck_assert_int_eq(stint_scope_close(scope, GRACE_US, who, 2), 3);
    for (int i = 0; i < 2; i++) {
        ck_assert_str_eq(who[i].name, "stubborn");
        ck_assert_ptr_nonnull(strstr(who[i].file, "scope_test.c"));
        ck_assert_ptr_nonnull(strstr(who[i].function, "who_does_not_leave"));
        ck_assert_uint_gt(who[i].line, 0);
        ck_assert_int_gt(who[i].tid, 0);
        ck_assert_int_gt(who[i].started_us, 0);
        ck_assert_int_ge(who[i].cancelled_us, who[i].started_us);
        ck_assert_ptr_eq(strstr(who[i].waits, "for the test to end at scope_test.c:"),
                         who[i].waits);
    }
    ck_assert_uint_eq(master_receive(&m, body).type, STINT_FRAME_LOOK);
    memcpy(&look, body, sizeof(look));
    ck_assert_str_eq(look.text, "zombie");
    ck_assert_uint_eq(look.generation, 0);
    ck_assert_int_le(look.at_us, stint_now_us());
    end(scope);
}
END_TEST

START_TEST(an_older_programs_straggler_is_a_prefix_of_ours)
{
    struct stint_scope *scope = stint_scope_open(NULL, "old");
    const size_t old = offsetof(struct stint_straggler, file); /* as if that was all */
    char two[2 * sizeof(struct stint_straggler)];
    struct stint_straggler one;

    memset(two, 0x55, sizeof(two));
    memcpy(two, &old, sizeof(old));
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stint_scope_spawn(scope, "stubborn", stay, hold), 0);
    ck_assert_int_eq(stint_scope_close(scope, 0, (struct stint_straggler *)(void *)two, 2), 2);
    memcpy(&one, two + old, old);
    ck_assert_str_eq(one.name, "stubborn");
    ck_assert_uint_eq((unsigned char)two[2 * old], 0x55);
    end(scope);
}
END_TEST

START_TEST(scopes_within_are_cancelled_and_counted_with_it)
{
    struct stint_scope *outer = stint_scope_open(NULL, "outer");
    struct stint_scope *inner = stint_scope_open(outer, "inner");
    struct stint_registry_scope seen, seen_inner;

    ck_assert_int_eq(stint_scope_spawn(inner, "deep", stay, hold), 0);
    ck_assert_int_eq(stint_scope_spawn(outer, "flat", obey, NULL), 0);
    ck_assert_int_eq(master_scope(&m, "outer", &seen), 1);
    ck_assert_uint_eq(seen.threads, 2);
    ck_assert_int_eq(stint_scope_close(outer, GRACE_US, NULL, 0), 1);
    ck_assert(stint_token_cancelled(stint_scope_token(inner)));
    ck_assert_int_eq(master_scope(&m, "inner", &seen_inner), 1);
    ck_assert_int_eq(master_scope(&m, "outer", &seen), 1);
    ck_assert_uint_eq(seen_inner.cancelled_us, seen.cancelled_us);
    ck_assert_uint_eq(seen_inner.threads, 1);
    end(inner);
    ck_assert_int_eq(stint_scope_close(outer, SOON_US, NULL, 0), 0);
}
END_TEST

START_TEST(a_scope_waits_for_every_thread_under_its_token_however_it_was_made)
{
    struct stint_scope *scope = stint_scope_open(NULL, "broad");
    struct stint_token *below = stint_token_new(stint_scope_token(scope), "below");
    struct stint_thread *thread;
    struct stint_straggler who;

    who.size = sizeof(who);
    ck_assert_int_eq(stint_thread_spawn(&thread, below, "by hand", stay, hold), 0);
    ck_assert_int_eq(stint_scope_close(scope, GRACE_US, &who, 1), 1);
    ck_assert_str_eq(who.name, "by hand");
    end(scope);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()),
                     0); /* its handle is still its maker's */
    stint_token_unref(below);
}
END_TEST

static void
close_own(void *arg)
{
    ck_assert_int_eq(stint_scope_close(arg, SOON_US, NULL, 0), -EDEADLK);
}

START_TEST(a_thread_cannot_wait_for_itself)
{
    struct stint_scope *scope = stint_scope_open(NULL, "own");

    ck_assert_int_eq(stint_scope_spawn(scope, "closer", close_own, scope), 0);
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
    ck_assert_int_eq(stint_scope_close(NULL, SOON_US, NULL, 0), 0);
}
END_TEST

START_TEST(an_abandoned_scope_goes_with_its_last_thread)
{
    struct stint_scope *scope = stint_scope_open(NULL, "left");
    struct stint_registry_scope seen;
    int64_t limit = soon();

    ck_assert_int_eq(stint_scope_spawn(scope, "stubborn", stay, hold), 0);
    stint_scope_abandon(scope);
    stint_scope_abandon(NULL);
    ck_assert_int_eq(master_scope(&m, "left", &seen), 1);
    ck_assert_uint_eq(seen.state, STINT_SCOPE_OPEN);
    ck_assert_uint_gt(seen.cancelled_us, 0);
    ck_assert_uint_eq(seen.threads, 1);
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    do
        ck_assert_int_eq(master_scope(&m, "left", &seen), 1);
    while (seen.state != STINT_SCOPE_CLOSED && stint_now_us() < limit);
    ck_assert_uint_eq(seen.state, STINT_SCOPE_CLOSED);
}
END_TEST

static void
nothing(void *arg)
{
    (void)arg;
}

static unsigned
not_joined(const struct stint_scope *scope)
{
    unsigned n = 0;

    stn_tree_take();
    ck_assert_ptr_null(scope->spawned); /* none of those runs */
    for (const struct stint_thread *t = scope->ended; t; t = t->next_own)
        n++;
    stn_tree_give();
    return n;
}

START_TEST(a_scope_that_lives_long_joins_its_threads_as_it_goes)
{
    enum { MANY = 3000, BATCH = 16 };
    struct stint_scope *scope = stint_scope_open(NULL, "long");
    struct stint_registry_header header;

    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(stint_scope_spawn(scope, "short", nothing, NULL), 0);
        while (i % BATCH == 0 && __atomic_load_n(&scope->threads, __ATOMIC_ACQUIRE) > 0)
            (void)stint_token_sleep(NULL, 100);
        if (i % BATCH == 0)
            ck_assert_uint_lt(not_joined(scope), (size_t)3 * BATCH); /* not their stacks, either */
    }
    ck_assert_int_eq(stint_scope_close(scope, SOON_US, NULL, 0), 0);
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_lt(header.slots.used, 500); /* slots are used again, early */
}
END_TEST

START_TEST(more_scopes_than_places_are_counted_and_work)
{
    enum { MANY = STINT_REGISTRY_SCOPES + 20 };
    static struct stint_scope *scopes[MANY];
    struct stint_registry_header header;
    struct stint_registry_slot slot;

    for (int i = 0; i < MANY; i++)
        ck_assert_ptr_nonnull(scopes[i] = stint_scope_open(i ? scopes[0] : NULL, "many"));
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.scopes.used, STINT_REGISTRY_SCOPES);
    ck_assert_uint_eq(header.overflow_scopes, MANY - (STINT_REGISTRY_SCOPES - 1));
    ck_assert_int_eq(stint_scope_spawn(scopes[MANY - 1], "outside", stay, hold), 0);
    while (!master_find(&m, "outside", &slot))
        (void)stint_token_sleep(NULL, 100);
    ck_assert_uint_eq(slot.scope, 1); /* shown where the nearest is that has a place */
    ck_assert_int_eq(stint_scope_close(scopes[MANY - 1], GRACE_US, NULL, 0), 1);
    stint_token_cancel(hold, STINT_CAUSE_USER, NULL);
    for (int i = MANY - 1; i >= 0; i--)
        ck_assert_int_eq(stint_scope_close(scopes[i], SOON_US, NULL, 0), 0);
    for (int i = 0; i < MANY; i++) { /* places and ids come back */
        ck_assert_ptr_nonnull(scopes[0] = stint_scope_open(NULL, "again"));
        ck_assert_int_eq(stint_scope_close(scopes[0], 0, NULL, 0), 0);
    }
    ck_assert_int_eq(pread(m.registry, &header, sizeof(header), 0), sizeof(header));
    ck_assert_uint_eq(header.overflow_scopes, MANY - (STINT_REGISTRY_SCOPES - 1));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("scope");
    TCase *t = tcase_create("scope");

    tcase_add_checked_fixture(t, up, down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_scope_whose_threads_obey_is_closed_and_all_are_joined);
    tcase_add_test(
        t, who_does_not_leave_is_returned_by_name_and_place_and_the_scope_can_be_closed_again);
    tcase_add_test(t, an_older_programs_straggler_is_a_prefix_of_ours);
    tcase_add_test(t, scopes_within_are_cancelled_and_counted_with_it);
    tcase_add_test(t, a_scope_waits_for_every_thread_under_its_token_however_it_was_made);
    tcase_add_test(t, a_thread_cannot_wait_for_itself);
    tcase_add_test(t, an_abandoned_scope_goes_with_its_last_thread);
    tcase_add_test(t, a_scope_that_lives_long_joins_its_threads_as_it_goes);
    tcase_add_test(t, more_scopes_than_places_are_counted_and_work);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
