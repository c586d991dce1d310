/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/unit.h"
#include "tests/unit/worker-api/master.h"

/* Threads of pools, and the traces of requests, as the master reads them. */
#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

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

START_TEST(a_task_shows_its_own_token_deadline_trace_and_cancel_and_the_pools_after_it)
{
    struct stint_token *request = stint_token_with_deadline(NULL, "request", 9000000000000000);
    struct stint_registry_slot slot;

    up();
    ck_assert_int_eq(stint_token_trace(request, TRACE), 0);
    ck_assert_int_eq(stint_task_begin(request, "GET /"), 0);
    ck_assert_ptr_eq(stint_current(), request);
    slot = slot_of("main");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN | STINT_SLOT_TASK);
    ck_assert_str_eq(slot.token, "GET /");
    ck_assert_int_eq(slot.deadline_us, 9000000000000000);
    ck_assert_uint_eq(slot.trace_id[0], 0x0a);
    ck_assert_uint_eq(slot.trace_id[15], 0x9c);
    ck_assert_int_ne(memcmp(slot.span_id, "\xb7\xad\x6b\x71\x69\x20\x33\x31", 8), 0); /* its own */
    stint_token_cancel(request, STINT_CAUSE_USER, NULL);
    slot = slot_of("main");
    ck_assert_uint_gt(slot.cancelled_us, 0);
    ck_assert_uint_eq(slot.cause, STINT_CAUSE_USER);
    stint_task_end();
    ck_assert_ptr_eq(stint_current(), stint_root());
    slot = slot_of("main");
    ck_assert_uint_eq(slot.flags, STINT_SLOT_MAIN);
    ck_assert_str_eq(slot.token, "root");
    ck_assert_int_eq(slot.deadline_us, STINT_NEVER);
    ck_assert_uint_eq(slot.trace_id[0], 0);
    ck_assert_uint_eq(slot.cancelled_us, 0);
    ck_assert_uint_eq(slot.cause, 0);

    ck_assert_int_eq(stint_task_begin(request, NULL), 0); /* born cancelled */
    ck_assert_uint_gt(slot_of("main").cancelled_us, 0);
    ck_assert_str_eq(slot_of("main").token, "request");
    stint_task_end();
    stint_task_end(); /* one too many */
    ck_assert_ptr_eq(stint_current(), stint_root());
    stint_token_unref(request);
}
END_TEST

START_TEST(tasks_nest_and_the_pools_cancel_is_seen_when_they_are_over)
{
    struct stint_token *outer = stint_token_new(NULL, "outer");

    up();
    ck_assert_int_eq(stint_task_begin(outer, "first"), 0);
    ck_assert_int_eq(stint_task_begin(NULL, "second"), 0); /* the same token */
    ck_assert_ptr_eq(stint_current(), outer);
    ck_assert_str_eq(slot_of("main").token, "second");
    stint_token_cancel(stint_root(), STINT_CAUSE_USER, NULL);
    ck_assert_uint_eq(slot_of("main").cancelled_us, 0); /* not what it works for */
    stint_task_end();
    ck_assert_str_eq(slot_of("main").token, "first");
    ck_assert_uint_eq(slot_of("main").flags & STINT_SLOT_TASK, STINT_SLOT_TASK);
    stint_task_end();
    ck_assert_uint_gt(slot_of("main").cancelled_us, 0);
    stint_token_unref(outer);
}
END_TEST

static void
leave_in_a_task(void *arg)
{
    ck_assert_int_eq(stint_task_begin(arg, "unfinished"), 0);
    ck_assert_int_eq(stint_task_begin(arg, "and another"), 0);
    ck_assert_ptr_nonnull(stint_shield(STINT_NEVER, "for ever"));
    pthread_exit(NULL);
}

static void *
not_registered(void *arg)
{
    ck_assert_int_eq(stint_task_begin(arg, "x"), -ESRCH);
    stint_task_end();
    stint_thread_vital(0);
    stint_thread_exempt("x", STINT_NEVER);
    stint_unshield(stint_shield(5, "x"));
    STINT_BLOCK("nothing", NULL)
    stint_beat();
    return NULL;
}

START_TEST(a_thread_that_ends_within_a_task_leaves_nothing_behind)
{
    struct stint_token *token = stint_token_new(NULL, "request");
    struct stint_thread *thread;
    pthread_t other;

    up();
    ck_assert_int_eq(stint_thread_spawn(&thread, stint_root(), "quitter", leave_in_a_task, token),
                     0);
    ck_assert_int_eq(stint_thread_join(thread, NULL, soon()), 0);
    ck_assert_uint_eq(slot_of("quitter").state, STINT_SLOT_DONE);
    ck_assert_str_eq(slot_of("quitter").token, "root");
    ck_assert_int_eq(pthread_create(&other, NULL, not_registered, token), 0);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
    stint_token_cancel(token, STINT_CAUSE_USER, NULL); /* walks over no thread of the past */
    stint_token_unref(token);
}
END_TEST

START_TEST(a_trace_is_inherited_by_what_is_made_later_and_a_bad_one_is_refused)
{
    struct stint_token *token = stint_token_new(NULL, "request"), *below, *apart;

    up();
    ck_assert_int_eq(stint_token_trace(token, "00-0af7651916cd43dd8448eb211c80319c"), -EINVAL);
    ck_assert_int_eq(
        stint_token_trace(token, "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
        -EINVAL);
    ck_assert_int_eq(stint_token_trace(token, NULL), -EINVAL);
    ck_assert_int_eq(stint_token_trace(NULL, TRACE), -EINVAL);
    ck_assert_int_eq(stint_token_trace(stint_root(), TRACE), -EINVAL);
    ck_assert_int_eq(stint_token_trace(token, TRACE), 0);
    ck_assert_int_eq(stint_token_trace(token, TRACE), -EBUSY);
    below = stint_token_new(token, "below");
    apart = stint_token_detach(below, "apart");
    stint_token_unref(token);
    stint_token_unref(below);
    ck_assert_int_eq(stint_task_begin(apart, NULL), 0);
    ck_assert_uint_eq(slot_of("main").trace_id[0], 0x0a);
    stint_task_end();
    stint_token_unref(apart);
    token = stint_token_new(NULL, "parent");
    below = stint_token_new(token, "child");
    ck_assert_int_eq(stint_token_trace(token, TRACE), -EBUSY);
    stint_token_unref(below);
    stint_token_unref(token);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("task");
    TCase *t = tcase_create("task");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_task_shows_its_own_token_deadline_trace_and_cancel_and_the_pools_after_it);
    tcase_add_test(t, tasks_nest_and_the_pools_cancel_is_seen_when_they_are_over);
    tcase_add_test(t, a_thread_that_ends_within_a_task_leaves_nothing_behind);
    tcase_add_test(t, a_trace_is_inherited_by_what_is_made_later_and_a_bad_one_is_refused);
    suite_add_tcase(suite, t);
    return unit_main(suite);
}
